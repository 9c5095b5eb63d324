"""``--check``: tries everything but logging, and says what works."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import CodenameError, DatabaseError, DatabaseMisconfigured, InstrumentError, PyExpLabSysError
from PyExpLabSys.setups.measurements import Measurement, part_of, to_number
from PyExpLabSys.setups.polling import ONCE_ATTEMPTS, ONCE_PAUSE_S
from PyExpLabSys.setups.runnable import Runnable

if TYPE_CHECKING:
    from PyExpLabSys.database.connection import Connection


def check(setup: Runnable, *, simulated: bool = False, say: Callable[[str], object] | None = None) -> int:
    """Try settings, database, codenames and instruments; return 0 if all of them work, else 1.

    Args:
        setup: What is checked.
        simulated: Use the simulators of all instruments.
        say: Gets each line of the report; by default it is printed.
    """
    say = _print if say is None else say
    failed = 0
    for what, error in _findings(setup, simulated=simulated):
        failed += error is not None
        say(f"ok      {what}" if error is None else f"FAILED  {what}: {error}")
    say(f"{failed} of these failed" if failed else f"{setup.name} is ready")
    return 1 if failed else 0


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _findings(setup: Runnable, *, simulated: bool) -> Iterator[tuple[str, str | None]]:
    """Yield what was tried and what was wrong, None if nothing was."""
    try:
        target = setup.target()
    except PyExpLabSysError as error:
        yield "settings", str(error)
    else:
        yield "settings", None
        yield from _database_findings(setup, target)
    try:
        setup.inventory.enable(simulated=simulated)
        for measurement in setup.inventory.measurements:
            yield from _reading_findings(measurement)
    except PyExpLabSysError as error:
        yield "instruments", str(error)
    finally:
        setup.inventory.close()


def _database_findings(setup: Runnable, target: DatabaseTarget) -> Iterator[tuple[str, str | None]]:
    from PyExpLabSys.database.opening import connect

    try:
        with connect(target) as connection:
            yield f"database {target.name}", None
            yield f"table {setup.table}", _table_error(connection, setup.table)
            for codename in setup.inventory.codenames:
                yield f"codename {codename}", _codename_error(connection, codename)
    except DatabaseError as error:
        yield f"database {target.name}", str(error)


def _table_error(connection: "Connection", table: str) -> str | None:
    from PyExpLabSys.database.schema import describe

    try:
        describe(connection, table)
    except DatabaseMisconfigured as error:
        return str(error)
    return None


def _codename_error(connection: "Connection", codename: str) -> str | None:
    from PyExpLabSys.database.codenames import find

    try:
        find(connection, codename)
    except CodenameError as error:
        # An embedded database registers it when the first point comes.
        return None if connection.dialect == "sqlite" else str(error)
    return None


def _reading_findings(measurement: Measurement) -> Iterator[tuple[str, str | None]]:
    where = "" if measurement.instrument is None else f" of {measurement.instrument.name}"
    try:
        reading = _read(measurement)
    except Exception as error:  # noqa: BLE001 - a bug of a driver is a finding as well
        kind = "" if isinstance(error, PyExpLabSysError) else f"{type(error).__name__}: "
        yield f"reading{where} for {measurement.name}", f"{kind}{error}"
        return
    for channel in measurement.channels:
        try:
            value = to_number(part_of(reading, channel.part), channel.codename)
        except PyExpLabSysError as error:
            yield f"reading{where} for {channel.codename}", str(error)
        else:
            yield f"reading{where}: {channel.codename} = {value!r}", None


def _read(measurement: Measurement) -> object:
    """Return a reading, as ``--once`` would get it: rates need some time in between, a line has to come into step."""
    for _ in range(ONCE_ATTEMPTS - 1):
        try:
            return measurement.read()
        except InstrumentError:
            time.sleep(ONCE_PAUSE_S)
    return measurement.read()
