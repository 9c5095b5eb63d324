"""Deliberately weakened builds: the faults' tests must fail on them, else their passing says nothing.

``python -m tests.faults.mutants`` runs each. The weakening is applied inside the process of the tests; nothing of it
stands in the package.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from PyExpLabSys.common import cinfdata_sink, delivery, loggers, point_queue, receipts
from PyExpLabSys.common.batch import Batch
from PyExpLabSys.database import mysql, server_connection
from PyExpLabSys.database.writing import insert_rows
from PyExpLabSys.errors import DestinationMisconfigured, TryAgainLater
from tests.faults.site import MYISAM, NEW

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Weakening:
    """A fault put into the package.

    Attributes:
        apply: Puts it in.
        layout: On which layout the tests that name it are to detect it.
    """

    apply: Callable[[Patch], None]
    layout: str = NEW


def no_commit(patch: Patch) -> None:
    """Nothing is ever committed."""
    patch.setattr(mysql.MySQLConnection, "commit", lambda _self: None)


def blind_resend(patch: Patch) -> None:
    """What was not confirmed is sent again, without asking the ledger."""

    def store(self: receipts.LedgerWriting, connection: Any, layout: Any, rows: Any) -> dict[int, str]:
        return self._insert(connection, layout, rows, rows.last_sequence)

    patch.setattr(receipts.LedgerWriting, "store", store)


def read_then_send(patch: Patch) -> None:
    """The ledger is read before a resend, instead of being moved in the transaction of the points."""

    def move(self: receipts.LedgerWriting, connection: Any, previous: int, last: int) -> bool:
        ((stands,),) = connection.query("SELECT seq FROM logger_progress WHERE logger = ?", (self.logger_id,))
        connection.rollback()
        return bool(stands == previous)

    def insert(self: receipts.LedgerWriting, connection: Any, layout: Any, rows: Any, last: int) -> dict[int, str]:
        insert_rows(connection, layout, rows)
        connection.execute("UPDATE logger_progress SET seq = ? WHERE logger = ?", (last, self.logger_id))
        connection.commit()
        self._confirmed = last
        return {}

    patch.setattr(receipts.LedgerWriting, "_move", move)
    patch.setattr(receipts.LedgerWriting, "_insert", insert)


def local_time(patch: Patch) -> None:
    """Sessions have the server's own time zone."""
    original = server_connection.session_statement
    patch.setattr(
        server_connection,
        "session_statement",
        lambda timeout_s: original(timeout_s).replace("time_zone = '+00:00', ", ""),
    )


def never_compares(patch: Patch) -> None:
    """After an unknown outcome in a table without transactions nobody looks what is there."""
    patch.setattr(receipts.ComparingWriting, "_clear_up", lambda _self, _connection, _layout: None)


def no_kill(patch: Patch) -> None:
    """A connection that was given up is taken for gone, whatever it still does on the server."""
    patch.setattr(server_connection.ServerConnection, "end", lambda _self, _other: True)


def settles_first(patch: Patch) -> None:
    """Points leave the queue when they are handed over, not when they are confirmed."""

    store = delivery.Delivery._store

    def settle_and_store(self: delivery.Delivery, part: Batch) -> Sequence[int]:
        self.cursor.settle(part.last_sequence)
        try:
            return store(self, part)
        except (TryAgainLater, DestinationMisconfigured) as error:
            self._failed(error)
            return ()

    patch.setattr(delivery.Delivery, "_store", settle_and_store)


def waits_for_sink(patch: Patch) -> None:
    """``enqueue_point`` waits while a sink stores."""
    lock = threading.Lock()
    store, enqueue = delivery.Delivery._store, loggers.ContinuousLogger.enqueue_point

    def locked_store(self: delivery.Delivery, part: Batch) -> Sequence[int]:
        with lock:
            return store(self, part)

    def locked_enqueue(self: loggers.ContinuousLogger, codename: str, point: Any) -> None:
        with lock:
            enqueue(self, codename, point)

    patch.setattr(delivery.Delivery, "_store", locked_store)
    patch.setattr(loggers.ContinuousLogger, "enqueue_point", locked_enqueue)


def common_bound(patch: Patch) -> None:
    """Any sink that is at its bound makes the queue refuse points."""
    cursor = point_queue.PointQueue.cursor
    patch.setattr(point_queue.PointQueue, "cursor", lambda self, bound, **_vital: cursor(self, bound=bound, vital=True))


def lying_status(patch: Patch) -> None:
    """The status is always good."""
    status = delivery.Delivery.status
    patch.setattr(delivery.Delivery, "status", lambda self: replace(status(self), connected=True, last_error=None))


def unchecked_start(patch: Patch) -> None:
    """The constructor does not look whether there is a database."""
    patch.setattr(loggers.ContinuousLogger, "_prepare", lambda _self, _startup_timeout_s: None)


def rejects_batches(patch: Patch) -> None:
    """A point that can never be stored takes its batch with it."""

    def without(self: Batch, _indices: Sequence[int]) -> Batch:
        return replace(self.first(0), last_sequence=self.last_sequence)

    patch.setattr(Batch, "without", without)


def never_ends_forgotten(patch: Patch) -> None:
    """A forgotten connection keeps its locks."""
    patch.setattr(cinfdata_sink, "LOCK_WAIT_TIMEOUT", -1)


WEAKENINGS = {
    "no commit": Weakening(no_commit),
    "blind resend": Weakening(blind_resend),
    "read, then send": Weakening(read_then_send),
    "local time": Weakening(local_time),
    "never compares": Weakening(never_compares, MYISAM),
    "no kill": Weakening(no_kill, MYISAM),
    "settles first": Weakening(settles_first),
    "waits for the sink": Weakening(waits_for_sink),
    "common bound": Weakening(common_bound),
    "lying status": Weakening(lying_status),
    "unchecked start": Weakening(unchecked_start),
    "rejects batches": Weakening(rejects_batches),
    "never ends forgotten": Weakening(never_ends_forgotten),
}


def selects(weakening: str, detected: set[str], layout: str | None) -> bool:
    """Return whether a weakened run needs a test.

    Args:
        weakening: What the run is weakened by.
        detected: What the test detects.
        layout: On which layout it runs, None when it needs no site.
    """
    return weakening in detected and layout in (None, WEAKENINGS[weakening].layout)
