"""Loggers for scripts, with mail for warnings and errors: names that lab scripts import.

Mail goes to the addresses, and by the server, of the settings ``util_log_warning_email``, ``util_log_error_email`` and
``util_log_mail_host``. A script may assign ``utilities.WARNING_EMAIL``, ``ERROR_EMAIL`` and ``MAIL_HOST`` before it
asks for a logger, and likewise ``MAX_EMAILS_PER_PERIOD``, ``EMAIL_THROTTLE_TIME`` (in s) and ``EMAIL_BACKLOG_LIMIT``;
read, they are what was assigned, else the setting, else None. Without an address or a server there is no mail.
``EMAIL_TIMES`` and ``EMAIL_BACKLOG`` hold, for each of the two levels, when mails were sent and what was held back.
"""

import inspect
import logging
import logging.handlers
import platform
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from types import FrameType
from typing import Any, ClassVar

from PyExpLabSys.common.log_mail import LevelMail, Limits, sends_mail
from PyExpLabSys.common.mail_envelope import ANY_PORT, Envelope
from PyExpLabSys.settings import Settings

__all__ = [
    "EMAIL_BACKLOG",
    "EMAIL_TIMES",
    "CustomSMTPHandler",
    "CustomSMTPWarningHandler",
    "activate_library_logging",
    "call_spec_string",
    "get_library_logger_names",
    "get_logger",
    "print_library_logger_names",
]

LIBRARY = "PyExpLabSys"
FORMAT = "%(asctime)s:%(name)s: %(levelname)s: %(message)s"
#: At the end of a program: for what is on its way.
FLUSH_WITHIN_S = 10.0

EMAIL_TIMES: dict[int, deque[float]] = {logging.WARNING: deque(), logging.ERROR: deque()}
EMAIL_BACKLOG: dict[int, deque[str]] = {logging.WARNING: deque(), logging.ERROR: deque()}

_SETTINGS = {
    "WARNING_EMAIL": "util_log_warning_email",
    "ERROR_EMAIL": "util_log_error_email",
    "MAIL_HOST": "util_log_mail_host",
    "MAX_EMAILS_PER_PERIOD": "util_log_max_emails_per_period",
    "EMAIL_THROTTLE_TIME": "util_log_email_throttle_time",
    "EMAIL_BACKLOG_LIMIT": "util_log_backlog_limit",
}
_LIMITS = ("MAX_EMAILS_PER_PERIOD", "EMAIL_THROTTLE_TIME", "EMAIL_BACKLOG_LIMIT")
_MAIL = {
    level: LevelMail(logging.getLevelName(level).lower(), EMAIL_TIMES[level], EMAIL_BACKLOG[level])
    for level in (logging.WARNING, logging.ERROR)
}
#: The handlers that stand at a logger because of us, by its name.
_installed: dict[str, list[logging.Handler]] = {}


def __getattr__(name: str) -> Any:
    """Return the setting behind one of our variables that nobody has assigned."""
    if name in _SETTINGS:
        return Settings().get(_SETTINGS[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _configured(name: str) -> Any:
    return getattr(sys.modules[__name__], name)


class CustomSMTPHandler(logging.handlers.SMTPHandler):
    """Sends errors as mail, from another thread and within the limits of a period.

    Its arguments are those of :class:`logging.handlers.SMTPHandler`.
    """

    quota: ClassVar[int] = logging.ERROR

    def __init__(
        self,
        mailhost: str | tuple[str, int],
        fromaddr: str,
        toaddrs: str | Sequence[str],
        subject: str,
        credentials: tuple[str, str] | None = None,
        secure: tuple[()] | tuple[str] | tuple[str, str] | None = None,
        timeout: float = 5.0,
    ) -> None:
        recipients = [toaddrs] if isinstance(toaddrs, str) else list(toaddrs)
        super().__init__(mailhost, fromaddr, recipients, subject, credentials, secure, timeout)
        username, password = credentials or (None, "")
        host, port = (mailhost, ANY_PORT) if isinstance(mailhost, str) else mailhost
        self._envelope = Envelope(
            host=host,
            port=port,
            sender=fromaddr,
            recipients=tuple(recipients),
            subject=subject,
            timeout_s=timeout,
            username=username,
            password=password,
            secure=secure,
        )
        self._limits = Limits(*(_configured(name) for name in _LIMITS))
        self._mail = _MAIL[self.quota]
        self._open = True
        self._mail.open(self._envelope, self._limits)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record over to be sent; it is not changed, and nobody waits."""
        if sends_mail():
            return
        try:
            envelope = replace(self._envelope, subject=self.getSubject(record))
            # It may come by more than one way, as to the handlers of a logger and of the one above it.
            sent: set[Envelope] = record.__dict__.setdefault("_log_mails", set())
            if envelope not in sent:
                sent.add(envelope)
                self._mail.submit(envelope, self._limits, self.format(record))
        except Exception:  # noqa: BLE001 - as every handler: a record that cannot be formatted must not end a program
            self.handleError(record)

    def flush(self) -> None:
        """Wait for mails that are on their way, but not for ever; :mod:`logging` calls it at the end of a program."""
        if self._open:
            self._mail.flush(FLUSH_WITHIN_S)

    def close(self) -> None:
        """Send no more; what is on its way still goes."""
        if self._open:
            self._open = False
            self._mail.close()
        super().close()


class CustomSMTPWarningHandler(CustomSMTPHandler):
    """The same for warnings: what is worse is left to the other handler."""

    quota: ClassVar[int] = logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record over if it is no error."""
        if record.levelno < logging.ERROR:
            super().emit(record)


def get_logger(
    name: str,
    level: str = "INFO",
    terminal_log: bool = True,
    file_log: bool = False,
    file_name: str | None = None,
    file_max_bytes: int = 1048576,
    file_backup_count: int = 1,
    email_on_warnings: bool = True,
    email_on_errors: bool = True,
) -> logging.Logger:
    """Return a logger that writes where a script wants it; called again, it replaces the handlers of the first call.

    Args:
        name: Of the logger; empty: the root logger.
        level: Lowest level that is logged, such as ``info``.
        terminal_log: Log to standard error.
        file_log: Log to a file.
        file_name: Its name, by default that of the logger with ``.log``, in the working directory.
        file_max_bytes: At this size a new file is begun.
        file_backup_count: So many full files are kept.
        email_on_warnings: Send warnings as mail, where an address and a server are configured.
        email_on_errors: Likewise errors, and worse.

    Raises:
        ValueError: there is no such level.
    """
    level_number = _level_number(level)
    logger = logging.getLogger(name)
    handlers: list[logging.Handler] = [logging.StreamHandler()] if terminal_log else []
    if file_log:
        path = file_name or f"{name or 'root'}.log"
        handlers.append(logging.handlers.RotatingFileHandler(path, "a", file_max_bytes, file_backup_count))
    wanted = ((email_on_warnings, CustomSMTPWarningHandler), (email_on_errors, CustomSMTPHandler))
    mails = [_mail_handler(kind) for want, kind in wanted if want]
    handlers += [handler for handler in mails if handler is not None]
    for handler in handlers:
        handler.setFormatter(logging.Formatter(FORMAT))
    _install(logger, handlers)
    logger.setLevel(level_number)
    if None in mails:
        logger.info("no mail for warnings or errors: set util_log_mail_host and the addresses, or ask for none")
    return logger


def activate_library_logging(
    logger_name: str,
    logger_to_inherit_from: logging.Logger | None = None,
    level: str | None = None,
    terminal_log: bool = True,
    file_log: bool = False,
    file_name: str | None = None,
    file_max_bytes: int = 1048576,
    file_backup_count: int = 1,
    email_on_warnings: bool = True,
    email_on_errors: bool = True,
) -> None:
    """Show what a module of PyExpLabSys logs.

    Args:
        logger_name: One of :func:`get_library_logger_names`.
        logger_to_inherit_from: Log wherever this one does, and at its level if no level is given.
        level: Lowest level that is logged; without it and without the other logger: ``info``.
        terminal_log: This and what follows as in :func:`get_logger`, where there is no other logger to follow.
        file_log: See there.
        file_name: See there.
        file_max_bytes: See there.
        file_backup_count: See there.
        email_on_warnings: See there.
        email_on_errors: See there.

    Raises:
        ValueError: there is no such logger or no such level.
    """
    if logger_name not in get_library_logger_names():
        known = ", ".join(get_library_logger_names())
        raise ValueError(
            f'The logger "{logger_name}" is not among the currently configured library loggers: {known}. '
            "Import the module that logs first"
        )
    if logger_to_inherit_from is None:
        file_options = file_log, file_name, file_max_bytes, file_backup_count
        get_logger(logger_name, level or "info", terminal_log, *file_options, email_on_warnings, email_on_errors)
        return
    logger = logging.getLogger(logger_name)
    level_number = logger_to_inherit_from.getEffectiveLevel() if level is None else _level_number(level)
    _install(logger, [])
    for handler in logger_to_inherit_from.handlers:
        logger.addHandler(handler)
    logger.setLevel(level_number)


def get_library_logger_names() -> list[str]:
    """Return the names of the loggers of PyExpLabSys that there are: of the modules that were imported."""
    return sorted(name for name in logging.root.manager.loggerDict if name.startswith(LIBRARY))


def print_library_logger_names() -> None:
    """Print the names of the loggers of PyExpLabSys, one on each line."""
    sys.stdout.write("".join(f"{name}\n" for name in get_library_logger_names()))


def call_spec_string() -> str:
    """Return the arguments of the function that calls this, such as ``(a=1, b=3)``, without ``self``."""
    frame = inspect.currentframe()
    caller = frame.f_back if frame is not None else None
    return "()" if caller is None else f"({', '.join(_arguments(caller))})"


def _arguments(frame: FrameType) -> list[str]:
    names, positional, keywords, values = inspect.getargvalues(frame)
    shown = {name: name for name in names if name != "self"}
    shown |= {f"{stars}{name}": name for stars, name in (("*", positional), ("**", keywords)) if name}
    return [f"{label}={values[name]!r}" for label, name in shown.items()]


def _level_number(level: str) -> int:
    try:
        return logging.getLevelNamesMapping()[level.upper()]
    except KeyError:
        raise ValueError(f'Invalid logging level "{level}"') from None


def _mail_handler(kind: type[CustomSMTPHandler]) -> CustomSMTPHandler | None:
    """Return a handler that sends mail, None where no address or no server is configured."""
    host = _configured("MAIL_HOST")
    warns = kind is CustomSMTPWarningHandler
    address = _configured("WARNING_EMAIL" if warns else "ERROR_EMAIL")
    if not (host and address):
        return None
    level = logging.WARNING if warns else logging.ERROR
    handler = kind(host, address, address, f"{logging.getLevelName(level).title()} from: {platform.node()}")
    handler.setLevel(level)
    return handler


def _install(logger: logging.Logger, handlers: list[logging.Handler]) -> None:
    """Put handlers in the place of those that we installed before, also where another logger took them over."""
    old = _installed.get(logger.name, [])
    everywhere = [logging.root, *logging.root.manager.loggerDict.values()]
    holders = [other for other in everywhere if isinstance(other, logging.Logger) and set(old) & set(other.handlers)]
    ours = {handler for some in _installed.values() for handler in some}
    for holder in {logger, *holders}:
        gone = ours if holder is logger else set(old)
        holder.handlers[:] = [handler for handler in holder.handlers if handler not in gone]
        for handler in handlers:
            holder.addHandler(handler)
    for handler in old:
        handler.close()
    _installed[logger.name] = handlers
