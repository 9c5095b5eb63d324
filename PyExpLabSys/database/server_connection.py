"""What connections to a MySQL or MariaDB server have in common, whichever driver carries them."""

import time

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.errors import DatabaseError

KILL_WAIT_S = 2.0
_KILL_POLL_S = 0.05
_NO_SUCH_THREAD = 1094
# Set as a whole, so that a statement means the same on every server. Strict also for MyISAM (ALL): a value out of range
# would be clipped to the nearest possible one and stored, and an invented point is worse than a rejected one.
SQL_MODE = "STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"
# A reader may take its time over a chunk before it wants the next one; the server's own bound is 60 s.
SLOW_READER_S = 600


def session_statement(statement_timeout_s: float) -> str:
    """Return the statement that makes a session ours: UTC, strict, explicit commit, locks waited for only so long.

    UTC, because the hour that ends summer time is ambiguous in local time. The server stops waiting for a lock one
    second before the client stops waiting for the server: then the outcome is known, and nothing forgotten is carried
    out later.
    """
    lock_s = max(1, int(statement_timeout_s) - 1)
    return (
        f"SET SESSION time_zone = '+00:00', sql_mode = '{SQL_MODE}', autocommit = 0, "
        f"innodb_lock_wait_timeout = LEAST(@@innodb_lock_wait_timeout, {lock_s}), "
        f"lock_wait_timeout = LEAST(@@lock_wait_timeout, {lock_s}), "
        f"net_write_timeout = GREATEST(@@net_write_timeout, {SLOW_READER_S})"
    )


class ServerConnection(Connection):
    """A connection to a MySQL or MariaDB server.

    Attributes:
        connection_id: The server's number for it.
        client_address: Where the server sees it come from, ``address:port``; ``localhost`` through a local socket.
        max_statement_bytes: The longest statement that the server takes, in bytes.
    """

    connection_id: int
    client_address: str
    max_statement_bytes: int

    def _begin_session(self, statement_timeout_s: float) -> None:
        self.execute(session_statement(statement_timeout_s))
        ((self.connection_id, self.max_statement_bytes, address),) = self.query(
            "SELECT CONNECTION_ID(), @@max_allowed_packet, "
            "(SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID())"
        )
        self.client_address = str(address or "")
        self.rollback()

    def end(self, other: Connection) -> bool:
        """End another connection of this account on the server, as :meth:`kill` does; False for this one itself."""
        return (
            isinstance(other, ServerConnection)
            and other is not self
            and self.kill(other.connection_id, other.client_address)
        )

    def kill(self, connection_id: int, client_address: str) -> bool:
        """End a forgotten connection of the same account on the same server, and return whether it is gone.

        It is killed only if the server lists that number with that address and this account, since numbers begin again
        when a server restarts; an address without a port (a local socket) says too little to kill for. Gone means that
        the server has also rolled back its transaction. Waits up to 2 s for that.
        """
        if self._is_there(connection_id, client_address):
            if client_address.rpartition(":")[2].isdigit():
                self._kill(connection_id)
            deadline = time.monotonic() + KILL_WAIT_S
            while self._is_there(connection_id, client_address):
                if time.monotonic() > deadline:
                    return False
                time.sleep(_KILL_POLL_S)  # the server tells nobody when a connection has ended: it must be asked
        return True

    def _kill(self, connection_id: int) -> None:
        try:
            self.execute(f"KILL {int(connection_id)}")
        except DatabaseError as error:
            if error.code != _NO_SUCH_THREAD:  # it may just have ended by itself
                raise

    def _is_there(self, connection_id: int, client_address: str) -> bool:
        return bool(
            self.query(
                "SELECT id FROM information_schema.processlist WHERE id = ? AND host = ? "
                "AND LEFT(USER(), CHAR_LENGTH(user) + 1) = CONCAT(user, '@')",
                (connection_id, client_address),
            )
        )
