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

Ctrl-C ends it, and ``python {name} --help`` lists what else it can do. Server and account are in the settings.
"""

from PyExpLabSys.drivers.host_sensors import HostSensors
from PyExpLabSys.setups import Interval, Setup

# Names in the database, and what each of them gets. A new name is made known to the database with
# pyexplabsys database codename add NAME --unit UNIT --description TEXT
CODENAMES = {{
{codenames}
}}


def main() -> None:
    setup = Setup("{setup}")
    computer = HostSensors()
    there = computer.quantities()  # not every computer has a temperature
    readings = {{codename: reading for codename, reading in CODENAMES.items() if reading in there}}
    setup.log_many(readings, computer.read_all_values, every=10.0, criterion=Interval(60.0))
    setup.run()


if __name__ == "__main__":
    main()
'''


def logger_script(setup: str, name: str) -> str:
    """Return the text of a script called ``name`` that logs this computer into the table of a setup."""
    codenames = "\n".join(f'    "{item.codename(setup)}": "{item.reading}",' for item in HOST_READINGS)
    return _TEMPLATE.format(setup=setup, name=name, codenames=codenames)


def write_logger_script(path: Path, setup: str) -> bool:
    """Write the script unless there is a file of that name; return whether it was written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(logger_script(setup, path.name))
    except FileExistsError:
        return False
    return True
