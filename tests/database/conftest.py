"""Setups to test on, in each layout that labs have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database.places import LAYOUTS, SERVER_LAYOUTS, Place, place_of, sqlite_place


@pytest.fixture(params=LAYOUTS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The tables of a setup in each layout, on a server or in an SQLite file."""
    if request.param == "SQLite":
        with sqlite_place(tmp_path) as made:
            yield made
    else:
        with place_of(request.param, request.getfixturevalue("lab_database")) as made:
            yield made


@pytest.fixture(params=SERVER_LAYOUTS)
def server_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The tables of a setup in each layout that a server has."""
    with place_of(request.param, request.getfixturevalue("lab_database")) as made:
        yield made


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Place]:
    """The tables of a setup in an SQLite file."""
    with sqlite_place(tmp_path) as made:
        yield made
