"""Tells systemd how a service does: ready, alive, stopping (the protocol of ``sd_notify``, one datagram a message)."""

import logging
import os
import socket
from collections.abc import Mapping

LOGGER = logging.getLogger(__name__)

SEND_TIMEOUT_S = 1.0


class Notifier:
    """Sends messages to the socket that systemd names in ``NOTIFY_SOCKET``; without one it does nothing.

    Args:
        environment: Where that stands; by default the environment of this process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._said_that_it_fails = False

    def ready(self) -> None:
        """Say that the service has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """Say that all is well; if this is not said for WatchdogSec, systemd starts the service again."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Say in one line how it does, for ``systemctl status``."""
        self._send(f"STATUS={' '.join(text.split())}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A name that begins with @ is in the abstract namespace, where a null byte stands for it.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(SEND_TIMEOUT_S)
                channel.sendto(message.encode("utf-8"), address)
        except OSError as error:
            if not self._said_that_it_fails:
                LOGGER.warning("systemd does not get %s through %s: %s", message, self._address, error)
            self._said_that_it_fails = True
