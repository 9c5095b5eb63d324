"""What every test may ask for: servers, databases, faults; and what holds for every test: settings of its own."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from PyExpLabSys import settings
from tests.servers.lab import LabDatabase, create_lab_database
from tests.servers.mariadb import MariaDB
from tests.servers.odbc import OdbcSources
from tests.servers.relay import Relay

THREADS_END_WITHIN_S = 5.0

# The machines that run the tests are shared and slow at times; in CI a failure must be the same at the next run.
SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("here", deadline=None, suppress_health_check=SLOW)
hypothesis.settings.register_profile("ci", deadline=None, suppress_health_check=SLOW, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")

# What a script starts with "&" ignores Ctrl-C, and so does all that it starts in turn; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


# tryfirst: before pytest leaves out what -m does not want.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that asks for a server, directly or through a fixture; others that start one mark themselves."""
    for item in items:
        if {"mariadb", "start_mariadb"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail a test that leaves a thread behind: it would go on in the middle of the next one."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + THREADS_END_WITHIN_S
    new = [thread for thread in threading.enumerate() if thread not in before]
    for thread in new:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [thread for thread in new if thread.is_alive()]
    assert not left, f"still alive {THREADS_END_WITHIN_S} s after the test: {left}"


@pytest.fixture(autouse=True)
def settings_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give each test an empty home and no settings, whatever the machine and earlier tests have."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for variable, folder in {
        "XDG_CONFIG_HOME": ".config",
        "XDG_STATE_HOME": ".local/state",
        "XDG_DATA_HOME": ".local/share",
        "XDG_CACHE_HOME": ".cache",
    }.items():
        monkeypatch.setenv(variable, str(home / folder))
    for variable in [name for name in os.environ if name.upper().startswith("PYEXPLABSYS_")]:
        monkeypatch.delenv(variable)
    settings.Settings().reset()
    # Set to what it is, so that what a test assigns is taken back.
    monkeypatch.setattr(settings, "USERSETTINGS_PATH", settings.USERSETTINGS_PATH)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A running server that tests share; whoever stops, pauses or kills one takes ``start_mariadb``."""
    with MariaDB() as server:
        yield server


@pytest.fixture
def start_mariadb() -> Iterator[Callable[..., MariaDB]]:
    """Start servers for one test: ``start_mariadb(options=..., environment=...)``."""
    with ExitStack() as stack:
        yield lambda **arguments: stack.enter_context(MariaDB(**arguments))


@pytest.fixture
def lab_database(mariadb: MariaDB) -> Iterator[LabDatabase]:
    """A fresh, empty database on the shared server."""
    database = create_lab_database(mariadb)
    yield database
    database.drop()


@pytest.fixture
def old_layout(lab_database: LabDatabase) -> Callable[..., dict[str, int]]:
    """Create old tables in ``lab_database``: ``old_layout(setup, codenames, engine)`` returns the codenames' ids."""
    return lab_database.create_old_layout


@pytest.fixture
def relay() -> Iterator[Callable[[str, int], Relay]]:
    """Start relays for one test: ``relay(host, port)``."""
    with ExitStack() as stack:
        yield lambda host, port: stack.enter_context(Relay(host, port))


@pytest.fixture
def odbc_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OdbcSources:
    """ODBC data sources of this test: ``odbc_sources.add(host, port, database)`` returns a new DSN."""
    sources = OdbcSources(tmp_path / "odbc")
    for name, value in sources.environment.items():
        monkeypatch.setenv(name, value)
    return sources


@pytest.fixture
def odbc_dsn(odbc_sources: OdbcSources, lab_database: LabDatabase) -> str:
    """The name of an ODBC data source that leads to ``lab_database``, account included as in labs."""
    lab = lab_database
    return odbc_sources.add(lab.host, lab.port, lab.name, lab.username, lab.password)
