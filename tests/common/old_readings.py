"""Readings of the published descriptions, and readers that hand them out."""

from collections.abc import Iterable, Iterator
from typing import Any

from PyExpLabSys.common.value_logger import LoggingCriteriumChecker, ValueLogger

Readings = list[tuple[float, float]]


def series(start_s: int, *values: float) -> Readings:
    """Return values, one each second."""
    return [(start_s + index, value) for index, value in enumerate(values)]


LINEAR = series(1000, 10, 10.2, 10.1, 11, 12.5, 12.7, 16, 16)
LOGARITHMIC = series(1000, 1.0, 1.01, 0.99, 1.05, 1.12, 1.2, 1.26, 1.26, 0.9)


def checked(
    checker: LoggingCriteriumChecker, readings: Iterable[tuple[float, float]], codename: str = "a"
) -> dict[float, Readings]:
    """Return what the checker has to store when it says so, by the time at which it does."""
    return {now: checker.get_data(codename) for now, value in readings if checker.check(codename, value, now)}


class OldReader:
    """Hands out old readings one after the other, and ends the logger after the last."""

    def __init__(self, readings: Iterable[tuple[float, Any]], channel: Any = None) -> None:
        self._readings: Iterator[tuple[float, Any]] = iter(readings)
        self._next = next(self._readings)
        self._channel = channel
        self.time_value: Any = None if channel is None else {}
        self.logger: ValueLogger | None = None

    def value(self, *channel: Any) -> Any:
        assert channel == (() if self._channel is None else (self._channel,))
        time_s, value = self._next
        if self._channel is None:
            self.time_value = time_s
        else:
            self.time_value[self._channel] = time_s
        try:
            self._next = next(self._readings)
        except StopIteration:
            assert self.logger is not None
            self.logger.status["quit"] = True
        if isinstance(value, Exception):
            raise value
        return value


def logged(readings: Iterable[tuple[float, Any]], channel: Any = None, **options: Any) -> ValueLogger:
    """Return a logger that has taken old readings."""
    reader = OldReader(readings, channel)
    logger = ValueLogger(reader, run_on_old_data=True, channel=channel, **options)
    reader.logger = logger
    logger.run()
    return logger
