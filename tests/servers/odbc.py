"""ODBC data sources that only a test sees.

What unixODBC does with its files was tried out (2.3.11): it notes ODBCSYSINI, and with it the names of drivers, at its
first use in a process and never again; it follows a change of ODBCINI; and it remembers the keys of a data source that
it has read. So a source here names its driver by path, and no name of a source is used twice.
"""

import secrets
from pathlib import Path

from tests.servers.mariadb import ServerFailure

DRIVER = "libmaodbc.so"
LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt")


def driver_library() -> Path:
    """Return the path of MariaDB's ODBC driver, or raise ServerFailure saying what to install."""
    patterns = (DRIVER, f"*/{DRIVER}", f"*/odbc/{DRIVER}", f"*/mariadb/{DRIVER}")
    found = [path for folder in LIBRARY_FOLDERS for pattern in patterns for path in sorted(Path(folder).glob(pattern))]
    if not found:
        raise ServerFailure(f"{DRIVER} not found: install odbc-mariadb (apt-get install odbc-mariadb unixodbc)")
    return found[0]


class OdbcSources:
    """An odbc.ini of its own.

    Attributes:
        environment: The variables that make a process, this one or a new one, look into it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._ini = folder / "odbc.ini"
        self._ini.touch()
        (folder / "odbcinst.ini").touch()
        self.environment = {"ODBCINI": str(self._ini), "ODBCSYSINI": str(folder)}

    def add(self, host: str, port: int, database: str, username: str | None = None, password: str | None = None) -> str:
        """Add a data source for a MariaDB server and return its name; without an account, UID and PWD must be given."""
        name = f"lab-{secrets.token_hex(4)}"
        keys = {
            "Driver": driver_library(),
            "SERVER": host,
            "PORT": port,
            "DATABASE": database,
            "UID": username,
            "PWD": password,
        }
        lines = [f"[{name}]", *(f"{key}={value}" for key, value in keys.items() if value is not None), ""]
        with self._ini.open("a", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        return name
