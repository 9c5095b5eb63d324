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
        self.result: tuple[tuple[Any, ...], ...] | NoneResponse = NONE_RESPONSE
        self.error: Exception | None = None
        self._given_up = threading.Event()

    def run(self) -> None:
        """Run the query and keep its rows, or its error, for the thread that waits."""
        try:
            self.cursor.execute(self.query)
            rows = () if self.cursor.description is None else tuple(tuple(row) for row in self.cursor.fetchall())
            if not self._given_up.is_set():
                self.result = rows
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is for the caller
            self.error = error
        if self._given_up.is_set():
            with suppress(Exception):  # it may be closed already, or broken: it is given up in any case
                self.cursor.connection.close()

    def give_up(self) -> None:
        """Abandon the query: break its connection under it, so that it neither hangs for ever nor comes late."""
        self._given_up.set()
        connection = self.cursor.connection
        with suppress(Exception):  # a driver that cannot be interrupted closes when the query comes back
            if hasattr(self.cursor, "cancel"):  # pyodbc
                self.cursor.cancel()
            elif hasattr(connection, "interrupt"):  # sqlite3
                connection.interrupt()
            elif isinstance(sock := getattr(connection, "_sock", None), socket.socket):  # pymysql
                # Of the socket below TLS, which would want to say goodbye.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


def timeout_query(cursor: Any, query: str, timeout_duration: float = 3) -> tuple[tuple[Any, ...], ...] | NoneResponse:
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
    if thread.is_alive():
        thread.give_up()
        return NONE_RESPONSE
    if thread.error is not None:
        raise thread.error
    return thread.result
