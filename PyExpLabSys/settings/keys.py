"""The settings that there are: names, types, defaults, and what a value must look like."""

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PyExpLabSys.errors import SettingsError

MYSQL_PORT = 3306
_HOST = re.compile(r"(?:(?P<name>[^\s:/@,\[\]]+)|\[(?P<address>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{1,5}))?")
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


class MissingSettingError(SettingsError, AttributeError):
    """A required key has no value anywhere."""


class UnknownSettingError(SettingsError, AttributeError):
    """There is no such key."""


def parse_hosts(value: str | Sequence[str], default_port: int = MYSQL_PORT) -> tuple[tuple[str, int], ...]:
    """Return the servers in a setting as pairs of name and port, in their order.

    Args:
        value: ``name``, ``name:port``, ``[IPv6 address]:port``, several of these with commas between, or a list.
        default_port: The port of those that name none.

    Raises:
        ValueError: One of them is none of these.
    """
    hosts = value.split(",") if isinstance(value, str) else value
    if not hosts:
        raise ValueError("no server is named")
    return tuple(_parse_host(host.strip(), default_port) for host in hosts)


def _parse_host(host: str, default_port: int) -> tuple[str, int]:
    if _BARE_IPV6.fullmatch(host):
        return host, default_port
    match = _HOST.fullmatch(host)
    port = int((match and match["port"]) or default_port)
    if match is None or not 1 <= port <= 65535:
        raise ValueError(f"{host.rpartition('@')[2]!r} is not a server: expected name or name:port, port 1 to 65535")
    return match["name"] or match["address"], port


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError
    number = int(value)
    if number < 0:
        raise ValueError
    return number


def _port(value: object) -> int:
    number = _whole(value)
    if not 1 <= number <= 65535:
        raise ValueError
    return number


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError
    return number


def _path(value: object) -> Path:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise TypeError
    return Path(value).expanduser()


def _hosts(value: object) -> str | tuple[str, ...]:
    """Return one server as text, as scripts know it, several as a tuple of texts."""
    hosts = value.split(",") if isinstance(value, str) else value
    if not isinstance(hosts, list | tuple) or not all(isinstance(host, str) for host in hosts):
        raise TypeError
    parse_hosts(hosts)
    names = tuple(host.strip() for host in hosts)
    return names[0] if len(names) == 1 else names


def _networks(value: object) -> tuple[str, ...]:
    import ipaddress  # a logger on a small computer needs none of it

    networks = value.split(",") if isinstance(value, str) else value
    if not isinstance(networks, list | tuple) or not all(isinstance(network, str) for network in networks):
        raise TypeError
    return tuple(str(ipaddress.IPv4Network(network.strip())) for network in networks)


TYPES: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "text": ("a text", _text),
    "int": ("a whole number, 0 or more", _whole),
    "port": ("a port number, 1 to 65535", _port),
    "float": ("a time in s, more than 0", _seconds),
    "path": ("a path", _path),
    "hosts": ("a server: name, name:port, or a list of these", _hosts),
    "networks": ("a network such as 10.0.1.0/24, or a list of these", _networks),
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One setting.

    Attributes:
        name: As in the user's file and as attribute of :class:`Settings`.
        type: ``text``, ``int``, ``port``, ``float`` (a time in s), ``path``, ``hosts`` or ``networks``.
        default: Its value when nobody sets one; None: reading it without a value is an error.
        description: One line for people.
        secret: Whether its value is shown as ``***`` everywhere.
    """

    name: str
    type: str
    default: object = None
    description: str
    secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"PYEXPLABSYS_{self.name.upper()}"

    def convert(self, value: object, where: str) -> Any:
        """Return a value in the key's type, None as it is.

        Raises:
            SettingsError: It is not of that type; the message begins with ``where`` and never shows a secret.
        """
        if value is None:
            return None
        expected, convert = TYPES[self.type]
        try:
            return convert(value)
        except (TypeError, ValueError, RuntimeError):  # RuntimeError: the home folder of "~" is unknown
            raise SettingsError(f"{where}: {self.name} is {self.shown(value)}, expected {expected}") from None

    def shown(self, value: object) -> str:
        """Return a value as it may be shown to anybody."""
        if self.secret and value is not None:
            return "***"
        # A password may also stand before the @ of a URL; a mail address may be shown.
        return re.sub(r"(?<=//).*@" if self.type == "text" else r"[^'\"\[(]*@", "***@", repr(value))


KEYS: tuple[Key, ...] = (
    Key(name="sql_server_host", type="hosts", description="Database server, or several of a cluster, tried in turn"),
    Key(name="sql_server_port", type="port", default=MYSQL_PORT, description="Its port, where the host names none"),
    Key(name="sql_database", type="text", description="Name of the database"),
    Key(name="sql_username", type="text", description="Account of the database that may write"),
    Key(name="sql_password", type="text", secret=True, description="Password of that account"),
    Key(name="sql_ssl_ca", type="path", description="Certificates (PEM) that the database server must be signed by"),
    Key(name="sql_url", type="text", description="Embedded database instead of a server: sqlite:////folder/file.db"),
    Key(name="sql_connect_timeout", type="float", default=10.0, description="Longest wait for a connection, in s"),
    Key(name="sql_statement_timeout", type="float", default=15.0, description="Longest wait for a statement, in s"),
    Key(name="rejected_directory", type="path", description="Folder for points that the database can never take"),
    Key(name="common_sql_reader_user", type="text", description="Shared account of the database that only reads"),
    Key(name="common_sql_reader_password", type="text", secret=True, description="Password of that account"),
    Key(name="common_liveserver_host", type="text", description="Host of the live proxy"),
    Key(name="common_liveserver_port", type="port", description="Port of the live proxy"),
    Key(name="socket_allow_from", type="networks", description="Networks whose commands push sockets take"),
    Key(name="socket_secret", type="text", secret=True, description="What commands to push sockets are signed with"),
    Key(name="command_audit_file", type="path", description="File for the record of all commands from the network"),
    Key(name="util_log_warning_email", type="text", description="Mail address for warnings in logs, also the sender"),
    Key(name="util_log_error_email", type="text", description="Mail address for errors in logs, also the sender"),
    Key(name="util_log_mail_host", type="text", description="Mail server (SMTP, port 25, no login)"),
    Key(name="util_log_max_emails_per_period", type="int", default=5, description="Mails per level and period"),
    Key(name="util_log_email_throttle_time", type="int", default=86400, description="That period, in s"),
    Key(name="util_log_backlog_limit", type="int", default=250, description="Held back messages kept for a mail"),
)
BY_NAME = {key.name: key for key in KEYS}


def find(name: str) -> Key:
    """Return a key by its name.

    Raises:
        UnknownSettingError: There is none of that name; the message tells the closest one.
    """
    if name not in BY_NAME:
        raise UnknownSettingError(unknown(name))
    return BY_NAME[name]


def unknown(name: str) -> str:
    """Return what to tell somebody who used a key that does not exist."""
    close = difflib.get_close_matches(name, BY_NAME, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"there is no setting {name!r}. {hint}Known settings: {', '.join(BY_NAME)}"
