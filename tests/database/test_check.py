"""What is missing, old or running out is found, changes nothing, and is mended by the statements given."""

import time
from collections.abc import Callable

import pytest

from PyExpLabSys.database import codenames, schema
from PyExpLabSys.database.check import check
from PyExpLabSys.database.check_ids import largest
from PyExpLabSys.database.check_server import _end_of_timestamp
from PyExpLabSys.database.findings import YEAR_S, Finding
from PyExpLabSys.database.opening import connect
from tests.database.places import TABLE, Place, place_of, target_of
from tests.servers.lab import LabDatabase, create_lab_database
from tests.servers.mariadb import MariaDB

NOW_S = 1_790_000_000.0
IN_2035_S = 2_060_000_000.0


def found(findings: list[Finding], where: str, text: str) -> list[Finding]:
    return [finding for finding in findings if finding.where == where and text in finding.what]


def grant_only(lab: LabDatabase, rights: str) -> None:
    account = f"`{lab.username}`@`{lab.host}`"
    lab.sql(f"REVOKE ALL ON `{lab.name}`.* FROM {account}")
    lab.sql(f"GRANT {rights} ON `{lab.name}`.* TO {account}")


@pytest.mark.parametrize("layout", ["new", "SQLite"])
def test_new_tables_have_nothing_to_mend(layout: str, request: pytest.FixtureRequest) -> None:
    if layout == "SQLite":
        place = request.getfixturevalue("sqlite")
        assert check(place.connection, "dummy") == []
        return
    with place_of(layout, request.getfixturevalue("lab_database")) as place:
        place.store(place.register("dummy_sine_one", "V"), [(NOW_S, 1.0)])
        findings = check(place.connection, "dummy", NOW_S)
        assert [finding for finding in findings if finding.mend is not None] == []
        assert {finding.severity for finding in findings} <= {"note"}


def test_an_empty_database_lacks_everything_and_the_statements_make_it(lab_database: LabDatabase) -> None:
    with connect(target_of(lab_database)) as connection:
        findings = [finding for finding in check(connection, "dummy") if finding.mend is not None]
        assert {finding.where: finding.severity for finding in findings} == {
            "dateplots_descriptions": "severe",
            "dateplots_dummy": "severe",
            "measurements_dummy": "warning",
            "xy_values_dummy": "warning",
            "logger_progress": "note",
        }
        for finding in findings:
            lab_database.sql(str(finding.mend))
        assert schema.create_tables(connection, "dummy") == []


@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_old_tables_are_found_and_mended_by_the_statements(lab_database: LabDatabase, engine: str) -> None:
    with place_of(f"old {engine}", lab_database) as place:
        place.store(place.register("dummy_sine_one"), [(NOW_S - 86_400.0, 1.0), (NOW_S, 2.0)])
        before = lab_database.sql(f"SHOW CREATE TABLE {TABLE}")
        findings = check(place.connection, "dummy", NOW_S)
        assert lab_database.sql(f"SHOW CREATE TABLE {TABLE}") == before
        assert found(findings, TABLE, "whole seconds")
        assert found(findings, TABLE, "no index on (type, time)")
        assert found(findings, TABLE, "ids are int")
        assert found(findings, "dateplots_descriptions", "no unique key")
        assert found(findings, "dateplots_descriptions", "column for the unit")
        assert found(findings, "measurements_dummy", "latin1")
        assert bool(found(findings, TABLE, "no transactions")) == (engine == "MyISAM")
        for finding in findings:
            if finding.mend is not None:
                lab_database.sql(finding.mend)
        again = check(place.connection, "dummy", NOW_S)
        assert [finding for finding in again if finding.mend is not None] == []
        # And the mended tables still do their work.
        number = codenames.add(place.connection, "dummy_sine_two", "V")
        place.store(number, [(NOW_S, 3.0)])
        assert lab_database.sql(f"SELECT type, value FROM {TABLE} ORDER BY id") == [(1, 1.0), (1, 2.0), (number, 3.0)]


def test_the_time_left_for_ids_comes_from_the_rate_of_late(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        # A row a minute for a month, each taking 1,000 ids, up to 100,000,000 below the end. What was years ago
        # was slower, and does not count.
        lab_database.sql(f"INSERT INTO {TABLE} (id, time, type) VALUES (1, FROM_UNIXTIME({NOW_S} - 20 * {YEAR_S}), 1)")
        lab_database.sql(
            f"INSERT INTO {TABLE} (id, time, type) "
            f"SELECT 4194967295 - 1000 * seq, FROM_UNIXTIME({NOW_S} - 60 * seq), 1 FROM seq_0_to_43200"
        )
        (finding,) = found(check(place.connection, "dummy", NOW_S), TABLE, "ids are int")
        assert finding.severity == "severe"
        assert "97.7% are used" in finding.what
        assert f"end in {100_000_000 / 1000 / 1440:.1f} days" in finding.what


def test_ids_that_last_for_long_are_only_noted(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        lab_database.sql(f"INSERT INTO {TABLE} (time, type) SELECT FROM_UNIXTIME({NOW_S} + seq), 1 FROM seq_1_to_5000")
        (finding,) = found(check(place.connection, "dummy", NOW_S), TABLE, "ids are int")
        assert finding.severity == "note"
        assert f"end in {(2**32 - 1 - 5000) / YEAR_S:.1f} years" in finding.what


def test_ids_without_times_are_judged_by_what_is_used(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        severities = []
        for last in (1, 3_000_000_000, 4_000_000_000):
            lab_database.sql(f"INSERT INTO xy_values_dummy (id, measurement, x, y) VALUES ({last}, 1, 0, 0)")
            (finding,) = found(check(place.connection, "dummy"), "xy_values_dummy", "ids are int")
            severities.append(finding.severity)
        assert severities == ["note", "warning", "severe"]


def test_ids_of_codenames_that_run_out_are_severe(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        lab_database.sql("INSERT INTO dateplots_descriptions (id, codename) VALUES (65530, 'last')")
        findings = check(place.connection, "dummy")
        for table in ("dateplots_descriptions", TABLE):
            (finding,) = found(findings, table, "ends at 65535")
            assert finding.severity == "severe"
            lab_database.sql(str(finding.mend))
        assert not [finding for finding in check(place.connection, "dummy") if "ends at 65535" in finding.what]


def test_duplicate_codenames_are_severe_and_no_statement_pretends_to_mend_them(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        lab_database.sql("INSERT INTO dateplots_descriptions (id, codename) VALUES (4, 'twice'), (7, 'twice')")
        findings = check(place.connection, "dummy")
        (finding,) = found(findings, "dateplots_descriptions", "'twice' has 2 rows, with ids 4, 7")
        assert (finding.severity, finding.mend) == ("severe", None)
        (key,) = found(findings, "dateplots_descriptions", "no unique key")
        assert key.mend is None
        assert findings[0].severity == "severe"


def test_a_ledger_that_cannot_be_made_is_a_warning(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database):
        pass
    grant_only(lab_database, "SELECT, INSERT, CREATE")
    with connect(target_of(lab_database)) as connection:
        (finding,) = found(check(connection, "dummy"), "logger_progress", "")
        assert finding.severity == "note"
    grant_only(lab_database, "SELECT, INSERT")
    with connect(target_of(lab_database)) as connection:
        (finding,) = found(check(connection, "dummy"), "logger_progress", "may not create")
        assert finding.severity == "warning"


def test_a_ledger_without_transactions_is_severe(lab_database: LabDatabase) -> None:
    with place_of("new", lab_database) as place:
        lab_database.sql("ALTER TABLE logger_progress ENGINE=MyISAM")
        (finding,) = found(check(place.connection, "dummy"), "logger_progress", "engine with transactions")
        assert finding.severity == "severe"


def test_old_rows_of_the_ledger_are_listed(place: Place) -> None:
    connection = place.connection
    schema.create_ledger(connection)
    changed = "FROM_UNIXTIME(?)" if connection.dialect == "mysql" else "?"
    for name, days in (("o'ld\\", 91), ("young", 89)):
        connection.execute(
            f"INSERT INTO logger_progress (logger, seq, destination, changed) VALUES (?, 1, 'd', {changed})",
            (name, int(NOW_S - days * 86_400)),
        )
    connection.commit()
    (finding,) = found(check(connection, "dummy", NOW_S), "logger_progress", "90 days")
    assert "o'ld\\" in finding.what
    connection.execute(str(finding.mend))
    connection.commit()
    assert connection.query("SELECT logger FROM logger_progress") == [("young",)]


def test_points_in_the_future_are_found(place: Place) -> None:
    place.store(place.register("dummy_sine_one"), [(NOW_S + 3600.0, 1.0)])
    assert not found(check(place.connection, "dummy", NOW_S), TABLE, "future")
    place.store(1, [(NOW_S + 7 * 86_400.0, 1.0)])
    (finding,) = found(check(place.connection, "dummy", NOW_S), TABLE, "2026-09-28 14:13:20")
    assert finding.severity == "warning"


def test_points_with_the_time_zero_are_found(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        place.connection.execute("SET sql_mode = ''")
        place.connection.execute(f"INSERT INTO {TABLE} (type, time, value) VALUES (1, 0, 1)")
        assert found(check(place.connection, "dummy"), TABLE, "time zero")


def test_values_that_take_no_null_are_noted(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        lab_database.sql(f"ALTER TABLE {TABLE} MODIFY value double NOT NULL")
        (finding,) = found(check(place.connection, "dummy"), TABLE, "NaN")
        lab_database.sql(str(finding.mend))
        assert not found(check(place.connection, "dummy"), TABLE, "NaN")


def test_the_servers_zone_and_mode_are_noted(start_mariadb: Callable[..., MariaDB]) -> None:
    server = start_mariadb(options=["--sql-mode="], environment={"TZ": "Europe/Copenhagen"})
    lab = create_lab_database(server)
    with place_of("new", lab) as place:
        findings = check(place.connection, "dummy")
        where = place.connection.server
        assert found(findings, where, "time zone is CE")
        (mode,) = found(findings, where, "not strict")
        server.sql(str(mode.mend))
        assert not found(check(place.connection, "dummy"), where, "not strict")


@pytest.mark.parametrize(
    ("version", "now_s", "severity", "year"),
    [
        ("10.11.6-MariaDB-0+deb12u1", NOW_S, "note", "2038"),
        ("8.0.36", IN_2035_S, "warning", "2038"),
        ("8.0.36", IN_2035_S + 2 * YEAR_S, "severe", "2038"),
        ("11.4.2-MariaDB", NOW_S, "note", "2038"),
        ("11.5.1-MariaDB", IN_2035_S + 2 * YEAR_S, "note", "2106"),
        ("12.0.2-MariaDB-log", IN_2035_S, "note", "2106"),
    ],
)
def test_the_end_of_timestamp_depends_on_the_server(version: str, now_s: float, severity: str, year: str) -> None:
    finding = _end_of_timestamp("mysql://lab", version, now_s)
    assert finding.severity == severity
    assert f"ends in {year}" in finding.what


@pytest.mark.parametrize(
    ("column_type", "number"),
    [
        ("int(10) unsigned", 4_294_967_295),
        ("int unsigned", 4_294_967_295),
        ("int(11)", 2_147_483_647),
        ("smallint(5) unsigned", 65_535),
        ("bigint(20)", 2**63 - 1),
        ("varchar(64)", 0),
        ("", 0),
    ],
)
def test_the_largest_number_of_a_type(column_type: str, number: int) -> None:
    assert largest(column_type) == number


def test_a_check_leaves_no_transaction_open(lab_database: LabDatabase) -> None:
    with place_of("new", lab_database) as place:
        check(place.connection, "dummy", time.time())
        lab_database.sql(f"SET STATEMENT lock_wait_timeout=1 FOR ALTER TABLE {TABLE} ADD COLUMN remark int NULL")
