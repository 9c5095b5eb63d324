"""Mail for what is logged, received by a mail server of the test."""

import json
import logging
import os
import platform
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from PyExpLabSys.common import log_mail, utilities
from PyExpLabSys.common.utilities import CustomSMTPHandler, CustomSMTPWarningHandler, get_logger
from tests.servers.smtp import MailServer

WARNINGS, ERRORS = "warnings@lab.example", "errors@lab.example"
WITHIN_S = 10.0
DAY_S = 86400.0


class Clock:
    """Unix time that a test sets."""

    now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which periods are counted."""
    clock = Clock()
    for mail in utilities._MAIL.values():
        monkeypatch.setattr(mail, "_clock", clock)
    return clock


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def new_logger(
    server: MailServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., logging.Logger]]:
    """Make loggers that send mail to the server, and forget all about them after the test."""
    for variable, value in {"WARNING_EMAIL": WARNINGS, "ERROR_EMAIL": ERRORS, "MAIL_HOST": "127.0.0.1"}.items():
        monkeypatch.setitem(utilities.__dict__, variable, value)
    # The port is always 25; nobody may listen there in a test.
    monkeypatch.setattr(utilities, "ANY_PORT", server.port)
    yield lambda name="lab.mail", **options: get_logger(name, **({"terminal_log": False} | options))
    end_program()


def end_program() -> None:
    """Close all handlers and forget what only the process knows, as the end of the program does."""
    for name, handlers in utilities._installed.items():
        for handler in handlers:
            handler.flush()
            logging.getLogger(name).removeHandler(handler)
            handler.close()
    utilities._installed.clear()
    for level, mail in utilities._MAIL.items():
        thread = mail._thread
        if thread is not None:
            thread.join(WITHIN_S)
            assert not thread.is_alive()
        utilities.EMAIL_TIMES[level].clear()
        utilities.EMAIL_BACKLOG[level].clear()
        mail._retry_at, mail._retry_after_s, mail._told_not_saved = 0.0, log_mail.FIRST_RETRY_S, False


def flushed(level: int = logging.WARNING) -> None:
    assert utilities._MAIL[level].flush(WITHIN_S)


def test_a_warning_becomes_a_mail(new_logger: Callable[..., logging.Logger], server: MailServer) -> None:
    new_logger().warning("pump %s is hot, 80 °C", "A")
    (mail,) = server.wait_for(1)
    assert (mail["Subject"], mail["From"], mail["To"]) == (f"Warning from: {platform.node()}", WARNINGS, WARNINGS)
    assert mail["Date"]
    assert mail.get_content().splitlines()[0].endswith(":lab.mail: WARNING: pump A is hot, 80 °C")
    assert server.recipients == [[WARNINGS]]


@pytest.mark.parametrize("level", [logging.ERROR, logging.CRITICAL])
def test_an_error_becomes_one_mail_to_the_other_address(
    level: int, new_logger: Callable[..., logging.Logger], server: MailServer
) -> None:
    logger = new_logger()
    logger.info("not this")
    logger.log(level, "no vacuum")
    logger.warning("a warning follows, so all mails before it would be here")
    subjects = {mail["Subject"]: mail["To"] for mail in server.wait_for(2)}
    assert subjects == {f"Error from: {platform.node()}": ERRORS, f"Warning from: {platform.node()}": WARNINGS}
    end_program()
    assert len(server.mails) == 2


def test_the_measured_example(new_logger: Callable[..., logging.Logger], server: MailServer, clock: Clock) -> None:
    logger = new_logger()
    for number in range(8):
        logger.warning("warning %d", number)
    logger.error("an error")
    logger.critical("a critical error")
    mails = server.wait_for(5 + 2)
    assert sorted(mail["To"] for mail in mails) == [ERRORS] * 2 + [WARNINGS] * 5
    backlog = list(utilities.EMAIL_BACKLOG[logging.WARNING])
    assert [line.rpartition(" ")[2] for line in backlog] == ["5", "6", "7"]
    assert not utilities.EMAIL_BACKLOG[logging.ERROR]
    flushed(logging.WARNING)
    flushed(logging.ERROR)
    assert len(server.mails) == 7

    clock.now_s += DAY_S + 1.0
    logger.warning("the next day")
    text = server.texts(8)[-1].splitlines()
    assert text[0].endswith("the next day")
    assert text[1:] == ["", "Backlog:", *backlog]
    assert not utilities.EMAIL_BACKLOG[logging.WARNING]


def test_the_backlog_keeps_the_newest(
    new_logger: Callable[..., logging.Logger], server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(utilities.__dict__, "EMAIL_BACKLOG_LIMIT", 3)
    monkeypatch.setitem(utilities.__dict__, "MAX_EMAILS_PER_PERIOD", 0)
    logger = new_logger()
    for number in range(10):
        logger.warning("warning %d", number)
    assert [line[-1] for line in utilities.EMAIL_BACKLOG[logging.WARNING]] == ["7", "8", "9"]
    flushed()
    assert server.mails == []


def test_the_backlog_goes_out_without_a_further_message(
    new_logger: Callable[..., logging.Logger], server: MailServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(utilities.__dict__, "MAX_EMAILS_PER_PERIOD", 1)
    monkeypatch.setattr(log_mail, "LOOK_AGAIN_S", 0.02)
    logger = new_logger()
    logger.warning("sent")
    logger.warning("held back")
    flushed()
    assert len(server.wait_for(1)) == 1
    clock.now_s += DAY_S + 1.0
    first, *rest = server.texts(2)[1].splitlines()
    assert first == "Backlog:"
    assert [line.endswith("held back") for line in rest] == [True]


def test_a_silent_server_holds_nobody_up(new_logger: Callable[..., logging.Logger], server: MailServer) -> None:
    server.speaks.clear()
    logger = new_logger()
    logger.warning("first")
    assert server.connected.wait(WITHIN_S)
    logger.warning("second")
    logger.error("an error")
    # All three calls have come back while the server has not said a word.
    assert not server.speaks.is_set()
    assert server.mails == []
    server.speaks.set()
    server.wait_for(3)


def test_a_logger_that_is_asked_for_twice_sends_once(
    new_logger: Callable[..., logging.Logger], server: MailServer
) -> None:
    new_logger()
    new_logger().warning("once")
    server.wait_for(1)
    flushed()
    assert len(server.mails) == 1


def test_a_message_that_comes_to_two_loggers_is_one_mail(
    new_logger: Callable[..., logging.Logger], server: MailServer
) -> None:
    new_logger("lab")
    new_logger("lab.mail").warning("once")
    server.wait_for(1)
    flushed()
    assert len(server.mails) == 1


def test_later_handlers_get_the_record_as_it_was(
    new_logger: Callable[..., logging.Logger], server: MailServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    logger = new_logger()
    for number in range(6):
        logger.warning("warning %d", number)
    flushed()
    clock.now_s += DAY_S + 1.0
    logger.warning("the next %s", "day")
    assert "Backlog:" in server.texts(6)[-1]
    assert caplog.messages[-1] == "the next day"
    assert (caplog.records[-1].msg, caplog.records[-1].args) == ("the next %s", ("day",))


def test_a_restart_forgets_neither_quota_nor_backlog(
    new_logger: Callable[..., logging.Logger], server: MailServer, clock: Clock
) -> None:
    logger = new_logger()
    for number in range(7):
        logger.warning("warning %d", number)
    end_program()
    assert len(server.mails) == 5
    logger = new_logger()
    assert len(utilities.EMAIL_TIMES[logging.WARNING]) == 5
    logger.warning("after the restart")
    flushed()
    assert len(server.mails) == 5
    end_program()
    clock.now_s += DAY_S + 1.0
    new_logger()
    text = server.texts(6)[-1].splitlines()
    assert [line.split("WARNING: ")[-1] for line in text] == ["Backlog:", "warning 5", "warning 6", "after the restart"]


def test_what_is_remembered_is_for_its_owner(
    new_logger: Callable[..., logging.Logger], server: MailServer, tmp_path: Path
) -> None:
    new_logger().warning("private")
    server.wait_for(1)
    flushed()
    path = log_mail.state_path("warning")
    assert path.is_relative_to(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["backlog"] == []
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("text", ["", "[]", '{"times": [1]}', '{"times": ["x"], "backlog": []}', "null"])
def test_a_damaged_memory_begins_anew(
    text: str,
    new_logger: Callable[..., logging.Logger],
    server: MailServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = log_mail.state_path("warning")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    logger = new_logger()
    assert "does not tell which mails were sent" in caplog.text
    logger.warning("sent all the same")
    server.wait_for(1)


def test_a_clock_that_was_wrong_does_not_forbid_mail_for_ever(
    new_logger: Callable[..., logging.Logger], server: MailServer, clock: Clock
) -> None:
    path = log_mail.state_path("warning")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"times": [clock.now_s + 1000 * DAY_S] * 5, "backlog": []}))
    logger = new_logger()
    clock.now_s += DAY_S + 1.0
    logger.warning("sent")
    server.wait_for(1)


def test_without_a_place_to_remember_mail_still_goes(
    new_logger: Callable[..., logging.Logger], server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    folder = log_mail.state_path("warning").parent
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    logger = new_logger()
    logger.warning("first")
    logger.warning("second")
    server.wait_for(2)
    flushed()
    assert caplog.text.count("not remembered across restarts") == 1


def test_what_the_server_refuses_is_sent_later(
    new_logger: Callable[..., logging.Logger],
    server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(log_mail, "LOOK_AGAIN_S", 0.02)
    server.refuses = 550
    logger = new_logger()
    logger.warning("refused")
    flushed()
    assert server.mails == []
    assert "cannot be sent by 127.0.0.1" in caplog.text
    assert "next attempt in 60 s" in caplog.text
    assert not utilities.EMAIL_TIMES[logging.WARNING], "what nobody received counts for nothing"
    logger.warning("held back meanwhile")
    assert len(utilities.EMAIL_BACKLOG[logging.WARNING]) == 2
    server.refuses = 0
    monkeypatch.setattr(utilities._MAIL[logging.WARNING], "_retry_at", 0.0)
    text = server.texts(1)[0].splitlines()
    assert [line.split("WARNING: ")[-1] for line in text] == ["Backlog:", "refused", "held back meanwhile"]


def test_what_the_mail_thread_logs_is_no_mail(new_logger: Callable[..., logging.Logger], server: MailServer) -> None:
    server.refuses = 550
    new_logger("").warning("refused")
    flushed()
    assert [line.rpartition(" ")[2] for line in utilities.EMAIL_BACKLOG[logging.WARNING]] == ["refused"]


def test_a_message_that_cannot_be_formatted_does_not_end_the_program(
    new_logger: Callable[..., logging.Logger], server: MailServer, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = new_logger()
    logger.propagate = False
    try:
        logger.warning("%d", "no number")
    finally:
        logger.propagate = True
    assert "--- Logging error ---" in capsys.readouterr().err
    logger.warning("fine")
    server.wait_for(1)


def test_handlers_made_by_hand(server: MailServer, clock: Clock) -> None:
    logger = logging.getLogger("lab.by_hand")
    arguments = ("127.0.0.1", server.port), "pi@lab", ["a@lab", "b@lab"], "A\nsubject"
    handlers = [CustomSMTPHandler(*arguments), CustomSMTPWarningHandler(*arguments)]
    handlers[0].setLevel(logging.ERROR)
    for handler in handlers:
        logger.addHandler(handler)
    logger.error("a traceback\n.\nand lone dots, and a lone surrogate \udcff")
    (mail,) = server.wait_for(1)
    assert (mail["To"], mail["Subject"], server.recipients) == ("a@lab, b@lab", "A subject", [["a@lab", "b@lab"]])
    assert mail.get_content().splitlines()[:2] == ["a traceback", "."]
    for handler in handlers:
        logger.removeHandler(handler)
        handler.close()
        handler.close()
    end_program()


SCRIPT = """
import logging, sys
from PyExpLabSys.common import utilities
utilities.WARNING_EMAIL = utilities.ERROR_EMAIL = "pi@lab"
utilities.MAIL_HOST = "127.0.0.1"
utilities.ANY_PORT = int(sys.argv[1])
logger = utilities.get_logger("script", terminal_log=False)
for number in range(7):
    logger.warning("warning %d", number)
"""


def run_script(server: MailServer, tmp_path: Path, more: str = "") -> subprocess.Popen[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + more)
    return subprocess.Popen(
        [sys.executable, str(script), str(server.port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_a_script_that_merely_ends_has_sent_its_mail(server: MailServer, tmp_path: Path) -> None:
    for _ in range(2):
        script = run_script(server, tmp_path)
        _, errors = script.communicate(timeout=WITHIN_S)
        assert (script.returncode, errors) == (0, "")
        assert len(server.mails) == 5, "the second run has the same quota"


def test_what_was_held_back_survives_a_kill(server: MailServer, tmp_path: Path) -> None:
    more = "assert utilities._MAIL[logging.WARNING].flush(10)\nprint('saved', flush=True)\nsys.stdin.read()\n"
    script = run_script(server, tmp_path, more)
    assert script.stdout is not None
    assert script.stdout.readline() == "saved\n"
    script.send_signal(signal.SIGKILL)
    script.communicate(timeout=WITHIN_S)
    (path,) = (tmp_path / "home").rglob("script-*-warning.json")
    assert [line.rpartition(" ")[2] for line in json.loads(path.read_text())["backlog"]] == ["5", "6"]


def test_a_script_ends_though_the_server_is_silent(server: MailServer, tmp_path: Path) -> None:
    server.speaks.clear()
    script = run_script(server, tmp_path, "utilities.FLUSH_WITHIN_S = 0.5\n")
    _, errors = script.communicate(timeout=WITHIN_S)
    assert (script.returncode, errors) == (0, "")
    (path,) = (tmp_path / "home").rglob("script-*-warning.json")
    assert len(json.loads(path.read_text())["backlog"]) == 7, "all are there for the next start"


def test_many_threads_lose_nothing(
    new_logger: Callable[..., logging.Logger], server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(utilities.__dict__, "MAX_EMAILS_PER_PERIOD", 40)
    logger = new_logger()

    def log(first: int) -> None:
        for number in range(first, first + 20):
            logger.warning("number %d", number)

    threads = [threading.Thread(target=log, args=(first,)) for first in (0, 20, 40, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN_S)
    sent = server.texts(40)
    flushed()
    messages = [*"".join(sent).split("\n"), *utilities.EMAIL_BACKLOG[logging.WARNING]]
    numbers = sorted(int(line.rpartition(" ")[2]) for line in messages if "number" in line)
    assert numbers == list(range(80))
