"""A line that several instruments share, such as RS-485: one transport, opened when it is there."""

import logging
import threading
from dataclasses import asdict

from PyExpLabSys.errors import TransportError
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.modbus import ModbusTransport
from PyExpLabSys.transport.serial_channel import SerialSettings, open_serial

LOGGER = logging.getLogger(__name__)

#: After so many calls in a row that nobody on the line answered, it is opened anew: a TCP connection may be dead
#: without a word.
SILENT_CALLS_MAX = 3


class Line:
    """One line; :meth:`PyExpLabSys.setups.Setup.line` makes it.

    Args:
        url: The device, ``socket://HOST:PORT`` or ``rfc2217://HOST:PORT``.
        settings: How the port is set.
        timeout_s: How long a reply may take by default, in s.
    """

    def __init__(self, url: str, settings: SerialSettings, timeout_s: float) -> None:
        self.url = self.name = url
        self._settings, self._timeout_s = settings, timeout_s
        self._lock = threading.Lock()
        self._bytes: ByteTransport | None = None
        self._modbus: ModbusTransport | None = None
        self._silent_calls = 0

    def transport(self, *, modbus: bool) -> ByteTransport | ModbusTransport:
        """Return what connects an instrument of this line, opened now if it is not open.

        Raises:
            TransportError: It cannot be opened now.
        """
        with self._lock:
            if self._bytes is None or self._bytes.closed:
                self._bytes = open_serial(self.url, **asdict(self._settings), timeout_s=self._timeout_s)
                self._modbus, self._silent_calls = None, 0
                LOGGER.info("opened %s", self.url)
            if not modbus:
                return self._bytes
            if self._modbus is None:
                # One for all of them: it keeps the silence between the frames of different instruments.
                self._modbus = ModbusTransport(self._bytes, baudrate=self._settings.baudrate)
            return self._modbus

    def answered(self) -> None:
        """Note that an instrument of this line answered."""
        self._silent_calls = 0

    def silent(self) -> None:
        """Note that an instrument did not answer; if none does, the line is opened anew."""
        self._silent_calls += 1
        if self._silent_calls >= SILENT_CALLS_MAX:
            self.close()

    def carries(self, transport: object) -> bool:
        """Return whether this is the transport of now, and not one of before the line was given up."""
        return transport is not None and (transport is self._bytes or transport is self._modbus)

    def detach(self, transport: object) -> ByteTransport | None:
        """Give up the line under this transport, unless that was done already; return what the caller has to close."""
        with self._lock:
            if not self.carries(transport):
                return None
            old, self._bytes, self._modbus, self._silent_calls = self._bytes, None, None, 0
        return old

    def lost(self, transport: object) -> None:
        """Note that the wire failed under this transport; the line is opened again when it is next asked for."""
        _close(self.detach(transport))

    def close(self) -> None:
        """Give the wire back; it is opened again when it is next asked for."""
        self.lost(self._bytes)


def _close(transport: ByteTransport | None) -> None:
    if transport is None:
        return
    try:
        transport.close()
    except TransportError as error:
        LOGGER.debug("%s did not close in good order: %s", transport.name, error)
