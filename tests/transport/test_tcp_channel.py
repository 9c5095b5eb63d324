"""TCP: real connections to a simulated instrument."""

import socket
import threading

import pytest

from PyExpLabSys.errors import TransportError, TransportTimeoutError
from PyExpLabSys.simulators.serving.base import MessageSimulator
from PyExpLabSys.simulators.serving.tcp import TcpServer
from PyExpLabSys.transport.framing import until
from PyExpLabSys.transport.tcp_channel import TcpChannel, open_tcp

CR = until(b"\r")


def parrot() -> MessageSimulator:
    return MessageSimulator(lambda request, _: request, CR)


def test_exchange_and_time_out() -> None:
    with TcpServer(parrot()) as server:
        transport = open_tcp(server.host, server.port)
        assert transport.exchange(b"a\r", CR) == b"a\r"
        with pytest.raises(TransportTimeoutError):
            transport.exchange(b"", CR, timeout_s=0.05)
        assert transport.exchange(b"b\r", CR) == b"b\r"
        transport.close()


def test_large_reply() -> None:
    with TcpServer(MessageSimulator(lambda request, _: b"x" * 20000 + request, CR)) as server:
        transport = open_tcp(server.host, server.port)
        assert len(transport.exchange(b"\r", CR)) == 20001
        transport.close()


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransportError, match=f"127.0.0.1:{port} cannot be reached"):
        open_tcp("127.0.0.1", port)


def test_name_that_does_not_resolve() -> None:
    with pytest.raises(TransportError, match=r"no-such-instrument\.invalid:4001 cannot be reached"):
        open_tcp("no-such-instrument.invalid", 4001)


def test_cut_and_connected_again() -> None:
    with TcpServer(parrot()) as server:
        transport = open_tcp(server.host, server.port)
        transport.exchange(b"a\r", CR)
        server.unplug()
        with pytest.raises(TransportError, match=r"closed the connection|cannot be (read|written)"):
            transport.exchange(b"a\r", CR)
        transport.close()
        with pytest.raises(TransportError, match="cannot be reached"):
            open_tcp(server.host, server.port)
        server.plug()
        transport = open_tcp(server.host, server.port)
        assert transport.exchange(b"a\r", CR) == b"a\r"
        transport.close()


def test_other_end_that_takes_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        channel = TcpChannel(*listener.getsockname())
        with pytest.raises(TransportTimeoutError, match="took no bytes"):
            channel.write(b"x" * 50_000_000, 0.1)
        channel.close()


def test_reset_is_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        channel = TcpChannel(*listener.getsockname(), name="the oven")
        connection, _ = listener.accept()
        # Closed with unread bytes and without lingering: the kernel sends a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        with pytest.raises(TransportError, match="the oven cannot be read"):
            channel.read(10, 5.0)
        with pytest.raises(TransportError, match="the oven cannot be written to"):
            channel.write(b"x", 5.0)
        channel.close()
        channel.close()


def test_close_ends_a_read_of_another_thread() -> None:
    errors: list[Exception] = []

    def read(channel: TcpChannel) -> None:
        try:
            while not channel.read(1, 30.0):
                pass
        except TransportError as error:
            errors.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        channel = TcpChannel(*listener.getsockname())
        thread = threading.Thread(target=read, args=(channel,))
        thread.start()
        channel.close()
        thread.join(10.0)
    assert len(errors) == 1
