"""``Setup``: the instruments, codenames, criteria and destinations of one experimental setup."""

import atexit
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from PyExpLabSys.common.sink import Sink
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.setups.components import Component, ComponentStatus, Observer
from PyExpLabSys.setups.credentials import choose_database
from PyExpLabSys.setups.criteria import Always, Criterion, LateCriterion
from PyExpLabSys.setups.drivers import plan_driver
from PyExpLabSys.setups.instruments import ManagedInstrument, Proxy
from PyExpLabSys.setups.inventory import Inventory
from PyExpLabSys.setups.line import Line
from PyExpLabSys.setups.measurements import Measurement, Part
from PyExpLabSys.setups.outlet import PointOutlet, simulated_database
from PyExpLabSys.setups.polling import Poller, pollers
from PyExpLabSys.setups.runner import run
from PyExpLabSys.transport.serial_channel import SerialSettings

LOGGER = logging.getLogger(__name__)

Driver = TypeVar("Driver")

HUNG_AFTER_S = 60.0
#: How long a component, such as the reading of one line, may take to end, in s.
COMPONENT_STOP_S = 5.0


class Setup:
    """What is read, how often, and what becomes of it; :meth:`run` does it until it is stopped.

    Points are queued from the first second on, also while the database or an instrument is away: both may come later.

    Args:
        name: Of the setup; its points go to the table ``dateplots_<name>``.
        username: Account of the database; else that of ``credentials.py`` or ``credentials.toml`` beside the script,
            else that of the settings.
        password: Its password.
        host: The server, as for ``ContinuousLogger``; else that of the settings.
        port: Its port.
        database: Name of the database.
        forward_to: Further sinks for the same points.
        max_points: The most points that may wait for one sink.
        store_within: A point is handed to the database at the latest when it has waited for so long, in s.

    Attributes:
        name: As given.
        inventory: Lines, instruments, and what is read.
    """

    def __init__(
        self,
        name: str,
        *,
        username: str | None = None,
        password: str | None = None,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        database: str | None = None,
        forward_to: Sequence[Sink] = (),
        max_points: int | None = None,
        store_within: float = 0.25,
    ) -> None:
        self.name = name
        self._target = partial(choose_database, username, password, host=host, port=port, database=database)
        self._outlet = PointOutlet(name, forward_to, max_points=max_points, store_within_s=store_within)
        self.inventory = Inventory()
        self._components: list[Component] = []
        self._started: list[Component] = []
        self._pollers: list[Poller] = []

    def line(
        self,
        url: str,
        *,
        baudrate: int = 9600,
        bytesize: int = 8,
        parity: str = "N",
        stopbits: float = 1,
        rtscts: bool = False,
        xonxoff: bool = False,
        timeout_s: float = 2.0,
    ) -> Line:
        """Return a line that several instruments share; it has one thread, which reads them one after the other.

        Args:
            url: The device, ``socket://HOST:PORT`` or ``rfc2217://HOST:PORT``.
            baudrate: The speed.
            bytesize, parity, stopbits: Its format; parity is ``N``, ``E``, ``O``, ``M`` or ``S``.
            rtscts, xonxoff: Its handshake: two wires of the cable, or two characters, that say when to stop sending.
            timeout_s: How long a reply may take, where the driver does not say it, in s.
        """
        settings = SerialSettings(
            baudrate=baudrate, bytesize=bytesize, parity=parity, stopbits=stopbits, rtscts=rtscts, xonxoff=xonxoff
        )
        line = Line(url, settings, timeout_s)
        self.inventory.add_line(line)
        return line

    def instrument(
        self,
        driver: Callable[..., Driver],
        *arguments: object,
        line: Line | None = None,
        simulate: bool = False,
        prepare: Callable[[Driver], object] | None = None,
        **keywords: Any,
    ) -> Driver:
        """Return what stands for an instrument: it has the methods of the driver, which open it when it is there.

        Args:
            driver: The driver's class.
            arguments, keywords: Of its constructor.
            line: The line that it shares with others; then no port is given, and all arguments by name.
            simulate: Use its simulator instead.
            prepare: Called with the driver each time that the instrument was opened, to set what it has to be set to.

        Raises:
            TypeError, ValueError: The driver does not take these arguments, or cannot be on this line.
        """
        plan = plan_driver(driver, arguments, keywords, line, simulate=simulate)
        managed = ManagedInstrument(plan, line=line, simulate=simulate, prepare=prepare)
        self.inventory.add_instrument(managed)
        return cast("Driver", Proxy(managed))

    def log(
        self,
        codename: str,
        read: Callable[[], Any],
        *,
        every: float,
        criterion: Criterion | LateCriterion | None = None,
        stale_after_s: float | None = None,
        hung_after_s: float = HUNG_AFTER_S,
    ) -> None:
        """Read a number again and again, and store it under a codename.

        Args:
            codename: Its name in the database.
            read: A method of an instrument of this setup, or any function that returns a number.
            every: Time between readings in s.
            criterion: Which readings become points; None: all.
            stale_after_s: A last point older than this is an alarm, in s; None: three times the longest expected
                silence.
            hung_after_s: A call that takes longer than this is abandoned, in s.
        """
        self._measure({codename: None}, read, every, criterion, stale_after_s, hung_after_s)

    def log_many(
        self,
        codenames: Mapping[str, str | int],
        read: Callable[[], Any],
        *,
        every: float,
        criterion: Criterion | LateCriterion | None = None,
        stale_after_s: float | None = None,
        hung_after_s: float = HUNG_AFTER_S,
    ) -> None:
        """Read several numbers at once, and store them with one time under several codenames.

        Args:
            codenames: For each codename what of the reading it gets: a key of a dictionary, the name of an attribute,
                or the position in a tuple or list.
            read: A method of an instrument of this setup, or any function.
            every: Time between readings in s.
            criterion, stale_after_s, hung_after_s: As for :meth:`log`, for each codename by itself.
        """
        self._measure(dict(codenames), read, every, criterion, stale_after_s, hung_after_s)

    def add(self, component: Component) -> None:
        """Add a part that is started and stopped with the setup, such as one that sends live values."""
        self._not_while_running()
        self._components.append(component)

    def subscribe(self, observer: Observer) -> None:
        """Tell an observer of every reading, also of those that are not stored, and of every gap.

        It is called in the threads that read the instruments, and must return at once.
        """
        self._not_while_running()
        self._outlet.subscribe(observer)

    def run(self, argv: Sequence[str] | None = None) -> None:
        """Read and deliver until SIGTERM or Ctrl-C, then deliver what is queued.

        Args:
            argv: Arguments of the command line, by default those of the script; ``--help`` lists them.

        Raises SystemExit with a status that is not 0 if points are left, or a check failed.
        """
        run(self, argv)

    def start(self, *, simulated: bool = False, once: bool = False, target: DatabaseTarget | None = None) -> None:
        """Start everything; returns at once. A program that then ends without :meth:`stop` does it at its end.

        Args:
            simulated: Use the simulators of all instruments.
            once: Read everything once, and no more.
            target: Where the points go; None: as arguments, credentials and settings say, or, simulated, into a file
                of their own.

        Raises:
            SettingsError: The settings are wrong, or an instrument has no simulator.
        """
        self._not_while_running()
        if not self.inventory.measurements:
            raise ValueError(f"the setup {self.name} logs nothing: call log() or log_many() before it runs")
        self.inventory.enable(simulated=simulated)
        if target is None:
            target = simulated_database(self.name) if simulated else self.target()
        self._outlet.connect(target, self.inventory.codenames)
        self._pollers = pollers(self.inventory.measurements, once=once)
        atexit.register(self.stop)
        self._outlet.start()
        for component in (*self._components, *self._pollers):
            self._started.append(component)
            component.start()
        count, where = len(self.inventory.codenames), f"{target.name}/{self._outlet.table}"
        LOGGER.info("%s: %d codenames, points go to %s", self.name, count, where)

    def supervise(self) -> None:
        """See that nothing hangs; called about once a second."""
        for poller in self._pollers:
            poller.supervise()

    def stop(self, timeout_s: float | None = None) -> int:
        """Stop reading, deliver what is queued, close everything, and return the number of points that are left.

        Args:
            timeout_s: Give up delivery after so long in any case, in s; None: go on while points are taken.
        """
        atexit.unregister(self.stop)
        for component in reversed(self._started):
            try:
                component.stop(COMPONENT_STOP_S)
            except Exception:  # the others, and delivery, are stopped all the same
                LOGGER.exception("%s did not stop in good order", component.name)
        self._started = []
        self.inventory.finish()
        self._outlet.stop(timeout_s)
        self.inventory.close()
        return self._outlet.left

    def status(self) -> dict[str, ComponentStatus]:
        """Return how every component does, by its name; delivery first."""
        return {each.name: each.status() for each in (self._outlet, *self._components, *self._pollers)}

    @property
    def table(self) -> str:
        """The table that gets the points."""
        return self._outlet.table

    @property
    def all_read(self) -> bool:
        """Whether everything was read that was to be read once."""
        return all(poller.ended for poller in self._pollers)

    def target(self) -> DatabaseTarget:
        """Return the database that arguments, credentials and settings name.

        Raises:
            SettingsError: Something is missing or wrong.
        """
        return self._target(Path(sys.argv[0]).absolute().parent)

    def _measure(
        self,
        parts: Mapping[str, Part],
        read: Callable[[], Any],
        every: float,
        criterion: Criterion | LateCriterion | None,
        stale_after_s: float | None,
        hung_after_s: float,
    ) -> None:
        self._not_while_running()
        if not callable(read):
            raise ValueError(f"what is read for {', '.join(parts)} must be a function, not its result: {read!r}")
        measurement = Measurement(
            read,
            parts,
            every_s=every,
            criterion=Always() if criterion is None else criterion,
            stale_after_s=stale_after_s,
            hung_after_s=hung_after_s,
            outlet=self._outlet,
        )
        self.inventory.add_measurement(measurement)

    def _not_while_running(self) -> None:
        if self._started:
            raise ValueError(f"the setup {self.name} runs already: everything is said before run() or start()")
