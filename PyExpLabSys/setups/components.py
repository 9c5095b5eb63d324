"""What a setup is composed of, and what its parts see of each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One value of one codename, whether it is stored or not.

    Attributes:
        codename: Its codename.
        time_s: Unix time in s at which the reply of the instrument was complete.
        value: The value; NaN if the instrument says that it has none.
        stored: Whether the criterion wanted it stored, so that it is on its way to the database. A late criterion may
            still want it when later ones have come.
    """

    codename: str
    time_s: float
    value: float
    stored: bool


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A reading that there is not.

    Attributes:
        codename: Of what.
        time_s: Unix time in s at which that was known.
        cause: Why.
    """

    codename: str
    time_s: float
    cause: str


#: Gets all readings and gaps, in the threads that read the instruments: it returns at once, and leaves work to a
#: thread of its own.
Observer = Callable[[Reading | Gap], None]


@dataclass(frozen=True, kw_only=True)
class ComponentStatus:
    """How a component does.

    Attributes:
        stuck: What it cannot get on with, although it waits for nothing that may heal by itself; None: it makes
            progress. To back off from something that is not there is progress, a call past its own time-out is none.
            While anything is stuck, systemd is not told that all is well, and starts the setup again.
        alarms: What a person should look at, one line each.
        details: Figures, by name.
    """

    stuck: str | None = None
    alarms: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)


class Component(Protocol):
    """A part of a running setup, such as what sends live values or reports; ``Setup.add`` takes it.

    It is started after delivery and before the first reading, and stopped after the last reading and before delivery.
    """

    @property
    def name(self) -> str:
        """Its name in status and log."""
        ...

    def start(self) -> None:
        """Begin; returns at once and does not fail for what may heal by itself."""
        ...

    def stop(self, timeout_s: float) -> None:
        """Bring to an end what is going on, within so many s."""
        ...

    def status(self) -> ComponentStatus:
        """Return how it does; returns at once, from any thread."""
        ...
