"""A batch of points on its way from the queue to a sink."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Consecutive points of a log, in the order in which they were enqueued.

    Attributes:
        first_sequence: Sequence number at which the batch begins; everything below is settled.
        last_sequence: Sequence number of its last record. What is no point, or was taken out, counts as well:
            once the batch is stored, everything up to here is settled.
        sequences: Sequence number of each point, ascending, shape (n,).
        ids: Local codename id of each point, shape (n,).
        times: Unix time of each point in s, shape (n,).
        values: Value of each point, shape (n,); NaN stands for "no value".
        codenames: Codename of each local id.
    """

    first_sequence: int
    last_sequence: int
    sequences: "NDArray[np.int64]"
    ids: "NDArray[np.uint16]"
    times: "NDArray[np.float64]"
    values: "NDArray[np.float64]"
    codenames: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sequences)

    def first(self, points: int) -> "Batch":
        """Return the part of the batch that holds its first so many points."""
        if points >= len(self):
            return self
        part = self._only(slice(points))
        return replace(part, last_sequence=int(self.sequences[points]) - 1)

    def without(self, indices: "Sequence[int]") -> "Batch":
        """Return the batch less the points at these positions; it still settles the same sequence numbers."""
        import numpy as np

        keep = np.ones(len(self), bool)
        keep[np.asarray(indices, np.intp)] = False
        return self._only(keep)

    def after(self, sequence: int) -> "Batch":
        """Return what of the batch comes after a sequence number that is already stored."""
        rest = self._only(self.sequences > sequence)
        return replace(rest, first_sequence=max(self.first_sequence, sequence + 1))

    def _only(self, keep: "NDArray[np.bool_] | slice") -> "Batch":
        return replace(
            self,
            sequences=self.sequences[keep],
            ids=self.ids[keep],
            times=self.times[keep],
            values=self.values[keep],
        )
