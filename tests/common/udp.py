"""A client of the UDP sockets that is made of nothing but the standard library's ``socket``, as those in the field."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

TIMEOUT_S = 5.0
Served = TypeVar("Served", bound=Any)


def ask(port: int, request: bytes, size: int = 65535) -> bytes:
    """Send a request to a port of this computer and return what is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(TIMEOUT_S)
        client.sendto(request, ("127.0.0.1", port))
        return client.recv(size)


@contextmanager
def serving(server: Served) -> Iterator[Served]:
    """Start a socket, and stop it afterwards."""
    server.start()
    try:
        yield server
    finally:
        server.stop()
