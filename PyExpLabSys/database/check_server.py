"""What there is to say about a MySQL or MariaDB server and the account used there."""

import re
from collections.abc import Iterator

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.findings import DAY_S, Finding, severity_of

# The last second of a TIMESTAMP: of 31 bits, and of 32 since MariaDB 11.5.
END_OF_31_BITS_S, END_OF_32_BITS_S = 2.0**31 - 1, 2.0**32 - 1
MARIADB_WITH_32_BITS = (11, 5)


def check_server(connection: Connection, now_s: float) -> Iterator[Finding]:
    """Yield what is weak on the server; ``now_s`` is the unix time in s."""
    ((version, zone, system_zone, mode),) = connection.query(
        "SELECT VERSION(), @@GLOBAL.time_zone, @@system_time_zone, @@GLOBAL.sql_mode"
    )
    yield _end_of_timestamp(connection.server, str(version), now_s)
    zone = system_zone if zone == "SYSTEM" else zone
    if zone not in ("UTC", "GMT", "Etc/UTC", "+00:00"):
        yield Finding(
            severity="note",
            where=connection.server,
            what=f"the server's time zone is {zone}. PyExpLabSys uses UTC in its own sessions; another program that "
            "writes local times is an hour wrong in the hour when summer time ends",
        )
    if not re.search(r"STRICT_(TRANS|ALL)_TABLES", str(mode)):
        yield Finding(
            severity="note",
            where=connection.server,
            what="sql_mode is not strict. PyExpLabSys' own sessions are; out of range values of other programs are "
            "stored as the nearest possible one",
            mend="SET GLOBAL sql_mode = CONCAT_WS(',', NULLIF(@@GLOBAL.sql_mode, ''), 'STRICT_TRANS_TABLES')",
        )


def may_create_tables(connection: Connection) -> bool:
    """Return whether this account has been granted the right to create tables in this database."""
    # SHOW GRANTS also lists what comes from roles that are active, which information_schema does not.
    ((database,),) = connection.query("SELECT DATABASE()")
    return any(_grants_creation(str(row[0]), str(database)) for row in connection.query("SHOW GRANTS"))


def _grants_creation(grant: str, database: str) -> bool:
    match = re.match(r"GRANT (?P<rights>.+?) ON (?P<scope>\S+) TO ", grant)
    if match is None:
        return False
    rights = {right.strip() for right in match["rights"].split(",")}
    if not rights & {"ALL PRIVILEGES", "CREATE"}:
        return False
    pattern, _, tables = match["scope"].rpartition(".")
    return tables == "*" and (pattern == "*" or re.fullmatch(_like(pattern.strip('`"')), database) is not None)


def _like(pattern: str) -> str:
    r"""Return a database pattern of a grant (``lab\_%``) as a regular expression."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return "".join(wild.get(part) or re.escape(part[-1]) for part in parts)


def _end_of_timestamp(server: str, version: str, now_s: float) -> Finding:
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    wide = "mariadb" in version.lower() and numbers >= MARIADB_WITH_32_BITS
    end_s, year = (END_OF_32_BITS_S, 2106) if wide else (END_OF_31_BITS_S, 2038)
    return Finding(
        severity=severity_of(end_s - now_s),
        where=server,
        what=f"a TIMESTAMP of this server (version {version}) ends in {year}, in {(end_s - now_s) / DAY_S:.0f} days"
        + ("" if wide else "; one of MariaDB 11.5 or later, on a 64 bit system, in 2106"),
    )
