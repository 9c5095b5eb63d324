"""Device nodes of the kernel's usbtmc driver: a terminal in its place, and only its ioctl replaced."""

import errno
import fcntl
import os
import pty
import struct
import termios
import tty
from collections.abc import Iterator

import pytest

from PyExpLabSys.drivers.scpi import SCPI
from PyExpLabSys.errors import TransportError, TransportTimeoutError
from PyExpLabSys.transport.usbtmc_channel import UsbtmcChannel, open_usbtmc

TIMEOUTS_MS: list[int] = []


def kernel_ioctl(file: int, request: int, argument: bytes) -> int:
    """Take the one request that the channel makes, as the kernel documents it, and make a terminal obey it."""
    assert request == 1 << 30 | 4 << 16 | 91 << 8 | 10  # _IOW(91, 10, __u32)
    (milliseconds,) = struct.unpack("=I", argument)
    if milliseconds < 100:
        raise OSError(errno.EINVAL, "too short")
    TIMEOUTS_MS.append(milliseconds)
    attributes = termios.tcgetattr(file)
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 0, milliseconds // 100
    termios.tcsetattr(file, termios.TCSANOW, attributes)
    return 0


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, str]]:
    """The instrument's end, and the path of the node."""
    TIMEOUTS_MS.clear()
    monkeypatch.setattr(fcntl, "ioctl", kernel_ioctl)
    instrument, file = pty.openpty()
    tty.setraw(file)
    yield instrument, os.ttyname(file)
    os.close(instrument)
    os.close(file)


def test_message_goes_out_whole_and_the_reply_comes_back(node: tuple[int, str]) -> None:
    instrument, path = node
    channel = UsbtmcChannel(path)
    channel.write(b"*IDN?", 2.0)
    assert os.read(instrument, 100) == b"*IDN?"
    os.write(instrument, b"Agilent\n")
    assert channel.read(3, 2.0) == b"Agi"
    assert channel.read(100, 2.0) == b"lent\n"
    assert set(TIMEOUTS_MS) == {2000}
    channel.close()
    channel.close()
    with pytest.raises(TransportError, match="closed"):
        channel.read(1, 1.0)


def test_nothing_is_read_without_a_question(node: tuple[int, str]) -> None:
    instrument, path = node
    channel = UsbtmcChannel(path)
    os.write(instrument, b"x")
    assert channel.read(100, 0.0) == b""
    channel.close()


def test_silence_is_a_time_out(node: tuple[int, str]) -> None:
    with SCPI("file", node[1]) as device, pytest.raises(TransportTimeoutError):
        device.scpi_comm("*IDN?", timeout_s=0.01)
    assert min(TIMEOUTS_MS) == 100  # the driver takes none that is shorter


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ETIMEDOUT, None), (errno.ENODEV, TransportError), (errno.EIO, TransportError)]
)
def test_errors_of_the_kernel(
    node: tuple[int, str], monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception] | None
) -> None:
    channel = UsbtmcChannel(node[1])

    def fail(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", fail)
        patch.setattr(os, "write", fail)
        if error is None:
            assert channel.read(1, 1.0) == b""
            with pytest.raises(TransportTimeoutError, match="took no bytes"):
                channel.write(b"x", 1.0)
        else:
            with pytest.raises(error, match="cannot be read"):
                channel.read(1, 1.0)
            with pytest.raises(error, match="cannot be written"):
                channel.write(b"x", 1.0)
        patch.setattr(os, "write", lambda *_: 1)
        with pytest.raises(TransportError, match="only 1 of 2"):
            channel.write(b"xy", 1.0)
    channel.close()


def test_absent_node() -> None:
    with pytest.raises(TransportError, match="/dev/usbtmc99 cannot be opened"):
        open_usbtmc("/dev/usbtmc99")
    with pytest.raises(TransportError, match="/dev/usbtmc99 cannot be opened"):
        SCPI("file", "/dev/usbtmc99")


def test_driver_appends_nothing_to_a_message_of_the_node(node: tuple[int, str]) -> None:
    instrument, path = node
    with SCPI("file", path) as device:
        device.scpi_comm("*CLS")
    assert os.read(instrument, 100) == b"*CLS"
