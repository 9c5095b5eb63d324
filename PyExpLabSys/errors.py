"""The exceptions that this package raises on purpose; anything else that escapes it is a bug.

They are told apart by what the caller can do about them, not by where they came from:
read again, wait, mend the settings. A bad argument is a :class:`ValueError` as everywhere in Python.
"""

from collections.abc import Sequence


class PyExpLabSysError(Exception):
    """Raised on purpose by this package; the base of all below."""


class InstrumentError(PyExpLabSysError):
    """An instrument gave no valid answer; reading again may help."""


class TransportError(InstrumentError, OSError):
    """The wire failed: unplugged, refused, reset."""


class TransportTimeoutError(TransportError, TimeoutError):
    """No complete answer came in time."""


class ProtocolError(InstrumentError):
    """Bytes came that are not a valid reply."""


class CommandRejectedError(InstrumentError):
    """A valid reply came, and it says no."""


class DatabaseError(PyExpLabSysError):
    """The database did not do what was asked.

    Attributes:
        code: The server's own error number (MySQL, SQLite), None where there is none.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class DatabaseUnavailable(DatabaseError):
    """Not now: unreachable, timed out, overloaded, a lock. Trying again may help.

    Whether the statement was carried out is unknown.
    """


class RowsRejected(DatabaseError):
    """The server will never take these values; others of the same statement may be fine."""


class DatabaseMisconfigured(DatabaseError):
    """Only a person can help: wrong password, missing table, missing right, missing column."""


class CodenameError(DatabaseError):
    """A codename does not have exactly one entry in ``dateplots_descriptions``."""


class SaveError(PyExpLabSysError):
    """A sink did not take all points of a batch; they are still the caller's."""


class TryAgainLater(SaveError):
    """The destination cannot take points now; the same batch may be handed over again."""


class PointsRejected(SaveError):
    """Some points can never be stored; nothing of the batch was.

    Attributes:
        indices: Positions of these points in the batch, ascending.
        reasons: Why, one text for each index.
    """

    def __init__(self, indices: Sequence[int], reasons: Sequence[str]) -> None:
        if not indices or len(indices) != len(reasons):
            raise ValueError(f"{len(indices)} indices and {len(reasons)} reasons")
        super().__init__(f"{len(indices)} points can never be stored, the first: {reasons[0]}")
        self.indices = tuple(indices)
        self.reasons = tuple(reasons)


class DestinationMisconfigured(SaveError):
    """The destination refuses everything until a person mends it; points wait."""


class SettingsError(PyExpLabSysError):
    """A setting is missing or wrong; the message names the file, the line and the key."""
