"""Where the database is: from arguments and settings to one value that :func:`~.opening.connect` takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import Settings, parse_hosts

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
            return f"odbc:{self.dsn}/{self.database}".rstrip("/")  # a source may name its database itself
        return f"mysql://{','.join(host_text(*host) for host in self.hosts)}/{self.database}"


class _Timeouts(TypedDict):
    connect_timeout_s: float
    statement_timeout_s: float


def host_text(host: str, port: int) -> str:
    """Return ``name:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
        "connect_timeout_s": settings.get("sql_connect_timeout"),
        "statement_timeout_s": settings.get("sql_statement_timeout"),
    }
    url = settings.get("sql_url")
    if url and host is None and dsn is None:
        return DatabaseTarget(sqlite_path=_sqlite_path(str(url)), **timeouts)
    hosts = host if host is not None else settings.get("sql_server_host")
    if not hosts and dsn is None:
        raise _missing("sql_server_host", "the database server")
    try:
        parsed = parse_hosts(hosts, port or settings.get("sql_server_port")) if hosts else ()
    except ValueError as error:
        raise SettingsError(f"the database server (argument host, or sql_server_host): {error}") from error
    ssl_ca = settings.get("sql_ssl_ca")
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
        ssl_ca=None if ssl_ca is None else str(ssl_ca),
        dsn=dsn,
        **timeouts,
    )


def _sqlite_path(url: str) -> Path:
    path = url.removeprefix(SQLITE_PREFIX)
    if path == url or not path or path == ":memory:":
        raise SettingsError(
            # The value is not shown: a URL of a server may hold a password.
            "sql_url chooses the embedded database: sqlite:///file.db (below the current folder) or "
            "sqlite:////folder/file.db. For a server set sql_server_host and sql_database instead"
        )
    return Path(path).expanduser()


def _missing(key: str, what: str) -> SettingsError:
    return SettingsError(
        f"{what} is not known: put '{key}: ...' into user_settings.yaml (pyexplabsys init writes it), "
        f"or set the environment variable PYEXPLABSYS_{key.upper()}"
    )
