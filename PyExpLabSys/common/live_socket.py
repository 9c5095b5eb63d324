"""Sends each point to the live proxy, from which the web pages get it."""

import json
import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from PyExpLabSys.common.pull_sockets import DataPullSocket
from PyExpLabSys.common.repeats import Repeats
from PyExpLabSys.common.socket_ports import DATA
from PyExpLabSys.common.socket_server import PortStillReserved
from PyExpLabSys.common.socket_wire import LARGEST_DATAGRAM, plain
from PyExpLabSys.settings import Settings

LOGGER = logging.getLogger(__name__)

#: The port of the first pull socket of this kind on a computer.
INTERNAL_PORT = 8000
#: Who has the port already gets one of the next ones, up to so many.
PORTS = 10
#: How long to wait before the name of the live proxy is looked up again, in s, and how long at most.
RESOLVE_AGAIN_S, RESOLVE_AGAIN_MOST_S = 1.0, 60.0
#: What clears a live graph.
RESET = "RESET"


class LiveSocket:
    """Sends points to the live proxy, and answers with the last ones on a pull socket of its own.

    A proxy that is not configured, has no address yet, or is down, is said once in the log and costs nothing else: what
    is not sent is not kept.

    Args:
        name: The name of the inner pull socket.
        codenames: What is sent.
        live_server: Name and port of the proxy; None: the settings ``common_liveserver_host`` and
            ``common_liveserver_port``.
        no_internal_data_pull_socket: Whether there is no pull socket.
        internal_data_pull_socket_port: Its port. If 8000 is taken, it is the next free one up to 8009; another port is
            meant as it is.
        interface: The address on which the pull socket listens; empty: all of this computer's.
        resolve: What looks up the name of the proxy.

    Attributes:
        hostname: The name of this computer, as it stands in what is sent.
        pull_socket: The pull socket, or None.

    Raises:
        ValueError: A codename is there twice or has a character that is not allowed, or this process serves the port.
        PortStillReserved: Another program has the port.
    """

    def __init__(
        self,
        name: str,
        codenames: Sequence[str],
        live_server: tuple[str, int] | None = None,
        no_internal_data_pull_socket: bool = False,
        internal_data_pull_socket_port: int = INTERNAL_PORT,
        *,
        interface: str = "",
        resolve: Callable[[str], str] = socket.gethostbyname,
    ) -> None:
        self.hostname = socket.gethostname()
        self._codenames = frozenset(codenames)
        self._server = _configured() if live_server is None else (live_server[0], int(live_server[1]))
        self._resolve = resolve
        self._repeats = Repeats()
        self._stopping = threading.Event()
        self._resolver: threading.Thread | None = None
        self.pull_socket: DataPullSocket | None = None
        if not no_internal_data_pull_socket:
            self.pull_socket = _pull_socket(name, codenames, internal_data_pull_socket_port, interface)
        self._channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # A measurement never waits for the network card.
        self._channel.setblocking(False)
        self._address = self._look_up()

    def start(self) -> None:
        """Start the pull socket, and go on looking for the proxy if its name has no address yet."""
        if self.pull_socket is not None:
            self.pull_socket.start()
        if self._server is not None and self._address is None:
            self._resolver = threading.Thread(target=self._look_up_again, name="live-proxy-address", daemon=True)
            self._resolver.start()

    def stop(self) -> None:
        """Stop the pull socket; nothing is sent any longer."""
        self._stopping.set()
        if self.pull_socket is not None:
            self.pull_socket.stop()
        if self._resolver is not None:
            # A look-up cannot be interrupted; its thread ends by itself.
            self._resolver.join(0.5)
        self._channel.close()

    def set_point(self, codename: str, point: Sequence[Any]) -> None:
        """Send one point, (x, y)."""
        self.set_batch({codename: point})

    def set_point_now(self, codename: str, value: Any) -> None:
        """Send one value, with the unix time of now."""
        self.set_batch_now({codename: value})

    def set_batch_now(self, data: Mapping[str, Any]) -> None:
        """Send values by codename, all with the unix time of now."""
        now_s = time.time()
        self.set_batch({codename: (now_s, value) for codename, value in data.items()})

    def set_batch(self, data: Mapping[str, Sequence[Any]]) -> None:
        """Send points by codename, in one datagram if they fit.

        Raises:
            RuntimeError: A codename was not declared; then nothing is sent and nothing set.
        """
        self._check(data)
        points = {codename: (x, y) for codename, (x, y) in data.items()}
        if self.pull_socket is not None:
            for codename, point in points.items():
                self.pull_socket.set_point(codename, point)
        self._send({codename: [_browser(x), _browser(y)] for codename, (x, y) in points.items()})

    def reset(self, codenames: Iterable[str]) -> None:
        """Clear the live graphs of these codenames; the pull socket keeps its points.

        Raises:
            RuntimeError: A codename was not declared; then nothing is sent.
        """
        codenames = list(codenames)
        self._check(codenames)
        self._send(dict.fromkeys(codenames, RESET))

    def _check(self, codenames: Iterable[str]) -> None:
        for codename in codenames:
            if codename not in self._codenames:
                raise RuntimeError(f"The codename: '{codename}' is not registered")

    def _send(self, data: dict[str, Any]) -> None:
        if self._address is None or not data or self._stopping.is_set():
            return
        datagram = json.dumps({"host": self.hostname, "data": data}, default=plain).encode("utf-8")
        if len(datagram) > LARGEST_DATAGRAM and len(data) > 1:
            items = list(data.items())
            self._send(dict(items[: len(items) // 2]))
            self._send(dict(items[len(items) // 2 :]))
            return
        try:
            self._channel.sendto(datagram, self._address)
        except OSError as error:
            if times := self._repeats.count("send"):
                LOGGER.warning("nothing reaches the live proxy %s:%d (%d times): %s", *self._address, times, error)

    def _look_up(self) -> tuple[str, int] | None:
        if self._server is None:
            LOGGER.warning(
                "no live values are sent: there is no live_server, and the settings common_liveserver_host and "
                "common_liveserver_port have no value"
            )
            return None
        host, port = self._server
        try:
            return self._resolve(host), port
        except OSError as error:
            if times := self._repeats.count("resolve"):
                LOGGER.warning("no live values are sent until %s has an address (%d times): %s", host, times, error)
            return None

    def _look_up_again(self) -> None:
        wait_s = RESOLVE_AGAIN_S
        while not self._stopping.wait(wait_s):
            self._address = self._look_up()
            if self._address is not None:
                LOGGER.info("live values go to %s:%d", *self._address)
                return
            wait_s = min(2 * wait_s, RESOLVE_AGAIN_MOST_S)


def _configured() -> tuple[str, int] | None:
    settings = Settings()
    host, port = settings.get("common_liveserver_host"), settings.get("common_liveserver_port")
    return None if host is None or port is None else (host, port)


def _pull_socket(name: str, codenames: Sequence[str], port: int, interface: str) -> DataPullSocket:
    if port != INTERNAL_PORT:
        return DataPullSocket(name, codenames, port=port, interface=interface)
    for candidate in range(INTERNAL_PORT, INTERNAL_PORT + PORTS - 1):
        try:
            found = DataPullSocket(name, codenames, port=candidate, interface=interface)
        except PortStillReserved:
            continue
        except ValueError:
            if candidate not in DATA:
                raise
            continue
        if candidate != INTERNAL_PORT:
            LOGGER.info("port %d is taken, the last live values of %s are on port %d", INTERNAL_PORT, name, candidate)
        return found
    return DataPullSocket(name, codenames, port=INTERNAL_PORT + PORTS - 1, interface=interface)


def _browser(value: object) -> object:
    """Return a value as browsers can read it: JSON has no NaN and no infinity."""
    value = plain(value) if hasattr(value, "tolist") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_browser(item) for item in value] if isinstance(value, list | tuple) else value
