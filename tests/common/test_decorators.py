"""A method that is called when another one fails."""

import pytest

from PyExpLabSys.common.decorators import execute_on_exception


class Heater:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def off(self) -> None:
        self.calls.append("off")

    def broken_off(self) -> None:
        raise OSError("no contact")

    @execute_on_exception("off")
    def heat(self, power: float, *, error: BaseException | None = None) -> float:
        """Heat."""
        if error is not None:
            raise error
        return power

    @execute_on_exception("broken_off")
    def heat_without_contact(self) -> None:
        raise ValueError("too hot")


def test_a_method_that_succeeds_is_left_alone() -> None:
    heater = Heater()
    assert heater.heat(3.0) == 3.0
    assert heater.calls == []
    assert (Heater.heat.__name__, Heater.heat.__doc__) == ("heat", "Heat.")


@pytest.mark.parametrize("error", [ValueError("too hot"), KeyboardInterrupt()])
def test_the_other_method_is_called_and_the_exception_goes_on(error: BaseException) -> None:
    heater = Heater()
    with pytest.raises(type(error)) as raised:
        heater.heat(3.0, error=error)
    assert raised.value is error
    assert heater.calls == ["off"]


def test_the_first_exception_is_the_one_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="too hot"):
        Heater().heat_without_contact()
    assert "broken_off of" in caplog.text
    assert "no contact" in caplog.text
