"""Whether a connection may be talked on: by one thread at a time, and not at all once its state is in doubt."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PyExpLabSys.errors import DatabaseUnavailable


class Guard:
    """Keeps the threads on one connection apart, and frees its resources once, when no thread is inside the driver.

    A driver's connection must not be closed under a thread that waits in it: pymysql's reader would block the closing
    one, sqlite3 would hold the interpreter lock. So giving up is only noted, and whoever comes out last frees.

    Args:
        server: Where the connection leads, for messages.
        release: Frees what the driver holds; never raises.
    """

    def __init__(self, server: str, release: Callable[[], None]) -> None:
        self._server, self._release = server, release
        self._inside = threading.Lock()
        self._released = False
        self.given_up: str | None = None

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Hold the connection during one exchange.

        Raises:
            DatabaseUnavailable: it was given up before.
            RuntimeError: another statement is running on it.
        """
        if not self._inside.acquire(blocking=False):
            self._check()  # whoever is inside may be the one that frees it
            raise RuntimeError(f"{self._server}: another statement, or a stream, is not finished on this connection")
        try:
            self._check()
            yield
        finally:
            self._inside.release()
            if self.given_up is not None:
                self._release_when_idle()

    def give_up(self, reason: str) -> None:
        """Let nobody talk on the connection any more, for the first reason given."""
        self.given_up = self.given_up or reason
        self._release_when_idle()

    def _check(self) -> None:
        if self.given_up is not None:
            raise DatabaseUnavailable(f"{self._server}: this connection cannot be used any more: {self.given_up}")

    def _release_when_idle(self) -> None:
        # Not acquired: somebody is inside, and will come here on the way out, after having seen given_up.
        if self._inside.acquire(blocking=False):
            try:
                if not self._released:
                    self._released = True
                    self._release()
            finally:
                self._inside.release()
