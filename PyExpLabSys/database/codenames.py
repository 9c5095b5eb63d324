"""Codenames: the only names that scripts know, and the ids that stand for them in a table's ``type`` column."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.schema import DESCRIPTIONS, describe, indices
from PyExpLabSys.errors import CodenameError, DatabaseUnavailable, RowsRejected

CODENAME_MAX_LENGTH = 255
DEADLOCK, DEADLOCKS_MAX = 1213, 20
# Where a lab's descriptions have no column for the unit, it stands at the end of the description in this form.
_UNIT_IN_DESCRIPTION = re.compile(r"(?P<description>.*?) ?\(unit: (?P<unit>[^()]*)\)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Codename:
    """One row of ``dateplots_descriptions``."""

    id: int
    codename: str
    unit: str
    description: str


def translate(connection: Connection, codename: str) -> int:
    """Return the id of a codename, for writing.

    What equals what is the column's business: in old tables upper and lower case are the same.
    Like every query this leaves a transaction open, which the caller ends. An SQLite file registers a
    codename that it does not know by itself, and commits that.

    Raises:
        CodenameError: There is not exactly one row for it.
    """
    if connection.dialect == "sqlite" and not _ids(connection, codename):
        _check_codename(codename)
        # Another process may do the same at the same moment; the unique key lets one of them in.
        connection.execute(f"INSERT OR IGNORE INTO {DESCRIPTIONS} (codename, description) VALUES (?, '')", (codename,))
        connection.commit()
    return _single(codename, _ids(connection, codename))


def find(connection: Connection, codename: str) -> Codename:
    """Return the row of a codename, for reading: nothing is ever registered.

    Raises:
        CodenameError: There is not exactly one row for it.
    """
    id_ = _single(codename, _ids(connection, codename))
    return next(entry for entry in listing(connection) if entry.id == id_)


def add(connection: Connection, codename: str, unit: str = "", description: str = "") -> int:
    """Register a codename and return its id; committed at once, so nothing else should be pending on the connection.

    Old descriptions, where ids were given by hand, get the next one; where they have no column for
    the unit, it is added to the description as ``(unit: mbar)``.

    Raises:
        ValueError: The codename is empty, too long, or holds spaces at its ends or control characters.
        CodenameError: It is registered already.
    """
    _check_codename(codename)
    layout = describe(connection, DESCRIPTIONS)
    values: dict[str, str] = {"codename": codename, "description": description}
    if "unit" in layout.columns:
        values["unit"] = unit
    elif unit:
        values["description"] = f"{description} (unit: {unit})".lstrip()
    unique = ("codename",) in indices(connection, DESCRIPTIONS, unique=True).values()
    insert = _insert if unique and layout.auto_increment else _insert_next_id
    added = insert(connection, values)
    connection.commit()
    ids = _ids(connection, codename)
    connection.rollback()
    if not added:
        raise CodenameError(f"codename '{codename}' is in {DESCRIPTIONS} already, with id {', '.join(map(str, ids))}")
    return max(ids)


def listing(connection: Connection) -> list[Codename]:
    """Return all codenames, ordered by name and id."""
    has_unit = "unit" in describe(connection, DESCRIPTIONS).columns
    unit = "unit" if has_unit else "''"
    rows = connection.query(f"SELECT id, codename, {unit}, description FROM {DESCRIPTIONS} ORDER BY codename, id")
    return [_entry(*row) if has_unit else _entry_with_unit_inside(*row) for row in rows]


def duplicates(connection: Connection) -> dict[str, tuple[int, ...]]:
    """Return the ids of each codename that has more than one row; no script can use such a codename."""
    rows = connection.query(
        f"SELECT MIN(codename), GROUP_CONCAT(id) FROM {DESCRIPTIONS} GROUP BY codename HAVING COUNT(*) > 1"
    )
    return {name: tuple(sorted(int(number) for number in str(ids).split(","))) for name, ids in rows}


def _ids(connection: Connection, codename: str) -> list[int]:
    return [int(row[0]) for row in connection.query(f"SELECT id FROM {DESCRIPTIONS} WHERE codename = ?", (codename,))]


def _insert(connection: Connection, values: Mapping[str, str]) -> bool:
    """Insert a row into a table that gives ids and keeps codenames unique; False if the codename is there."""
    sql = f"INSERT INTO {DESCRIPTIONS} ({', '.join(values)}) VALUES ({', '.join('?' for _ in values)})"
    try:
        connection.execute(sql, tuple(values.values()))
    except RowsRejected:
        connection.rollback()
        if _ids(connection, values["codename"]):
            return False
        raise
    return True


def _insert_next_id(connection: Connection, values: Mapping[str, str]) -> bool:
    """Insert a row with the next id into a table that does neither; False if the codename is there.

    One statement asks and inserts: the rows that it looked at (in MyISAM the table) stay locked until it is done, so
    two people at once get neither one id nor one codename twice.
    """
    sql = (
        f"INSERT INTO {DESCRIPTIONS} (id, {', '.join(values)}) "
        f"SELECT COALESCE(MAX(id), 0) + 1, {', '.join('?' for _ in values)} "
        f"FROM {DESCRIPTIONS} HAVING COALESCE(SUM(codename = ?), 0) = 0"
    )
    parameters = (*values.values(), values["codename"])
    for _ in range(DEADLOCKS_MAX):
        try:
            return connection.execute(sql, parameters) == 1
        except DatabaseUnavailable as error:
            if error.code != DEADLOCK:
                raise
            connection.rollback()  # two of these met, and the server has undone this one
    return connection.execute(sql, parameters) == 1


def _single(codename: str, ids: list[int]) -> int:
    if len(ids) == 1:
        return ids[0]
    raise CodenameError(
        f"Measurement code name '{codename}' does not have exactly one entry in {DESCRIPTIONS}{_advice(codename, ids)}"
    )


def _advice(codename: str, ids: list[int]) -> str:
    if ids:
        return f": it has {len(ids)}, with ids {', '.join(map(str, sorted(ids)))}. Rename or remove all but one"
    command = f"pyexplabsys database codename add {shlex.quote(codename)} --unit UNIT --description DESCRIPTION"
    return f". Add it with: {command}"


def _check_codename(codename: str) -> None:
    if not 0 < len(codename) <= CODENAME_MAX_LENGTH:
        raise ValueError(f"a codename has 1 to {CODENAME_MAX_LENGTH} characters, this one has {len(codename)}")
    if codename != codename.strip() or not codename.isprintable():
        raise ValueError(f"codename {codename!r} begins or ends with a space, or holds characters that do not print")


def _entry(id_: int, codename: str, unit: str | None, description: str | None) -> Codename:
    return Codename(id=int(id_), codename=codename, unit=unit or "", description=description or "")


def _entry_with_unit_inside(id_: int, codename: str, _unit: str, description: str | None) -> Codename:
    match = _UNIT_IN_DESCRIPTION.fullmatch(description or "")
    return (
        _entry(id_, codename, match["unit"], match["description"]) if match else _entry(id_, codename, "", description)
    )
