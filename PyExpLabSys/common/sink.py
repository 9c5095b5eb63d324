"""What a destination of points has to offer. Nothing else knows what a sink is made of."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PyExpLabSys.common.batch import Batch


class Sink(ABC):
    """A destination for points, used by the one thread that delivers to it.

    Attributes:
        name: Unique and lasting; derived from the destination, so that a restarted logger knows it again.
        timeout_s: The longest that :meth:`store` may wait for its destination, in s.
        batch_points: The most points that it wants at once.
    """

    name: str
    timeout_s: float = 15.0
    batch_points: int = 5_000

    @abstractmethod
    def store(self, batch: "Batch") -> None:
        """Store all points of a batch, or raise. Returning means that the destination has confirmed them.

        After :class:`~PyExpLabSys.errors.TryAgainLater` the same points come again, in order, in a batch of
        the same or another length; what the destination has stored of them by then must not be stored twice.

        Raises:
            TryAgainLater: Not now; whether anything was stored may be unknown.
            PointsRejected: Some points can never be stored; they come no more.
            DestinationMisconfigured: Nothing can be stored until a person mends the destination.
        """

    def interrupt(self) -> None:  # noqa: B027 - most sinks have nothing that a time-out would not end
        """Make a hanging :meth:`store` come back now; called from another thread."""

    def close(self, *, delivered: bool) -> None:  # noqa: B027 - not every sink holds something open
        """Let go of the destination; never raises.

        Args:
            delivered: All points were stored and no more will come from this queue.
        """
