"""One question and its answer over UDP."""

import socket

#: How long an answer may take where nobody says otherwise, in s.
DEFAULT_TIMEOUT_S = 5.0


def exchange(host: str, port: int, request: bytes, timeout: float) -> bytes:
    """Send a datagram and return the answer, whole.

    Each exchange has a port of its own: a late answer to an earlier question arrives nowhere. The answer may come from
    another address than the question went to, as computers with two network cards do.

    Raises:
        TimeoutError: No answer came within ``timeout`` seconds.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout)
        channel.sendto(request, (host, port))
        try:
            return channel.recvfrom(65536)[0]
        except TimeoutError:
            raise TimeoutError(f"{host}:{port} did not answer {request[:80]!r} within {timeout} s") from None
