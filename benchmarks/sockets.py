"""What answering a request over UDP costs, beside the datagrams themselves."""

import socket
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measuring import Result, alternate, median_ratio, seconds
from PyExpLabSys.common.sockets import DateDataPullSocket

REQUESTS = 10_000
CODENAMES = [f"codename_{number}" for number in range(10)]
REQUEST = b"codename_7#raw"


@contextmanager
def echo() -> Iterator[int]:
    """A thread that sends back what it gets; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def run() -> None:
            while True:
                request, client = server.recvfrom(65536)
                if not request:
                    return
                server.sendto(request, client)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.sendto(b"", server.getsockname())
            thread.join(5.0)


def requests_s(port: int, expected: bytes) -> float:
    """Return how many requests a client gets answered in a second, one after the other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5.0)
        client.connect(("127.0.0.1", port))

        def loop() -> None:
            for _ in range(REQUESTS):
                client.send(REQUEST)
                if client.recv(2048) != expected:
                    raise RuntimeError("the wrong reply came")

        return REQUESTS / seconds(loop)


def pull_requests(pairs: int) -> list[Result]:
    """Requests/s of a pull socket against those of a bare echo, client and servers in one process."""
    server = DateDataPullSocket("benchmark", CODENAMES, port=0, timeouts=3600, interface="127.0.0.1")
    server.start()
    server.set_point("codename_7", (4_000_000_000.25, 1.5))
    try:
        with echo() as echo_port:
            ours_s, echo_s = alternate(
                lambda: requests_s(server.port, b"4000000000.25,1.5"), lambda: requests_s(echo_port, REQUEST), pairs
            )
    finally:
        server.stop()
    ratio = median_ratio(ours_s, echo_s)
    return [
        Result(
            what="requests/s of a pull socket against a bare UDP echo, one process",
            figure=f"{ratio:.2f} ×",
            target="≥ 0.5 ×",
            reached=ratio >= 0.5,
            details={"pull_requests_s": statistics.median(ours_s), "echo_requests_s": statistics.median(echo_s)},
        )
    ]
