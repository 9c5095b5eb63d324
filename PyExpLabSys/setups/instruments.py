"""An instrument as a setup has it: opened when it is there, opened again when it was gone.

:class:`ManagedInstrument` is what the setup works with; the script gets a :class:`Proxy` that looks like the driver.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from PyExpLabSys.common.delivery import Backoff
from PyExpLabSys.errors import InstrumentError, TransportError, TransportTimeoutError
from PyExpLabSys.setups.drivers import DriverPlan
from PyExpLabSys.setups.line import Line

LOGGER = logging.getLogger(__name__)

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
#: An instrument that answered before is opened anew when it did not answer so many times in a row.
SILENT_CALLS_MAX = 3


@dataclass
class _Session:
    """One time that the instrument is open; what a call from before that brings or breaks is void."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    driver: Any = None
    transport: object = None
    answered: bool = False
    silent_calls: int = 0


class ManagedInstrument:
    """Opens and closes an instrument, and lets one thread at a time call it.

    Args:
        plan: How its driver is made.
        line: The line that it shares with others.
        simulate: Use its simulator.
        prepare: Called with the driver each time that it was opened.

    Attributes:
        name: What messages call it.
        simulated: Whether its simulator is used.
        enabled: Whether it may be opened; until the setup runs, nobody knows whether it is to be simulated.
    """

    def __init__(
        self,
        plan: DriverPlan,
        *,
        line: Line | None = None,
        simulate: bool = False,
        prepare: Callable[[Any], object] | None = None,
    ) -> None:
        self.name, self.line, self._simulate = plan.name, line, simulate
        self.enabled = self.simulated = False
        self._plan, self._prepare = plan, prepare
        self._session = _Session()
        self._simulator: Any = None
        self._backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        self._retry_at_s = 0.0
        self._error: InstrumentError | None = None

    @property
    def kind(self) -> Callable[..., Any]:
        """The driver's class."""
        return self._plan.kind

    @property
    def is_open(self) -> bool:
        """Whether the driver is open."""
        return self._session.driver is not None

    def enable(self, *, simulated: bool) -> None:
        """Let it be opened when it is first called, or its simulator if it has one.

        Raises:
            SettingsError: It has a transport, but no simulator.
        """
        self.simulated = self._plan.takes_transport and (simulated or self._simulate)
        if self.simulated and self._simulator is None:
            # One for good: its oven does not cool down because the driver was opened anew.
            self._simulator = self._plan.simulated_transport()
        self.enabled = True

    def call(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Call a method of the driver, and return what it returns.

        Raises:
            InstrumentError: The instrument is not there, or what the method raises.
        """
        if not self.enabled:
            raise InstrumentError(
                f"{self.name} is not open: a setup opens its instruments when it runs. "
                "What has to be set at the start is done by setup.instrument(..., prepare=FUNCTION)"
            )
        session = self._session
        with session.lock:
            driver = self._opened(session)
            try:
                result = getattr(driver, method)(*arguments, **keywords)
            except TransportTimeoutError as error:
                self._note_silence(session, error)
                raise
            except TransportError as error:
                self._note_loss(session, error)
                raise
            self._note_answer(session)
            return result

    def abandon(self) -> None:
        """Go on without a call that hangs: what it still does or brings concerns nobody any more."""
        old, self._session = self._session, _Session()
        # At once, so that the next call for another instrument of the line does not wait for the one that hangs.
        wire = None if self.line is None else self.line.detach(old.transport)
        # To close the wire is what ends most calls that hang, but that may hang as well.
        name = f"closing {self.name}"
        threading.Thread(target=_close, args=(self.name, wire, old.driver), name=name, daemon=True).start()

    def close(self) -> None:
        """Close the instrument; it can be opened again."""
        old, self._session = self._session, _Session()
        _close(self.name, old.driver)
        simulator, self._simulator = self._simulator, None
        _close(self.name, simulator)

    def _opened(self, session: _Session) -> Any:
        """Return the driver, opened now if it was not and it is time to try."""
        if self.line is not None and not self.simulated and not self.line.carries(session.transport):
            self._forget(session)  # the line was given up, for whatever reason
        if session.driver is None:
            self._open(session)
        return session.driver

    def _open(self, session: _Session) -> None:
        if self._error is not None and time.monotonic() < self._retry_at_s:
            raise type(self._error)(str(self._error))
        try:
            session.transport = self._transport()
            session.driver = self._plan.make(session.transport)
            if self._prepare is not None:
                self._prepare(session.driver)
        except TransportTimeoutError as error:
            self._note_silence(session, error)
            raise
        except InstrumentError as error:
            self._note_loss(session, error)
            raise
        LOGGER.info("opened %s", self.name)

    def _transport(self) -> Any:
        """Return what the driver is put on; None if it opens its own."""
        if self.simulated:
            return self._simulator
        return None if self.line is None else self.line.transport(modbus=self._plan.wants_modbus)

    def _note_answer(self, session: _Session) -> None:
        session.answered, session.silent_calls = True, 0
        if session is not self._session:
            return
        self._error = None
        self._backoff.reset()
        if self.line is not None:
            self.line.answered()

    def _note_silence(self, session: _Session, error: InstrumentError) -> None:
        session.silent_calls += 1
        # Who has never answered is asked less and less: each silence costs the others on the line its time-out.
        give_up = not session.answered or session.silent_calls >= SILENT_CALLS_MAX
        if self.line is not None and session is self._session:
            self.line.silent()
        if give_up:
            self._back_off(session, error)

    def _note_loss(self, session: _Session, error: InstrumentError) -> None:
        if self.line is not None and isinstance(error, TransportError):
            self.line.lost(session.transport)
        self._back_off(session, error)

    def _back_off(self, session: _Session, error: InstrumentError) -> None:
        self._forget(session)
        if session is self._session:
            self._error = error
            self._retry_at_s = time.monotonic() + self._backoff.next_delay()

    def _forget(self, session: _Session) -> None:
        driver, session.driver, session.transport = session.driver, None, None
        session.answered, session.silent_calls = False, 0
        _close(self.name, driver)


def _close(name: str, *what: Any) -> None:
    """Close drivers and transports, where there is one and it can be closed."""
    for each in what:
        try:
            if hasattr(each, "close"):
                each.close()
        except InstrumentError as error:
            LOGGER.debug("%s did not close in good order: %s", name, error)


class InstrumentMethod:
    """A method of an instrument, to be called now or handed to ``Setup.log``."""

    def __init__(self, instrument: ManagedInstrument, name: str) -> None:
        self.instrument = instrument
        self.__name__ = name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the method."""
        return self.instrument.call(self.__name__, *arguments, **keywords)

    def __repr__(self) -> str:
        return f"{self.__name__} of {self.instrument.name}"


class Proxy:
    """Looks like the driver and has its methods."""

    def __init__(self, instrument: ManagedInstrument) -> None:
        self.__instrument = instrument

    def __getattr__(self, name: str) -> InstrumentMethod:
        kind = self.__instrument.kind
        if name.startswith("_") or not callable(getattr(kind, name, None)):
            raise AttributeError(
                f"{getattr(kind, '__qualname__', kind)} has no method {name!r}; "
                "a setup calls methods of its instruments, and reads no other attributes"
            )
        return InstrumentMethod(self.__instrument, name)

    def __repr__(self) -> str:
        return f"<{self.__instrument.name}>"


def instrument_of(read: object) -> ManagedInstrument | None:
    """Return the instrument that a function reads: a method of one, perhaps with arguments in a ``partial``."""
    while isinstance(read, partial):
        read = read.func
    return read.instrument if isinstance(read, InstrumentMethod) else None
