"""Where the database is: from arguments and settings to one value that :func:`~.opening.connect` takes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import Settings

MYSQL_PORT = 3306
SQLITE_PREFIX = "sqlite:///"


@dataclass(frozen=True, kw_only=True)
class DatabaseTarget:
    """One database and the account to use there.

    Attributes:
        hosts: Names and ports of servers, tried in turn.
        database: Name of the database, mostly ``cinfdata``.
        username: The account.
        password: Its password; never shown.
        ssl_ca: Path of a CA bundle: TLS is then required and certificate and host name are verified. None: TLS if the
            server offers it, unverified.
        dsn: An ODBC data source, used where it is configured (always on Windows); else the direct connection.
        sqlite_path: The file of an embedded database; then none of the above counts.
        connect_timeout_s: Bound of one attempt to connect, in s.
        statement_timeout_s: Bound of one statement, in s.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    database: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    ssl_ca: str | None = None
    dsn: str | None = None
    sqlite_path: Path | None = None
    connect_timeout_s: float = 10.0
    statement_timeout_s: float = 15.0

    def __post_init__(self) -> None:
        if self.connect_timeout_s <= 0.0 or self.statement_timeout_s <= 0.0:
            raise ValueError(f"time-outs must be above 0 s: {self.connect_timeout_s}, {self.statement_timeout_s}")

    @property
    def name(self) -> str:
        """A name for messages and ledgers, without account: ``mysql://host:3306/cinfdata``, ``sqlite:////abs/path``."""
        if self.sqlite_path is not None:
            return SQLITE_PREFIX + str(self.sqlite_path.absolute())
        if self.dsn is not None:
            return f"odbc:{self.dsn}/{self.database}"
        return f"mysql://{','.join(host_text(*host) for host in self.hosts)}/{self.database}"


class _Timeouts(TypedDict):
    connect_timeout_s: float
    statement_timeout_s: float


def host_text(host: str, port: int) -> str:
    """Return ``name:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_hosts(value: str | Iterable[str], port: int = MYSQL_PORT) -> tuple[tuple[str, int], ...]:
    """Return name and port of each host in ``name``, ``name:port``, ``[ipv6]:port``, or in a list of these.

    Commas in a text separate hosts too.

    Raises:
        ValueError: one of them is none of these.
    """
    entries = value.split(",") if isinstance(value, str) else list(value)
    return tuple(_parse_host(entry.strip(), port) for entry in entries)


def target_from_settings(
    *,
    username: str | None = None,
    password: str | None = None,
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    database: str | None = None,
    dsn: str | None = None,
    settings: Settings | None = None,
) -> DatabaseTarget:
    """Return the database that arguments and settings describe; an argument wins over the setting.

    The setting ``sql_url`` chooses the embedded database, unless a host or a DSN is given as an argument.

    Raises:
        SettingsError: something is missing or wrong; the message names the key.
    """
    if settings is None:
        settings = Settings()
    timeouts: _Timeouts = {
        "connect_timeout_s": _seconds(settings, "sql_connect_timeout", DatabaseTarget.connect_timeout_s),
        "statement_timeout_s": _seconds(settings, "sql_statement_timeout", DatabaseTarget.statement_timeout_s),
    }
    url = settings.get("sql_url")
    if url and host is None and dsn is None:
        return DatabaseTarget(sqlite_path=_sqlite_path(str(url)), **timeouts)
    hosts = host if host is not None else settings.get("sql_server_host")
    default_port = port if port is not None else int(settings.get("sql_server_port") or MYSQL_PORT)
    if not hosts and dsn is None:
        raise _missing("sql_server_host", "the database server")
    try:
        parsed = parse_hosts(hosts, default_port) if hosts else ()
    except ValueError as error:
        raise SettingsError(f"sql_server_host: {error}") from error
    database = database if database is not None else settings.get("sql_database")
    username = username if username is not None else settings.get("sql_username")
    password = password if password is not None else settings.get("sql_password")
    if dsn is None and not database:
        raise _missing("sql_database", "the name of the database")
    if dsn is None and not username:
        raise _missing("sql_username", "the database account")
    return DatabaseTarget(
        hosts=parsed,
        database=database or "",
        username=username or "",
        password=password or "",
        ssl_ca=settings.get("sql_ssl_ca") or None,
        dsn=dsn,
        **timeouts,
    )


def _parse_host(entry: str, port: int) -> tuple[str, int]:
    name, number = entry, str(port)
    if entry.startswith("["):
        name, bracket, rest = entry[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{entry!r} is not a host; an IPv6 address with a port is written [address]:port")
        number = rest[1:] if rest else number
    elif entry.count(":") == 1:
        name, number = entry.split(":")
    if not name or any(character.isspace() or character in "/@" for character in name):
        raise ValueError(f"{entry!r} is not a host; write name, name:port or [IPv6 address]:port")
    if not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
        raise ValueError(f"{entry!r} has no valid port (1 to 65535)")
    return name, int(number)


def _sqlite_path(url: str) -> Path:
    path = url.removeprefix(SQLITE_PREFIX)
    if path == url or not path or path == ":memory:":
        raise SettingsError(
            f"sql_url is {url!r}, but it chooses the embedded database: sqlite:///file.db (below the current folder) "
            "or sqlite:////folder/file.db. For a server set sql_server_host and sql_database instead"
        )
    return Path(path).expanduser()


def _seconds(settings: Settings, key: str, default: float) -> float:
    value: Any = settings.get(key, default)
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0.0 < seconds < 1e6:
        raise SettingsError(f"{key} is {value!r}; it must be a number of seconds above 0")
    return seconds


def _missing(key: str, what: str) -> SettingsError:
    return SettingsError(
        f"{what} is not known: put '{key}: ...' into user_settings.yaml (pyexplabsys init writes it), "
        f"or set the environment variable PYEXPLABSYS_{key.upper()}"
    )
