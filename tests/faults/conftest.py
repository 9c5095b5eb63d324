"""A server for faults, a site in each layout, and the controls: each test names a weakening that it detects."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from PyExpLabSys.settings import Settings
from tests.faults import weakened
from tests.faults.site import LAYOUTS, SOMEBODY, Site, site_of
from tests.faults.waiting import WEAKENED
from tests.servers.lab import create_lab_database
from tests.servers.mariadb import MariaDB, ServerFailure

HERE = Path(__file__).parent
STATEMENT_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 1.0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "detects(name, ...): fails when PyExpLabSys is weakened so (tests.faults.weakened)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """See that each test with a server names its control; in a weakened run keep only the tests that detect it."""
    ours = [item for item in items if HERE in item.path.parents]
    names = {item: {name for mark in item.iter_markers("detects") for name in mark.args} for item in ours}
    for item in ours:
        if item.get_closest_marker("server") and not names[item]:
            raise pytest.UsageError(f"{item.nodeid} has no control: add @pytest.mark.detects(...)")
        if unknown := names[item] - weakened.WEAKENINGS.keys():
            raise pytest.UsageError(f"{item.nodeid} names unknown weakenings: {unknown}")
    if WEAKENED is not None:
        if WEAKENED not in weakened.WEAKENINGS:
            raise pytest.UsageError(f"there is no weakening {WEAKENED!r}, only {', '.join(weakened.WEAKENINGS)}")
        selected = [item for item in ours if weakened.selects(WEAKENED, names[item], _layout_of(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in selected])
        items[:] = selected


def _layout_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("site")


@pytest.fixture(autouse=True)
def weakened_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weaken PyExpLabSys as this run asks for; ordinary runs do not."""
    if WEAKENED is not None:
        weakened.WEAKENINGS[WEAKENED].apply(monkeypatch)


@pytest.fixture(scope="session")
def fault_server() -> Iterator[MariaDB]:
    """The server that suffers, in a zone with summer time as in labs; each test leaves it running."""
    with MariaDB(environment={"TZ": "Europe/Copenhagen"}) as server:
        account = f"`{SOMEBODY}`@`{server.host}`"
        server.sql(f"CREATE USER {account} IDENTIFIED BY '{SOMEBODY}'")
        server.sql(f"GRANT ALL ON *.* TO {account}")
        yield server


@pytest.fixture
def short_timeouts() -> None:
    """Give up early, so that the suite is fast."""
    settings = Settings()
    settings.sql_statement_timeout = STATEMENT_TIMEOUT_S
    settings.sql_connect_timeout = CONNECT_TIMEOUT_S


@pytest.fixture(params=LAYOUTS)
def site(request: pytest.FixtureRequest, fault_server: MariaDB, short_timeouts: None) -> Iterator[Site]:
    """A site in each layout; a test that names layouts gets those."""
    lab = create_lab_database(fault_server)
    with site_of(fault_server, lab, request.param) as made:
        yield made
    _let_run(fault_server)
    lab.drop()


def _let_run(server: MariaDB) -> None:
    """Start a server that a test, having failed, left dead: the next test needs it."""
    try:
        server.resume()
    except ServerFailure:
        server.start()


@pytest.fixture
def open_relay(relay: Callable, site: Site) -> Callable:
    """Start relays to the server of the site."""
    return lambda: relay(site.lab.host, site.lab.port)
