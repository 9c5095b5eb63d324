"""Which error of a database server is what: trying again helps, a row is at fault, or a person is needed.

The tables name the numbers that MySQL, MariaDB and Galera send (and the 2000s, which the client's side makes up). A
number that stands in no table is judged by its SQLSTATE class; what is unknown by that too counts as unavailable: its
points are kept and sent again, since waiting can be mended and a good point that was put aside looks lost.
"""

import re
import sqlite3
from collections.abc import Mapping

from PyExpLabSys.errors import DatabaseError, DatabaseMisconfigured, DatabaseUnavailable, RowsRejected

UNAVAILABLE = {
    1015: "cannot lock a file",
    1020: "record has changed since last read (snapshot isolation, Galera)",
    1021: "disk full",
    1026: "error writing a file",
    1030: "storage engine error, mostly the disk",
    1037: "out of memory",
    1038: "out of sort memory",
    1040: "too many connections",
    1041: "out of memory",
    1047: "Galera node not ready: not in the primary component",
    1053: "server shutdown in progress",
    1079: "server is shutting down",
    1105: "unknown error (proxies: the node behind is not reachable)",
    1114: "table full: disk, or memory",
    1135: "cannot create a thread",
    1152: "connection aborted",
    1158: "network: error reading",
    1159: "network: time-out reading",
    1160: "network: error writing",
    1161: "network: time-out writing",
    1180: "error during commit",
    1184: "connection aborted",
    1203: "account has too many connections",
    1205: "lock wait time-out",
    1206: "lock table full",
    1213: "deadlock, or Galera conflict",
    1223: "conflicting read lock",
    1226: "account is over its hourly limit, or its number of connections",
    1290: "server runs with --read-only (failing over)",
    1317: "statement interrupted: killed",
    1412: "table definition has changed, retry the transaction",
    1615: "prepared statement needs to be prepared again",
    1637: "too many transactions at once",
    1792: "transaction is read-only (failing over)",
    1815: "internal error",
    1836: "server is in read-only mode (failing over)",
    1927: "connection was killed",
    1969: "max_statement_time exceeded",
    2002: "cannot connect through the socket",
    2003: "cannot connect",
    2005: "host name does not resolve",
    2006: "server has gone away",
    2013: "connection lost during a statement",
    2014: "commands out of step",
    2027: "malformed packet",
    2055: "connection lost",
    3024: "max_execution_time exceeded",
    3100: "group replication hook failed",
    3101: "group replication: transaction conflict",
    3572: "lock not available at once",
}
REJECTED = {
    1048: "NULL in a column that is NOT NULL",
    1062: "duplicate of a unique key",
    1169: "duplicate of a unique constraint",
    1216: "foreign key: no such parent",
    1264: "number out of the column's range",
    1265: "data truncated",
    1292: "not a valid time or number",
    1300: "invalid text for the character set",
    1366: "not a valid value for the column",
    1367: "illegal value",
    1406: "text too long",
    1411: "not a valid time for a function",
    1441: "time overflow",
    1452: "foreign key: no such parent",
    1526: "no partition for this value",
    1644: "a trigger refused it (SIGNAL)",
    1690: "number out of range in an expression",
    3819: "check constraint (MySQL)",
    4025: "check constraint (MariaDB)",
}
MISCONFIGURED = {
    144: "table crashed, its repair failed: restore it",
    145: "table crashed: REPAIR TABLE",
    167: "the column id has no numbers left: ALTER TABLE ... MODIFY id bigint unsigned ...",
    1034: "key file damaged: REPAIR TABLE",
    1035: "key file too old: REPAIR TABLE",
    1036: "table is read-only",
    1044: "account has no right to the database",
    1045: "wrong user name or password, or the account may not come from this host",
    1046: "no database chosen",
    1049: "no such database",
    1054: "no such column",
    1064: "SQL not understood",
    1095: "not the owner of the connection to kill",
    1115: "unknown character set",
    1129: "host blocked after connection errors: mysqladmin flush-hosts",
    1130: "this host may not connect to the server",
    1136: "number of columns differs from number of values",
    1142: "account has no right to the table",
    1143: "account has no right to the column",
    1146: "no such table",
    1153: "statement longer than max_allowed_packet",
    1193: "unknown server variable",
    1194: "table crashed: REPAIR TABLE",
    1195: "table crashed, its repair failed: restore it",
    1227: "account lacks a privilege",
    1231: "wrong value for a server variable",
    1251: "server wants an authentication that the client does not know",
    1267: "collations do not mix",
    1286: "unknown storage engine",
    1305: "no such function",
    1364: "a column has no default and gets no value",
    1370: "account has no right to a routine or function",
    1467: "the column id has no numbers left: ALTER TABLE ... MODIFY id bigint unsigned ...",
    1524: "authentication plugin not loaded",
    1698: "wrong user name or password, or the account may not come from this host",
    1820: "password expired",
    1862: "password expired",
    2026: "TLS failed",
    2049: "server wants the old password protocol",
    2054: "server wants an authentication that the client does not know",
    2059: "server wants an authentication that the client does not know",
    3118: "account locked",
    3159: "server allows TLS only",
    4151: "account locked (MariaDB)",
}
# For numbers in none of the tables: the first two characters of the SQLSTATE.
CLASSES: Mapping[str, type[DatabaseError]] = {
    "08": DatabaseUnavailable,  # connection
    "21": DatabaseMisconfigured,  # number of columns
    "22": RowsRejected,  # data
    "23": RowsRejected,  # constraints
    "28": DatabaseMisconfigured,  # account
    "3D": DatabaseMisconfigured,  # no database
    "40": DatabaseUnavailable,  # rolled back
    "42": DatabaseMisconfigured,  # syntax, rights, names
    "45": RowsRejected,  # SIGNAL in a trigger
    "70": DatabaseUnavailable,  # interrupted
    "HYT": DatabaseUnavailable,  # ODBC: time-outs
    "IM": DatabaseMisconfigured,  # ODBC driver manager: no such DSN, no such driver
}
# By primary result code (https://www.sqlite.org/rescode.html), the low byte of sqlite_errorcode.
SQLITE_CODES: Mapping[int, type[DatabaseError]] = {
    sqlite3.SQLITE_ERROR: DatabaseMisconfigured,  # SQL not understood, no such table or column
    sqlite3.SQLITE_PERM: DatabaseMisconfigured,
    sqlite3.SQLITE_READONLY: DatabaseMisconfigured,
    sqlite3.SQLITE_CORRUPT: DatabaseMisconfigured,
    sqlite3.SQLITE_CANTOPEN: DatabaseMisconfigured,
    sqlite3.SQLITE_AUTH: DatabaseMisconfigured,
    sqlite3.SQLITE_NOTADB: DatabaseMisconfigured,
    sqlite3.SQLITE_TOOBIG: RowsRejected,
    sqlite3.SQLITE_CONSTRAINT: RowsRejected,
    sqlite3.SQLITE_MISMATCH: RowsRejected,
    sqlite3.SQLITE_RANGE: RowsRejected,
    # All others: BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, PROTOCOL, SCHEMA, ...
}
_ODBC_NATIVE = re.compile(r" ?\((-?\d+)\) \(SQL\w+\)")


def mysql_error(server: str, code: int | None, message: str, sqlstate: str | None = None) -> DatabaseError:
    """Return the exception for an error of a MySQL server or its client library.

    Args:
        server: Where it happened, for the message; without a password.
        code: The error number, None where the driver gave none.
        message: What the server or the driver said.
        sqlstate: Five characters, None where the driver gave none.
    """
    kind = _kind(code, message, sqlstate)
    hint = MISCONFIGURED.get(code, "") if code is not None and kind is DatabaseMisconfigured else ""
    number = f" (error {code}{': ' + hint if hint else ''})" if code else ""
    return kind(f"{server}: {message}{number}", code)


def odbc_error(server: str, error: Exception) -> DatabaseError:
    """Return the exception for a ``pyodbc.Error``, whose native number stands in its text."""
    sqlstate = str(error.args[0]) if error.args else ""
    message = str(error.args[-1]) if error.args else repr(error)
    native = _ODBC_NATIVE.search(message)
    code = int(native[1]) if native else 0  # 0: the driver manager's own errors
    return mysql_error(server, code or None, _ODBC_NATIVE.sub("", message), sqlstate)


def sqlite_error(server: str, error: sqlite3.Error) -> DatabaseError:
    """Return the exception for an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by the sqlite3 module itself: a closed connection, a value that cannot be bound
        return DatabaseMisconfigured(f"{server}: {error}")
    kind = SQLITE_CODES.get(code & 0xFF, DatabaseUnavailable)
    return kind(f"{server}: {error} ({error.sqlite_errorname})", code)


def _kind(code: int | None, message: str, sqlstate: str | None) -> type[DatabaseError]:
    if code == 1062 and re.search(r"for key '(\w+\.)?PRIMARY'", message):
        # Ids are the server's to give: a duplicate among them means that there are none left, no row is at fault.
        return DatabaseMisconfigured
    if code in UNAVAILABLE:
        return DatabaseUnavailable
    if code in REJECTED:
        return RowsRejected
    if code in MISCONFIGURED:
        return DatabaseMisconfigured
    state = sqlstate or ""
    return CLASSES.get(state[:3], CLASSES.get(state[:2], DatabaseUnavailable))
