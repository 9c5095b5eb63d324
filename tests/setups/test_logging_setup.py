"""Errors that repeat are counted and said again at growing intervals."""

import logging
from collections.abc import Iterator

import pytest

from PyExpLabSys.setups.faults import RepeatedFault
from PyExpLabSys.setups.logging_setup import CollapsingHandler, configure_logging
from PyExpLabSys.simulators.serving.memory import VirtualClock


class Kept(logging.Handler):
    """Keeps the messages that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def logger(clock: VirtualClock, kept: Kept) -> Iterator[logging.Logger]:
    logger = logging.getLogger("collapsing")
    logger.addHandler(CollapsingHandler(kept, clock.monotonic))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger
    logger.handlers.clear()


def test_an_error_that_repeats_for_a_day_is_a_few_lines(
    logger: logging.Logger, clock: VirtualClock, kept: Kept
) -> None:
    for _ in range(86400):
        logger.error("the pump is off")
        clock.sleep(1.0)
    assert kept.messages[0] == "the pump is off"
    assert kept.messages[1] == "the pump is off (60 times since it was last said)"
    assert kept.messages[2] == "the pump is off (120 times since it was last said)"
    assert 20 <= len(kept.messages) <= 40


def test_what_comes_back_after_a_while_is_news(logger: logging.Logger, clock: VirtualClock, kept: Kept) -> None:
    for _ in range(3):
        logger.error("the pump is off")
        clock.sleep(3600.0)
    assert kept.messages == ["the pump is off"] * 3


def test_different_messages_are_told_apart(logger: logging.Logger, kept: Kept) -> None:
    for address in (3, 4, 3, 4):
        logger.warning("no answer from %d", address)
    assert kept.messages == ["no answer from 3", "no answer from 4"]


def test_ordinary_messages_are_not_collapsed(logger: logging.Logger, kept: Kept) -> None:
    logger.info("opened")
    logger.info("opened")
    assert kept.messages == ["opened", "opened"]


def test_other_handlers_get_the_record_as_it_is(logger: logging.Logger, clock: VirtualClock) -> None:
    other = Kept()
    logger.addHandler(other)
    for _ in range(3):
        logger.error("off for %d s", 1)
        clock.sleep(59.0)
    assert other.messages == ["off for 1 s"] * 3


def test_memory_does_not_grow_with_the_number_of_messages(kept: Kept) -> None:
    handler = CollapsingHandler(kept)
    for number in range(5000):
        handler.handle(logging.makeLogRecord({"levelno": logging.ERROR, "msg": "error %d", "args": (number,)}))
    assert len(kept.messages) == 5000
    assert len(handler._repetitions) == 1000


def test_a_record_that_cannot_be_formatted_ends_nothing(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.makeLogRecord({"levelno": logging.ERROR, "msg": "%d", "args": ("no number",)})
    CollapsingHandler(kept).handle(record)
    assert "Logging error" in capsys.readouterr().err


def test_logging_that_a_script_has_set_up_stays(monkeypatch: pytest.MonkeyPatch, kept: Kept) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [kept])
    configure_logging()
    assert root.handlers == [kept]


def test_without_any_logging_errors_go_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    configure_logging()
    for _ in range(5):
        root.error("the pump is off")
    assert capsys.readouterr().err.count("the pump is off") == 1


def test_a_fault_is_said_once_and_its_end_too(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fault = RepeatedFault("no reading of x", logging.getLogger("faults"), clock.monotonic)
    for _ in range(100):
        fault.report(OSError(f"unplugged at {clock.monotonic()}"))
        clock.sleep(1.0)
    fault.clear()
    fault.clear()
    assert [record.getMessage() for record in caplog.records] == [
        "no reading of x: unplugged at 0.0",
        "no reading of x (61 times in 60 s): unplugged at 60.0",
        "no longer: no reading of x (100 times in 100 s)",
    ]


def test_another_kind_of_error_is_news(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    fault = RepeatedFault("no reading of x", logging.getLogger("faults"), clock.monotonic)
    for error in (OSError("gone"), ValueError("garbled"), OSError("gone"), ValueError("garbled")):
        fault.report(error)
    assert len(caplog.records) == 2
