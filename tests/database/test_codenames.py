"""Codenames: registered once, found exactly, by bound parameters only."""

import threading
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from PyExpLabSys.database import codenames
from PyExpLabSys.database.codenames import Codename
from PyExpLabSys.database.opening import connect
from PyExpLabSys.errors import CodenameError, DatabaseUnavailable
from tests.database.places import Place, place_of
from tests.servers.lab import LabDatabase

NAMES = st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=40)
UNITS = st.text(st.characters(blacklist_categories=["C"], blacklist_characters="()"), max_size=30)
DESCRIPTIONS = st.text(st.characters(blacklist_categories=["C"]), max_size=60)


def test_ids_count_up_and_are_found(place: Place) -> None:
    first = codenames.add(place.connection, "dummy_sine_one", "V", "A sine")
    second = codenames.add(place.connection, "dummy_sine_two")
    assert second == first + 1
    assert codenames.translate(place.connection, "dummy_sine_one") == first
    assert codenames.find(place.connection, "dummy_sine_one") == Codename(
        id=first, codename="dummy_sine_one", unit="V", description="A sine"
    )


def test_a_codename_is_registered_once(place: Place) -> None:
    number = codenames.add(place.connection, "dummy_sine_one")
    with pytest.raises(CodenameError, match=f"with id {number}"):
        codenames.add(place.connection, "dummy_sine_one", "V")
    assert len(codenames.listing(place.connection)) == 1


def test_the_error_for_an_unknown_codename_shows_the_command(server_place: Place) -> None:
    with pytest.raises(CodenameError) as caught:
        codenames.translate(server_place.connection, "dummy")
    assert str(caught.value) == (
        "Measurement code name 'dummy' does not have exactly one entry in dateplots_descriptions. "
        "Add it with: pyexplabsys database codename add dummy --unit UNIT --description DESCRIPTION"
    )


@pytest.mark.parametrize("name", ["x' OR '1'='1' LIMIT 1 -- ", 'x" OR 1=1 -- ', "x\\' OR 1=1 -- ", "%", "_", "?"])
def test_no_text_of_a_codename_becomes_sql(place: Place, name: str) -> None:
    codenames.add(place.connection, "dummy_sine_one")
    with pytest.raises(CodenameError):
        codenames.find(place.connection, name)


def test_an_sqlite_file_registers_what_is_written_but_not_what_is_read(sqlite: Place) -> None:
    with pytest.raises(CodenameError):
        codenames.find(sqlite.connection, "dummy_sine_one")
    number = codenames.translate(sqlite.connection, "dummy_sine_one")
    assert codenames.translate(sqlite.connection, "dummy_sine_one") == number
    assert [entry.codename for entry in codenames.listing(sqlite.connection)] == ["dummy_sine_one"]


def test_two_rows_for_one_codename_are_an_error_and_a_duplicate(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        lab_database.sql(
            "INSERT INTO dateplots_descriptions (id, codename) VALUES (3, 'twice'), (1, 'once'), (2, 'twice')"
        )
        with pytest.raises(CodenameError, match="it has 2, with ids 2, 3"):
            codenames.translate(place.connection, "twice")
        assert codenames.duplicates(place.connection) == {"twice": (2, 3)}
        assert codenames.translate(place.connection, "once") == 1
        assert codenames.add(place.connection, "next") == 4


def test_new_tables_tell_case_and_accents_apart(lab_database: LabDatabase) -> None:
    with place_of("new", lab_database) as place:
        ids = {name: codenames.add(place.connection, name) for name in ("e", "E", "é")}
        assert {name: codenames.translate(place.connection, name) for name in ids} == ids
        assert codenames.duplicates(place.connection) == {}


def test_old_tables_find_a_codename_in_whatever_case(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        number = codenames.add(place.connection, "Dummy")
        assert codenames.translate(place.connection, "dummy") == number
        with pytest.raises(CodenameError):
            codenames.add(place.connection, "DUMMY")


@pytest.mark.parametrize("name", ["", "a" * 256, " a", "a ", "a\n", "a\x00b"])
def test_names_that_nobody_could_type_are_refused(place: Place, name: str) -> None:
    with pytest.raises(ValueError, match="codename"):
        codenames.add(place.connection, name)
    assert codenames.listing(place.connection) == []


def test_without_a_column_the_unit_stands_in_the_description(lab_database: LabDatabase) -> None:
    with place_of("old InnoDB", lab_database) as place:
        codenames.add(place.connection, "both", "mbar", "Pressure (inlet)")
        codenames.add(place.connection, "unit", "V")
        codenames.add(place.connection, "neither")
        assert lab_database.sql("SELECT description FROM dateplots_descriptions ORDER BY id") == [
            ("Pressure (inlet) (unit: mbar)",), ("(unit: V)",), ("",),
        ]  # fmt: skip
        assert [(entry.unit, entry.description) for entry in codenames.listing(place.connection)] == [
            ("mbar", "Pressure (inlet)"), ("", ""), ("V", ""),
        ]  # fmt: skip


def test_many_at_once_get_neither_one_id_nor_one_name_twice(place: Place) -> None:
    tries_each = 4
    results: list[int | None] = []

    def add_all(number: int) -> None:
        with connect(place.target) as connection:
            for name in ("common", *(f"own_{number}_{n}" for n in range(tries_each))):
                try:
                    results.append(codenames.add(connection, name))
                except CodenameError:
                    results.append(None)

    threads = [threading.Thread(target=add_all, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(None) == 2
    assert len(results) == 15
    entries = codenames.listing(place.connection)
    assert len({entry.id for entry in entries}) == len({entry.codename for entry in entries}) == len(entries) == 13


@pytest.mark.parametrize(("code", "tries"), [(1213, 3), (2006, 1)], ids=["deadlock", "lost connection"])
def test_only_a_deadlock_is_tried_again(
    lab_database: LabDatabase, monkeypatch: pytest.MonkeyPatch, code: int, tries: int
) -> None:
    with place_of("old InnoDB", lab_database) as place:
        execute, calls = place.connection.execute, []

        def fail_twice(sql: str, parameters: Sequence[object] = ()) -> int:
            calls.append(sql)
            if len(calls) <= 2:
                raise DatabaseUnavailable("failed", code)
            return execute(sql, parameters)

        monkeypatch.setattr(place.connection, "execute", fail_twice)
        if tries == 1:
            with pytest.raises(DatabaseUnavailable):
                codenames.add(place.connection, "dummy_sine_one")
        else:
            assert codenames.add(place.connection, "dummy_sine_one") == 1
        assert len(calls) == tries


@pytest.mark.parametrize("layout", ["new", "old MyISAM"])
def test_what_is_registered_comes_back(lab_database: LabDatabase, layout: str) -> None:
    with place_of(layout, lab_database) as place:

        @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(NAMES, UNITS, DESCRIPTIONS)
        def round_trip(name: str, unit: str, description: str) -> None:
            place.connection.execute("DELETE FROM dateplots_descriptions")
            place.connection.commit()
            number = codenames.add(place.connection, name, unit, description)
            entry = codenames.find(place.connection, name)
            # Old columns are char, which loses spaces at the end.
            assert (entry.id, entry.codename) == (number, name)
            assert entry.unit.strip() == unit.strip()
            assert entry.description.strip() == description.strip()

        round_trip()
