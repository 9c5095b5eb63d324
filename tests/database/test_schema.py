"""Names, descriptions of tables, and new tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.database import schema
from PyExpLabSys.database.opening import connect
from PyExpLabSys.errors import DatabaseMisconfigured
from tests.database.places import Place, place_of, target_of
from tests.servers.lab import LabDatabase

TABLES = {"dateplots_descriptions", "dateplots_dummy", "measurements_dummy", "xy_values_dummy", "logger_progress"}


@given(st.from_regex(r"[0-9a-zA-Z_$]{1,64}", fullmatch=True))
def test_valid_names_are_quoted_as_they_are(name: str) -> None:
    assert schema.quote(name) == f"`{name}`"


@given(st.text().filter(lambda text: not all(c.isascii() and (c.isalnum() or c in "_$") for c in text)))
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="only 1 to 64"):
        schema.quote(name)


@pytest.mark.parametrize("name", ["", "a" * 65, "dateplots_x\n", "x`; DROP TABLE y; --"])
def test_these_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="only 1 to 64"):
        schema.valid_identifier(name)


@pytest.mark.parametrize("setup", ["descriptions", "Descriptions"])
def test_a_setup_cannot_take_the_table_of_codenames(setup: str) -> None:
    with pytest.raises(ValueError, match="table of codenames"):
        schema.dateplots_table(setup)


def test_new_tables_are_made_once(lab_database: LabDatabase) -> None:
    with connect(target_of(lab_database)) as connection:
        assert len(schema.create_tables(connection, "dummy")) == len(TABLES)
        assert schema.create_tables(connection, "dummy") == []
    assert {row[0] for row in lab_database.sql("SHOW TABLES")} == TABLES


def test_a_second_setup_shares_the_common_tables(lab_database: LabDatabase) -> None:
    with connect(target_of(lab_database)) as connection:
        schema.create_tables(connection, "dummy")
        assert len(schema.create_tables(connection, "oven")) == 3


def test_new_tables_look_as_promised(lab_database: LabDatabase) -> None:
    with place_of("new", lab_database) as place:
        layouts = {table: schema.describe(place.connection, table) for table in TABLES}
        assert {layout.engine for layout in layouts.values()} == {"InnoDB"}
        assert all(layout.transactional for layout in layouts.values())
        for table in ("dateplots_dummy", "measurements_dummy"):
            assert layouts[table].time_digits == 6
        for table in ("dateplots_dummy", "measurements_dummy", "xy_values_dummy"):
            assert layouts[table].id_type.split("(")[0] == "bigint"
            assert layouts[table].id_type.endswith("unsigned")
            assert layouts[table].auto_increment
        assert layouts["dateplots_dummy"].value_nullable
        assert ("type", "time") in schema.indices(place.connection, "dateplots_dummy").values()
        assert ("measurement",) in schema.indices(place.connection, "xy_values_dummy").values()
        assert ("codename",) in schema.indices(place.connection, "dateplots_descriptions", unique=True).values()
        assert set(layouts["dateplots_descriptions"].columns) == {"id", "codename", "description", "unit"}


@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_old_tables_are_described_and_left_as_they_are(lab_database: LabDatabase, engine: str) -> None:
    lab_database.create_old_layout(engine=engine)
    tables = ("dateplots_dummy", "dateplots_descriptions", "measurements_dummy", "xy_values_dummy")
    before = {table: lab_database.sql(f"SHOW CREATE TABLE {table}") for table in tables}
    with connect(target_of(lab_database)) as connection:
        schema.create_tables(connection, "dummy")
        layout = schema.describe(connection, "dateplots_dummy")
        assert (layout.engine, layout.time_digits, layout.transactional) == (engine, 0, engine == "InnoDB")
        assert layout.columns["type"].startswith("smallint")
        assert not schema.describe(connection, "dateplots_descriptions").auto_increment
        connection.rollback()
    assert {table: lab_database.sql(f"SHOW CREATE TABLE {table}") for table in tables} == before


def test_column_names_are_in_lower_case(lab_database: LabDatabase) -> None:
    lab_database.sql("CREATE TABLE measurements_dummy (Id int, Time timestamp(3), SEM_voltage double)")
    with connect(target_of(lab_database)) as connection:
        layout = schema.describe(connection, "measurements_dummy")
    assert list(layout.columns) == ["id", "time", "sem_voltage"]
    assert layout.time_digits == 3


def test_an_sqlite_file_gets_the_same_tables(sqlite: Place) -> None:
    assert schema.create_tables(sqlite.connection, "dummy") == []
    layouts = {table: schema.describe(sqlite.connection, table) for table in TABLES}
    layout = layouts["dateplots_dummy"]
    assert (layout.engine, layout.time_digits, layout.value_nullable, layout.transactional) == ("sqlite", 6, True, True)
    assert layout.auto_increment
    assert layout.columns == {"id": "INTEGER", "time": "REAL", "type": "INTEGER", "value": "REAL"}
    assert ("type", "time") in schema.indices(sqlite.connection, "dateplots_dummy").values()
    assert ("codename",) in schema.indices(sqlite.connection, "dateplots_descriptions", unique=True).values()


def test_a_missing_table_names_the_command_that_makes_it(place: Place) -> None:
    with pytest.raises(DatabaseMisconfigured, match="pyexplabsys database create --setup oven"):
        schema.describe(place.connection, "dateplots_oven")


def test_a_ledger_that_is_there_needs_no_right_to_create(lab_database: LabDatabase) -> None:
    with connect(target_of(lab_database)) as connection:
        schema.create_ledger(connection)
    account = f"`{lab_database.username}`@`{lab_database.host}`"
    lab_database.sql(f"REVOKE ALL ON `{lab_database.name}`.* FROM {account}")
    lab_database.sql(f"GRANT SELECT, INSERT, UPDATE ON `{lab_database.name}`.* TO {account}")
    with connect(target_of(lab_database)) as connection:
        schema.create_ledger(connection)
        with pytest.raises(DatabaseMisconfigured):
            schema.create_tables(connection, "dummy")
