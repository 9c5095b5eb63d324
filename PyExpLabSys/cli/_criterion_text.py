"""Criteria as they are written in a script, from the command line."""

import ast
from collections.abc import Callable, Sequence
from typing import Any

from PyExpLabSys.common.criteria import Point
from PyExpLabSys.common.error_bound import ErrorBound
from PyExpLabSys.common.value_logger import LoggingCriteriumChecker, ValueLogger
from PyExpLabSys.setups.criteria import Always, Deviation, Interval, Selector, selector_of


class CheckerSelector:
    """``LoggingCriteriumChecker`` as a selector; arguments as those of its ``add_measurement``, without codename."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._checker = LoggingCriteriumChecker()
        self._checker.add_measurement("", *arguments, **keywords)

    def take(self, time_s: float, value: float) -> Sequence[Point]:
        """Take a reading, and return the points that are certain by it."""
        return self._checker.get_data("") if self._checker.check("", value, time_s) else ()

    def finish(self) -> Sequence[Point]:
        """Return nothing: it holds no point."""
        return ()


class LoggerSelector:
    """``ValueLogger`` as a selector; arguments as its own, without reader."""

    def __init__(self, **keywords: Any) -> None:
        self._logger = ValueLogger(None, **keywords)

    def take(self, time_s: float, value: float) -> Sequence[Point]:
        """Take a reading, and return the points that are certain by it."""
        self._logger.take(time_s, value)
        return self._logger.get_data()

    def finish(self) -> Sequence[Point]:
        """Return nothing: it holds no point."""
        return ()


CRITERIA: dict[str, Callable[..., Selector]] = {
    "Always": lambda: selector_of(Always()),
    "Interval": lambda *arguments, **keywords: selector_of(Interval(*arguments, **keywords)),
    "Deviation": lambda *arguments, **keywords: selector_of(Deviation(*arguments, **keywords)),
    "ErrorBound": lambda *arguments, **keywords: selector_of(ErrorBound(*arguments, **keywords)),
    "LoggingCriteriumChecker": CheckerSelector,
    "ValueLogger": LoggerSelector,
}


def parse_criterion(text: str) -> Selector:
    """Return the selector of a criterion such as ``Deviation(absolute=0.5)``.

    Raises:
        ValueError: It is no criterion, or not one with these arguments.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        call = None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CRITERIA):
        raise ValueError(
            f"{text!r} is no criterion: write it as in a script, such as 'Deviation(absolute=0.5)'; there are "
            f"{', '.join(CRITERIA)}"
        )
    try:
        arguments = [ast.literal_eval(each) for each in call.args]
        keywords = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        return CRITERIA[call.func.id](*arguments, **keywords)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{text!r}: {error}") from error
