"""A program that is begun again after some exceptions."""

from typing import Any, ClassVar

import pytest

from PyExpLabSys.common.functions import loop_class_on_exceptions


class Program:
    """Takes what its constructor, ``run`` and ``stop`` do from lists; None: nothing."""

    making: ClassVar[list[BaseException | None]]
    running: ClassVar[list[BaseException | None]]
    stopping: ClassVar[list[BaseException | None]]
    calls: ClassVar[list[object]]

    def __init__(self, **kwargs: object) -> None:
        self.do("made", self.making)
        self.calls[-1] = kwargs

    def run(self) -> None:
        self.do("run", self.running)

    def stop(self) -> None:
        self.do("stop", self.stopping)

    def do(self, name: str, what: list[BaseException | None]) -> None:
        self.calls.append(name)
        error = what.pop(0) if what else None
        if error is not None:
            raise error


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> type[Program]:
    """The program, of which nothing fails, and waiting that only is written down."""
    Program.making, Program.running, Program.stopping, Program.calls = [], [], [], []
    monkeypatch.setattr("PyExpLabSys.common.functions.time.sleep", Program.calls.append)
    return Program


def test_without_exceptions_it_runs_once(program: type[Program]) -> None:
    loop_class_on_exceptions(program, port="COM1")
    assert program.calls == [{"port": "COM1"}, "run"]


def test_it_begins_again_after_a_listed_exception(program: type[Program]) -> None:
    program.running = [OSError("gone"), ValueError("nonsense"), None]
    loop_class_on_exceptions(program, (OSError, ValueError), wait_between_loops=3, address=2)
    again = [{"address": 2}, "run", "stop", 3]
    assert program.calls == [*again, *again, {"address": 2}, "run"]


def test_it_waits_ten_minutes_by_default(program: type[Program]) -> None:
    program.running = [OSError("gone")]
    loop_class_on_exceptions(program, OSError)
    assert 600 in program.calls


def test_a_listed_exception_of_the_constructor_is_another_attempt(program: type[Program]) -> None:
    program.making = [OSError("no port"), None]
    loop_class_on_exceptions(program, [OSError], 1)
    assert program.calls == ["made", 1, {}, "run"]


@pytest.mark.parametrize("exceptions", [None, ValueError])
def test_another_exception_stops_it_and_goes_on(exceptions: type[Exception] | None, program: type[Program]) -> None:
    program.running = [OSError("gone")]
    with pytest.raises(OSError, match="gone"):
        loop_class_on_exceptions(program, exceptions)
    assert program.calls == [{}, "run", "stop"]


def test_an_exception_of_the_constructor_that_is_not_listed_goes_on(program: type[Program]) -> None:
    program.making = [OSError("no port")]
    with pytest.raises(OSError, match="no port"):
        loop_class_on_exceptions(program, ValueError)
    assert program.calls == ["made"]


def test_ctrl_c_ends_it_while_it_runs(program: type[Program]) -> None:
    program.running = [KeyboardInterrupt()]
    loop_class_on_exceptions(program, OSError)
    assert program.calls == [{}, "run", "stop"]


def test_ctrl_c_ends_it_while_it_waits(program: type[Program], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(wait_s: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("PyExpLabSys.common.functions.time.sleep", interrupted)
    program.running = [OSError("gone")]
    loop_class_on_exceptions(program, OSError)
    assert program.calls == [{}, "run", "stop"]


def test_a_program_that_does_not_stop_is_begun_again_all_the_same(
    program: type[Program], caplog: pytest.LogCaptureFixture
) -> None:
    program.running, program.stopping = [OSError("gone"), None], [RuntimeError("stuck")]
    loop_class_on_exceptions(program, OSError, 1)
    assert program.calls == [{}, "run", "stop", 1, {}, "run"]
    assert "Program did not stop" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((3, OSError), "expected a class"),
        ((int, OSError), "expected a class"),
        ((Program, "OSError"), "expected an exception class"),
        ((Program, 3), "expected an exception class"),
        ((Program, [OSError, 3]), "3 among the exceptions"),
        ((Program, int), "is no exception class"),
        ((Program, OSError, "long"), "expected a time in s"),
        ((Program, OSError, -1), "expected a time in s"),
    ],
)
def test_other_arguments_are_refused(arguments: tuple[Any, ...], complaint: str, program: type[Program]) -> None:
    with pytest.raises(TypeError, match=complaint):
        loop_class_on_exceptions(*arguments)
    assert program.calls == []
