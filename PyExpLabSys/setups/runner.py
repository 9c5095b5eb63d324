"""Runs a setup as a program: arguments, signals, systemd, and what comes out at the end."""

import argparse
import logging
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from PyExpLabSys.errors import PyExpLabSysError
from PyExpLabSys.setups.check import check
from PyExpLabSys.setups.components import Gap, Reading
from PyExpLabSys.setups.logging_setup import configure_logging
from PyExpLabSys.setups.runnable import Runnable
from PyExpLabSys.setups.systemd import Notifier

LOGGER = logging.getLogger(__name__)

TICK_S = 0.5
STATUS_EVERY_S = 10.0
EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
#: Ends the wait of --once when something hangs and is not abandoned before.
ONCE_TIMEOUT_S = 600.0

OPTIONS = {
    "--simulate": "simulators instead of instruments; the points go into a file of their own",
    "--into-database": "with --simulate: the simulated points go into the database of the settings all the same",
    "--once": "read everything once, print and deliver it, and end",
    "--check": "try settings, database, codenames and instruments, store nothing, and report",
    "--debug": "log everything that is done",
}

StopRequests = queue.SimpleQueue[int]


def run(setup: Runnable, argv: Sequence[str] | None = None) -> None:
    """Do what the arguments say; by default read and deliver until SIGTERM or Ctrl-C.

    Raises:
        SystemExit: With the exit status, if that is not 0.
    """
    arguments = _parse(setup, argv)
    configure_logging(debug=arguments.debug)
    try:
        status = check(setup, simulated=arguments.simulate) if arguments.check else _log(setup, arguments)
    except PyExpLabSysError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        status = EXIT_FAILED
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    if status != 0:
        raise SystemExit(status)


def _parse(setup: Runnable, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=Path(sys.argv[0]).name, description=f"Log the setup {setup.name}: {', '.join(setup.inventory.codenames)}."
    )
    for option, text in OPTIONS.items():
        parser.add_argument(option, action="store_true", help=text)
    arguments = parser.parse_args(argv)
    if arguments.into_database and not arguments.simulate:
        parser.error("--into-database goes with --simulate")
    return arguments


def _log(setup: Runnable, arguments: argparse.Namespace) -> int:
    """Log until told to stop, or once; return the exit status."""
    latest: dict[str, Reading | Gap] = {}
    if arguments.once:
        setup.subscribe(lambda what: latest.update({what.codename: what}))
    notifier = Notifier()
    with _stop_signals() as stop:
        target = setup.target() if arguments.into_database else None
        if target is not None:
            LOGGER.warning("simulated points go into the lab's database %s, table %s", target.name, setup.table)
        try:
            setup.start(simulated=arguments.simulate, once=arguments.once, target=target)
            notifier.ready()
            _wait(setup, stop, notifier, once=arguments.once)
        finally:
            notifier.stopping()
            left = setup.stop()
    LOGGER.info("%s has ended, %s", setup.name, f"{left} points are lost" if left else "everything is delivered")
    return EXIT_FAILED if left or not _print_readings(latest) else 0


def _wait(setup: Runnable, stop: StopRequests, notifier: Notifier, *, once: bool) -> None:
    """Look after the setup until told to stop, or, with ``once``, until everything was read."""
    began_s = time.monotonic()
    said_at_s = began_s - STATUS_EVERY_S
    while not (once and (setup.all_read or time.monotonic() - began_s > ONCE_TIMEOUT_S)):
        setup.supervise()
        statuses = setup.status()
        stuck = [f"{name}: {each.stuck}" for name, each in statuses.items() if each.stuck is not None]
        if not stuck:
            notifier.alive()
        if time.monotonic() - said_at_s >= STATUS_EVERY_S:
            said_at_s = time.monotonic()
            alarms = [alarm for each in statuses.values() for alarm in each.alarms]
            notifier.status("; ".join((*stuck, *alarms)) or f"logging {len(setup.inventory.codenames)} codenames")
        try:
            number = stop.get(timeout=0.05 if once else TICK_S)
        except queue.Empty:
            continue
        LOGGER.info("%s: stopping, since %s came", setup.name, signal.Signals(number).name)
        return


def _print_readings(latest: Mapping[str, Reading | Gap]) -> bool:
    """Print what was read once, and return whether all of it was."""
    for codename, what in latest.items():
        text = f"no reading: {what.cause}" if isinstance(what, Gap) else repr(what.value)
        sys.stdout.write(f"{codename}\t{text}\n")
    return not any(isinstance(what, Gap) for what in latest.values())


@contextmanager
def _stop_signals() -> Iterator[StopRequests]:
    """Turn SIGTERM and Ctrl-C into entries of a queue; a second Ctrl-C ends the program at once."""
    # Not an Event: its lock may be held by the very thread that a signal interrupts. This queue allows for that.
    stop: StopRequests = queue.SimpleQueue()

    def note(number: int, _frame: object) -> None:
        stop.put(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield stop  # Python hands signals to the main thread; whoever runs a setup elsewhere stops it by itself
        return
    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
