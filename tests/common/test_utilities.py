"""Loggers of scripts, and the library's own loggers. Mail is in test_log_mail.py."""

import logging
import logging.handlers
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from PyExpLabSys.common import utilities
from PyExpLabSys.common.utilities import (
    activate_library_logging,
    call_spec_string,
    get_library_logger_names,
    get_logger,
    print_library_logger_names,
)
from PyExpLabSys.settings import Settings

LIBRARY_LOGGER = "PyExpLabSys.for_tests.pump"


@pytest.fixture(autouse=True)
def loggers_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test work in a folder of its own, and take back what it did to logging."""
    monkeypatch.chdir(tmp_path)
    logging.getLogger(LIBRARY_LOGGER)
    root_level = logging.root.level
    yield
    for name, handlers in utilities._installed.items():
        logging.getLogger(name).setLevel(root_level if not name else logging.NOTSET)
        for handler in handlers:
            logging.getLogger(name).removeHandler(handler)
            handler.close()
    utilities._installed.clear()
    logging.getLogger(LIBRARY_LOGGER).handlers.clear()
    logging.getLogger(LIBRARY_LOGGER).setLevel(logging.NOTSET)


def test_importing_needs_no_settings() -> None:
    done = subprocess.run([sys.executable, "-c", "import PyExpLabSys.common.utilities"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variable", "setting", "value"),
    [
        ("WARNING_EMAIL", "util_log_warning_email", "w@lab"),
        ("ERROR_EMAIL", "util_log_error_email", "e@lab"),
        ("MAIL_HOST", "util_log_mail_host", "mail"),
        ("MAX_EMAILS_PER_PERIOD", "util_log_max_emails_per_period", 7),
        ("EMAIL_THROTTLE_TIME", "util_log_email_throttle_time", 60),
        ("EMAIL_BACKLOG_LIMIT", "util_log_backlog_limit", 9),
    ],
)
def test_variables_are_the_settings_until_they_are_assigned(
    variable: str, setting: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    setattr(Settings(), setting, value)
    assert getattr(utilities, variable) == value
    monkeypatch.setitem(utilities.__dict__, variable, "assigned")
    assert getattr(utilities, variable) == "assigned"


def test_the_limits_have_their_defaults_and_no_address() -> None:
    limits = utilities.MAX_EMAILS_PER_PERIOD, utilities.EMAIL_THROTTLE_TIME, utilities.EMAIL_BACKLOG_LIMIT
    assert limits == (5, 86400, 250)
    assert utilities.MAIL_HOST is utilities.WARNING_EMAIL is utilities.ERROR_EMAIL is None
    with pytest.raises(AttributeError, match="no attribute 'MAIL_PORT'"):
        _ = utilities.MAIL_PORT


def test_the_terminal_gets_the_documented_line(capsys: pytest.CaptureFixture[str]) -> None:
    logger = get_logger("lab.script", email_on_warnings=False, email_on_errors=False)
    logger.debug("unseen")
    logger.info("pressure %.1f mbar", 2.0)
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.endswith(":lab.script: INFO: pressure 2.0 mbar")


@pytest.mark.parametrize("level", ["debug", "Debug", "DEBUG"])
def test_a_level_in_any_case(level: str) -> None:
    assert get_logger("lab.level", level=level, email_on_warnings=False, email_on_errors=False).level == logging.DEBUG


def test_an_invalid_level_is_refused() -> None:
    with pytest.raises(ValueError, match=r'^Invalid logging level "loud"$'):
        get_logger("lab.level", level="loud")


def test_a_file_is_rotated(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "terminal_log": False,
        "file_log": True,
        "email_on_warnings": False,
        "email_on_errors": False,
    }
    logger = get_logger("lab.file", file_max_bytes=100, file_backup_count=2, **options)
    for number in range(10):
        logger.info("line %d of this file", number)
    assert sorted(path.name for path in tmp_path.glob("lab.file*")) == [
        "lab.file.log",
        "lab.file.log.1",
        "lab.file.log.2",
    ]
    get_logger("lab.file", file_name="other.log", **options).info("elsewhere")
    assert "elsewhere" in (tmp_path / "other.log").read_text()


def test_the_root_logger_has_a_file_too(tmp_path: Path) -> None:
    root = get_logger("", terminal_log=False, file_log=True, email_on_warnings=False, email_on_errors=False)
    assert root is logging.root
    root.warning("from the root")
    assert "from the root" in (tmp_path / "root.log").read_text()


def test_a_second_call_does_not_double(capsys: pytest.CaptureFixture[str]) -> None:
    logger = get_logger("lab.twice", email_on_warnings=False, email_on_errors=False)
    own = logging.NullHandler()
    logger.addHandler(own)
    get_logger("lab.twice", email_on_warnings=False, email_on_errors=False).info("once")
    assert capsys.readouterr().err.count("once") == 1
    assert own in logger.handlers, "what a script added itself is its own"
    logger.removeHandler(own)


def test_a_second_call_takes_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("lab.changed", email_on_warnings=False, email_on_errors=False)
    logger = get_logger("lab.changed", "error", terminal_log=False, email_on_warnings=False, email_on_errors=False)
    assert logger.handlers == []
    assert logger.level == logging.ERROR


def test_without_an_address_there_is_no_mail_and_the_log_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    logger = get_logger("lab.unconfigured")
    assert [type(handler) for handler in logger.handlers] == [logging.StreamHandler]
    assert "no mail for warnings or errors: set util_log_mail_host" in capsys.readouterr().err


def test_library_loggers_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    names = get_library_logger_names()
    assert LIBRARY_LOGGER in names
    assert all(name.startswith("PyExpLabSys") for name in names)
    print_library_logger_names()
    assert capsys.readouterr().out.splitlines() == names


def test_a_library_logger_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r'^The logger "PyExpLabSys\.nothing" is not among the currently configured'):
        activate_library_logging("PyExpLabSys.nothing")


def test_the_library_logs_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        activate_library_logging(LIBRARY_LOGGER, email_on_warnings=False, email_on_errors=False)
    logging.getLogger(LIBRARY_LOGGER).debug("unseen")
    logging.getLogger(LIBRARY_LOGGER).info("seen")
    assert capsys.readouterr().err.count("seen") == 1


def test_the_library_logs_where_a_script_does(capsys: pytest.CaptureFixture[str]) -> None:
    parent = get_logger("lab.parent", level="debug", email_on_warnings=False, email_on_errors=False)
    for _ in range(2):
        activate_library_logging(LIBRARY_LOGGER, parent)
    library = logging.getLogger(LIBRARY_LOGGER)
    assert library.handlers == parent.handlers
    assert library.level == logging.DEBUG
    activate_library_logging(LIBRARY_LOGGER, logger_to_inherit_from=parent, level="warning")
    assert library.level == logging.WARNING
    library.warning("library")
    assert capsys.readouterr().err.count("library") == 1


def test_handlers_that_are_replaced_are_replaced_where_they_were_inherited() -> None:
    parent = get_logger("lab.parent", email_on_warnings=False, email_on_errors=False)
    activate_library_logging(LIBRARY_LOGGER, parent)
    parent = get_logger("lab.parent", email_on_warnings=False, email_on_errors=False)
    assert logging.getLogger(LIBRARY_LOGGER).handlers == parent.handlers
    other = get_logger("lab.other", email_on_warnings=False, email_on_errors=False)
    activate_library_logging(LIBRARY_LOGGER, other)
    assert logging.getLogger(LIBRARY_LOGGER).handlers == other.handlers


class Caller:
    def method(self, a: int, b: int = 3) -> str:
        return call_spec_string()

    def without(self) -> str:
        return call_spec_string()


def everything(a: int, /, *rest: int, key: str, **others: int) -> str:
    return call_spec_string()


def nothing() -> str:
    return call_spec_string()


def test_the_arguments_of_a_call_as_text() -> None:
    assert Caller().method(1) == "(a=1, b=3)"
    assert everything(1, 2, key="k", x=4) == "(a=1, key='k', *rest=(2,), **others={'x': 4})"
    assert (Caller().without(), nothing()) == ("()", "()")
