"""What systemd gets to hear."""

import logging
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from PyExpLabSys.setups.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def notify_socket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Return the address as systemd gives it, and the socket that listens there."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@pyexplabsys-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(5.0)
        yield name, listener


def test_messages_arrive_one_datagram_each(notify_socket: tuple[str, socket.socket]) -> None:
    name, listener = notify_socket
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready()
    notifier.alive()
    notifier.status("one line\n only")
    notifier.stopping()
    assert [listener.recv(1000) for _ in range(4)] == [
        b"READY=1",
        b"WATCHDOG=1",
        b"STATUS=one line only",
        b"STOPPING=1",
    ]


def test_without_systemd_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    Notifier({}).ready()
    assert caplog.records == []


def test_a_socket_that_is_gone_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.ready()
    notifier.alive()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
