"""Loggers to a lab's database, for the tests of ContinuousLogger."""

from collections.abc import Iterator
from typing import Any

import pytest

from PyExpLabSys.common.loggers import ContinuousLogger
from tests.common.held_sink import ENOUGH_S, NewLogger
from tests.common.lab_tables import CODENAME, TABLE, make_tables
from tests.servers.lab import LabDatabase


@pytest.fixture
def new_logger(lab_database: LabDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewLogger]:
    """Make loggers to ``lab_database``, which are stopped after the test."""
    made: list[ContinuousLogger] = []

    def new(**arguments: Any) -> ContinuousLogger:
        account = {"username": lab_database.username, "password": lab_database.password}
        where = {"host": f"{lab_database.host}:{lab_database.port}", "database": lab_database.name}
        defaults: dict[str, Any] = {
            "table": TABLE,
            **account,
            "measurement_codenames": [CODENAME],
            "dequeue_timeout": 0.5,
            **where,
        }
        logger = ContinuousLogger(**(defaults | {"startup_timeout": 5.0, "store_within": 0.02} | arguments))
        made.append(logger)
        return logger

    yield new
    for logger in made:
        logger.stop(timeout=0.0)
        if logger.ident is not None:
            logger.join(ENOUGH_S)


@pytest.fixture
def tables(lab_database: LabDatabase) -> dict[str, int]:
    """New tables with the one codename."""
    return make_tables(lab_database, "new")
