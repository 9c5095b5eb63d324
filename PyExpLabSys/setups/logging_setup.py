"""Logging of a program that runs for years: an error that repeats is counted, and said again at growing intervals."""

import copy
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FIRST_REPEAT_S = 60.0
LONGEST_REPEAT_S = 3600.0
#: Of so many different messages it is known when they were last said.
MESSAGES_MAX = 1000

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: systemd's journal has times of its own.
JOURNAL_FORMAT = "%(levelname)s %(name)s: %(message)s"


@dataclass
class _Repetition:
    say_at_s: float
    repeat_s: float
    last_s: float
    held_back: int = 0


class CollapsingHandler(logging.Handler):
    """Hands records on to another handler, warnings and worse that repeat less and less often.

    A message that did not come for as long as it would have been held back is news again.

    Args:
        target: The handler that writes.
        monotonic: The clock in s.
    """

    def __init__(self, target: logging.Handler, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._target, self._monotonic = target, monotonic
        self._repetitions: OrderedDict[tuple[str, int, str], _Repetition] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on, or count it."""
        try:
            if record.levelno >= logging.WARNING:
                kept = self._collapsed(record)
                if kept is None:
                    return
                record = kept
        except Exception:  # noqa: BLE001 - as every handler: a record that cannot be formatted must not end a program
            self.handleError(record)
            return
        self._target.handle(record)

    def close(self) -> None:
        """Close the other handler, too."""
        self._target.close()
        super().close()

    def _collapsed(self, record: logging.LogRecord) -> logging.LogRecord | None:
        now_s = self._monotonic()
        key = record.name, record.levelno, record.getMessage()
        known = self._repetitions.get(key)
        if known is None or now_s - known.last_s > known.repeat_s:
            self._repetitions[key] = _Repetition(now_s + FIRST_REPEAT_S, FIRST_REPEAT_S, now_s)
            self._repetitions.move_to_end(key)
            if len(self._repetitions) > MESSAGES_MAX:
                self._repetitions.popitem(last=False)
            return record
        known.last_s = now_s
        known.held_back += 1
        if now_s < known.say_at_s:
            return None
        known.repeat_s = min(2.0 * known.repeat_s, LONGEST_REPEAT_S)
        known.say_at_s = now_s + known.repeat_s
        counted = copy.copy(record)  # other handlers get the record as it is
        counted.msg, counted.args = f"{key[2]} ({known.held_back} times since it was last said)", None
        known.held_back = 0
        return counted


def configure_logging(*, debug: bool = False) -> None:
    """Log to standard error, unless the script has set up logging by itself; ``debug`` shows every exchange."""
    logging.getLogger("PyExpLabSys").setLevel(logging.DEBUG if debug else logging.NOTSET)
    root = logging.getLogger()
    if root.handlers:
        return
    target = logging.StreamHandler()
    target.setFormatter(logging.Formatter(JOURNAL_FORMAT if "JOURNAL_STREAM" in os.environ else FORMAT))
    root.addHandler(CollapsingHandler(target))
    root.setLevel(logging.INFO)
