"""The first ``logger.py`` of a new setup: it logs the computer that it runs on, and is there to be changed."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class HostReading:
    """One reading of a computer and what it is called in the database; ``reading`` is a key of ``HostSensors``."""

    reading: str
    suffix: str
    unit: str
    description: str

    def codename(self, setup: str) -> str:
        """Return the name of the reading in the database."""
        return f"{setup}_{self.suffix}"


HOST_READINGS = tuple(
    HostReading(reading=reading, suffix=suffix, unit=unit, description=description)
    for reading, suffix, unit, description in (
        ("cpu_load_percent", "cpu_load", "%", "Load of the logging computer"),
        ("memory_used_percent", "memory_used", "%", "Memory in use on the logging computer"),
        ("disk_read_bytes_per_s", "disk_read", "B/s", "Read from the disks of the logging computer"),
        ("disk_written_bytes_per_s", "disk_written", "B/s", "Written to the disks of the logging computer"),
        ("network_received_bytes_per_s", "network_received", "B/s", "Received from the network"),
        ("network_sent_bytes_per_s", "network_sent", "B/s", "Sent to the network"),
        ("temperature_degc", "temperature", "degC", "Temperature of the logging computer"),
    )
)

_TEMPLATE = '''\
"""Log the readings of this computer into the table dateplots_{setup}.

Start it with ``python {name}``; Ctrl-C ends it. Server and account are in the settings: pyexplabsys init.
"""

import signal
import sys
import time

from PyExpLabSys.common.loggers import ContinuousLogger
from PyExpLabSys.drivers.host_sensors import HostSensors
from PyExpLabSys.errors import PyExpLabSysError
from PyExpLabSys.settings import Settings

PERIOD_S = 10.0
# What is read, and its name in the database. A new name is made known to the database with
# pyexplabsys database codename add NAME --unit UNIT --description TEXT
CODENAMES = {{
{codenames}
}}


def main() -> None:
    settings = Settings()
    sensors = HostSensors()
    logger = ContinuousLogger(
        table="dateplots_{setup}",
        username=settings.get("sql_username", ""),
        password=settings.get("sql_password", ""),
        measurement_codenames=list(CODENAMES.values()),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the end of a service is a Ctrl-C
    logger.start()
    print(f"logging every {{PERIOD_S:g}} s, Ctrl-C ends")
    try:
        while True:
            readings = sensors.read_all_values()
            for reading, codename in CODENAMES.items():
                if reading in readings:  # not every computer has a temperature
                    logger.enqueue_point_now(codename, readings[reading])
            time.sleep(PERIOD_S)
    except KeyboardInterrupt:
        pass
    finally:
        left = logger.stop()
        print("everything is in the database" if left == 0 else f"{{left}} points did not reach the database")


if __name__ == "__main__":
    try:
        main()
    except PyExpLabSysError as error:  # its text says what to do; a bug shows its traceback
        sys.exit(f"error: {{error}}")
'''


def logger_script(setup: str, name: str) -> str:
    """Return the text of a script called ``name`` that logs this computer into the table of a setup."""
    codenames = "\n".join(f'    "{item.reading}": "{item.codename(setup)}",' for item in HOST_READINGS)
    return _TEMPLATE.format(setup=setup, name=name, codenames=codenames)


def write_logger_script(path: Path, setup: str) -> bool:
    """Write the script unless there is a file of that name; return whether it was written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(logger_script(setup, path.name))
    except FileExistsError:
        return False
    return True
