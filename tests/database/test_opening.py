"""Of several hosts the first that answers is taken."""

import socket
from dataclasses import replace

import pytest

from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import DatabaseMisconfigured, DatabaseUnavailable
from tests.servers.lab import LabDatabase


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_without_any_host_the_setting_is_named() -> None:
    with pytest.raises(DatabaseMisconfigured, match="sql_server_host"):
        connect(DatabaseTarget())


@pytest.mark.server
class TestWithServer:
    @pytest.fixture
    def target(self, lab_database: LabDatabase, closed_port: int) -> DatabaseTarget:
        hosts = (("127.0.0.1", closed_port), (lab_database.host, lab_database.port))
        return DatabaseTarget(hosts=hosts, database=lab_database.name, username="dummy", password="dummy")

    def test_the_next_host_is_tried(self, target: DatabaseTarget) -> None:
        with connect(target) as connection:
            assert connection.server == f"mysql://127.0.0.1:{target.hosts[1][1]}/{target.database}"

    def test_a_host_that_may_come_back_is_worth_waiting_for(self, target: DatabaseTarget) -> None:
        with pytest.raises(DatabaseUnavailable) as caught:
            connect(replace(target, password="wrong"))
        assert "Can't connect" in str(caught.value)
        assert "Access denied" in str(caught.value)

    def test_a_wrong_password_everywhere_is_for_a_person(self, target: DatabaseTarget) -> None:
        with pytest.raises(DatabaseMisconfigured) as caught:
            connect(replace(target, hosts=target.hosts[1:] * 2, password="wrong"))
        assert caught.value.code == 1045
