"""Mail for what is logged, sent by a thread of its own: whoever logs never waits for a mail server, or for a disk.

Of each level (warning, error) a program sends so many mails a period. What is beyond that, or could not be sent, waits
in a backlog for the next mail, which goes out by itself once the period allows it. Times and backlog stand in a file,
so that a program that restarts again and again does not begin anew, and does not forget what it held back.
"""

import hashlib
import json
import logging
import math
import os
import smtplib
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PyExpLabSys.common.mail_envelope import Envelope, send_mail

LOGGER = logging.getLogger(__name__)

FIRST_RETRY_S = 60.0
LONGEST_RETRY_S = 3600.0
#: The period goes by the wall clock, which may be set meanwhile.
LOOK_AGAIN_S = 60.0
#: More than so many do not wait for a slow mail server, however many a period allows: they go to the backlog.
MAILS_WAITING_MAX = 100

_thread_state = threading.local()


@dataclass(frozen=True)
class Limits:
    """How much mail of one level there may be.

    Attributes:
        mails: Mails a period.
        period_s: That period in s.
        backlog: So many of the newest messages that were held back are kept.
    """

    mails: int
    period_s: float
    backlog: int


@dataclass(frozen=True)
class _Mail:
    envelope: Envelope
    unixtime_s: float
    #: One for each message, the newest first, then what had to wait, oldest first.
    new: tuple[str, ...]
    held_back: tuple[str, ...]

    def text(self) -> str:
        backlog = ("Backlog:", *self.held_back) if self.held_back else ()
        return "\n".join((*self.new, *([""] if self.new and backlog else []), *backlog)) + "\n"


def sends_mail() -> bool:
    """Return whether this thread sends log mail: what it logs itself must not become mail."""
    return getattr(_thread_state, "sends_mail", False)


def state_path(level: str) -> Path:
    """Return the file in which this program's mail of a level is remembered."""
    import platformdirs

    program = Path(sys.argv[0] if sys.argv else "").absolute()
    digest = hashlib.sha256(os.fsencode(program)).hexdigest()[:12]
    return platformdirs.user_state_path("PyExpLabSys") / "log_mail" / f"{program.stem}-{digest}-{level}.json"


class LevelMail:
    """The mail of one level of one program.

    Args:
        level: Its name, in a file's name.
        times: When mails were sent: unix time in s, oldest first.
        backlog: Messages that were held back, oldest first.
        send: Hands one mail to its server; see :func:`~PyExpLabSys.common.mail_envelope.send_mail`.
        clock: Unix time in s.
    """

    def __init__(
        self,
        level: str,
        times: deque[float],
        backlog: deque[str],
        send: Callable[[Envelope, str], None] = send_mail,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._level, self._times, self._backlog, self._send, self._clock = level, times, backlog, send, clock
        self._changed = threading.Condition()
        self._mails: deque[_Mail] = deque()
        self._envelope: Envelope | None = None
        self._limits = Limits(0, 0.0, 0)
        self._users = 0
        self._thread: threading.Thread | None = None
        self._working = self._unsaved = self._told_not_saved = False
        self._path: Path | None = None
        self._retry_at, self._retry_after_s = 0.0, FIRST_RETRY_S

    def open(self, envelope: Envelope, limits: Limits) -> None:
        """Begin for one more handler, with what an earlier run of the program left."""
        with self._changed:
            self._users += 1
            self._envelope, self._limits = envelope, limits
            if self._users == 1:
                self._path = state_path(self._level)
                self._load(self._path)
                if self._backlog:
                    self._wake()

    def close(self) -> None:
        """End for one handler; after the last, what waits for a server is still sent, what was held back is kept."""
        with self._changed:
            self._users -= 1
            self._changed.notify_all()

    def submit(self, envelope: Envelope, limits: Limits, message: str) -> None:
        """Take a message to be sent, now or later; returns at once."""
        with self._changed:
            self._envelope, self._limits = envelope, limits
            if self._opens_in_s() <= 0.0 and len(self._mails) < MAILS_WAITING_MAX:
                self._put((message,))
            else:
                self._backlog.append(message)
                self._trim()
            self._unsaved = True
            self._wake()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that may be sent is, and what was held back is saved; return whether that is so."""
        with self._changed:
            self._changed.wait_for(lambda: self._settled() or not self._alive(), timeout_s)
            if self._settled():
                return True
            state = self._state()
        self._save(state)
        return False

    def _settled(self) -> bool:
        return not (self._mails or self._unsaved or self._working)

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _wake(self) -> None:
        # After a fork the thread is only in the parent.
        if not self._alive():
            self._thread = threading.Thread(target=self._run, name=f"log-mail-{self._level}", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter ends: flush saves the message for the next start
                self._thread = None
        self._changed.notify_all()

    def _opens_in_s(self) -> float:
        """Return in how many s a mail may be sent; 0 or less: now."""
        waiting_s = self._retry_at - time.monotonic()
        if not self._limits.mails:
            return math.inf
        if len(self._times) < self._limits.mails:
            return waiting_s
        return max(waiting_s, self._times[-self._limits.mails] + self._limits.period_s - self._clock())

    def _put(self, new: tuple[str, ...]) -> None:
        """Make a mail of new messages and the backlog."""
        assert self._envelope is not None  # noqa: S101 - for mypy: nothing is put before open
        self._times.append(self._clock())
        while len(self._times) > self._limits.mails:
            self._times.popleft()
        self._mails.append(_Mail(self._envelope, self._times[-1], new, tuple(self._backlog)))
        self._backlog.clear()

    def _trim(self) -> None:
        while len(self._backlog) > self._limits.backlog:
            self._backlog.popleft()

    def _run(self) -> None:
        _thread_state.sends_mail = True
        while True:
            mail, state = self._next_work()
            if state is not None:
                self._save(state)
            if mail is not None:
                self._deliver(mail)
            elif state is None:
                return

    def _next_work(self) -> tuple[_Mail | None, str | None]:
        """Wait for a mail to send or a state to save; return None and None when there will be none."""
        with self._changed:
            self._working = False
            self._changed.notify_all()
            while not (self._mails or self._unsaved):
                if not (self._backlog and self._users):
                    self._thread = None
                    return None, None
                if (opens_in_s := self._opens_in_s()) <= 0.0:
                    self._put(())
                    self._unsaved = True
                else:
                    self._changed.wait(min(opens_in_s, LOOK_AGAIN_S))
            self._working = True
            state = self._state() if self._unsaved else None
            self._unsaved = False
            # It stays in the queue, and so in the saved state, until the server has it.
            return (self._mails[0] if self._mails else None), state

    def _deliver(self, mail: _Mail) -> None:
        try:
            self._send(mail.envelope, mail.text())
        except (OSError, smtplib.SMTPException) as error:
            retry_after_s = self._put_back()
            LOGGER.warning(
                "mail to %s cannot be sent by %s (%s), next attempt in %.0f s",
                *(",".join(mail.envelope.recipients), mail.envelope.host, error, retry_after_s),
            )
        else:
            with self._changed:
                self._mails.popleft()
                self._retry_after_s = FIRST_RETRY_S
                self._unsaved = True

    def _put_back(self) -> float:
        """Turn all mails that wait into backlog, which the quota is not charged for; return the time to wait in s."""
        with self._changed:
            lines = self._waiting_lines()
            for mail in self._mails:
                if mail.unixtime_s in self._times:
                    self._times.remove(mail.unixtime_s)
            self._mails.clear()
            self._backlog.clear()
            self._backlog.extend(lines)
            self._trim()
            retry_after_s = self._retry_after_s
            self._retry_at = time.monotonic() + retry_after_s
            self._retry_after_s = min(2.0 * retry_after_s, LONGEST_RETRY_S)
            self._unsaved = True
        return retry_after_s

    def _waiting_lines(self) -> list[str]:
        """Return all messages that no server has, oldest first."""
        return [line for mail in self._mails for line in (*mail.held_back, *mail.new)] + list(self._backlog)

    def _state(self) -> str:
        return json.dumps({"times": list(self._times), "backlog": self._waiting_lines()})

    def _load(self, path: Path) -> None:
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            times, lines = [float(at) for at in state["times"]], [str(line) for line in state["backlog"]]
        except FileNotFoundError:
            return
        except (OSError, ValueError, LookupError, TypeError) as error:
            LOGGER.warning("%s does not tell which mails were sent (%s): beginning anew", path, error)
            return
        self._times.clear()
        # A time to come, of a clock that was wrong, would forbid mail until then.
        self._times.extend(min(at, self._clock()) for at in times)
        self._backlog.clear()
        self._backlog.extend(lines)
        self._trim()

    def _save(self, state: str) -> None:
        path = self._path
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # A temporary file is for its owner only, as messages may be.
            with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
                file.write(state)
            Path(file.name).replace(path)
        except OSError as error:
            if not self._told_not_saved:
                LOGGER.warning("mails sent and held back are not remembered across restarts: %s", error)
            self._told_not_saved = True
