"""Queries with a time-out on a connection of the script's own: names that lab scripts import from ``loggers``."""

import socket
import threading
from contextlib import suppress
from typing import Any


class NoneResponse:
    """Stands for "no answer", where None could be an answer."""

    def __repr__(self) -> str:
        return "NONE_RESPONSE"


NONE_RESPONSE = NoneResponse()
"""The one instance of :class:`NoneResponse`; compare with ``is``."""


class InterruptableThread(threading.Thread):
    """Runs one query; whoever waits for it may stop waiting.

    Args:
        cursor: An open cursor of a database driver (DB-API 2.0).
        query: Text of the query.

    Attributes:
        result: The rows as a tuple of tuples, :data:`NONE_RESPONSE` as long as there are none.
        error: The driver's exception if the query failed, else None.
    """

    def __init__(self, cursor: Any, query: str) -> None:
        super().__init__(name="query", daemon=True)
        self.cursor = cursor
        self.query = query
        self.result: tuple[Any, ...] | NoneResponse = NONE_RESPONSE
        self.error: Exception | None = None
        self._deciding = threading.Lock()
        self._answered = self._given_up = False

    def run(self) -> None:
        """Run the query and keep its rows, or its error, for the thread that waits."""
        rows, failure = self._ask()
        with self._deciding:
            self._answered = not self._given_up
            if self._answered:
                self.result, self.error = rows, failure
        if not self._answered:
            with suppress(Exception):  # it may be closed already, or broken: it is given up in any case
                self.cursor.connection.close()

    def give_up(self) -> bool:
        """Abandon the query: break its connection under it, so that it neither hangs for ever nor comes late.

        Returns:
            Whether it was abandoned; False when the answer has just come after all.
        """
        with self._deciding:
            self._given_up = not self._answered
        if not self._given_up:
            return False
        connection = self.cursor.connection
        with suppress(Exception):  # a driver that cannot be interrupted closes when the query comes back
            if hasattr(self.cursor, "cancel"):  # pyodbc
                self.cursor.cancel()
            elif hasattr(connection, "interrupt"):  # sqlite3
                connection.interrupt()
            elif isinstance(sock := getattr(connection, "_sock", None), socket.socket):  # pymysql
                # Of the socket below TLS, which would want to say goodbye.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        return True

    def _ask(self) -> tuple[tuple[Any, ...] | NoneResponse, Exception | None]:
        """Return the rows, or the driver's exception."""
        try:
            self.cursor.execute(self.query)
            if self.cursor.description is None:
                return (), None
            # A cursor that was made to give dictionaries keeps doing so.
            rows = (row if isinstance(row, dict) else tuple(row) for row in self.cursor.fetchall())
            return tuple(rows), None
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is for the caller
            return NONE_RESPONSE, error


def timeout_query(cursor: Any, query: str, timeout_duration: float = 3) -> tuple[Any, ...] | NoneResponse:
    """Run a query and return its rows, or :data:`NONE_RESPONSE` if there was no answer in time.

    After a time-out the cursor's connection is closed, and has to be opened anew: whether the statement was or will
    be carried out is unknown, and its late answer must not be taken for that of the next one.

    Args:
        cursor: An open cursor of a database driver.
        query: Text of the query.
        timeout_duration: How long to wait, in s.

    Returns:
        A tuple of rows, each a tuple; empty for a statement without rows.

    Raises:
        Exception: The driver's own exception when the statement failed.
    """
    thread = InterruptableThread(cursor, query)
    thread.start()
    thread.join(timeout_duration)
    if thread.is_alive() and thread.give_up():
        return NONE_RESPONSE
    if thread.error is not None:
        raise thread.error
    return thread.result
