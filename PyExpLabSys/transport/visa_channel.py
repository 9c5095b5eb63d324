"""Instruments by their VISA resource names, through pyvisa; by default with the backend that is written in Python."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyExpLabSys.errors import SettingsError, TransportError
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.channel import ByteChannel
from PyExpLabSys.transport.serial_channel import SerialSettings

if TYPE_CHECKING:
    from types import ModuleType

#: How long in s one call into the library may wait on a line without message ends (serial, socket).
SLICE_S = 0.05


class VisaChannel(ByteChannel):
    """An open VISA resource.

    Args:
        resource: Its name: ``ASRL/dev/ttyUSB0::INSTR``, ``TCPIP::10.0.0.7::5025::SOCKET``, ``GPIB0::22::INSTR``.
        open_timeout_s: How long opening may take in s. Without it some resources are waited for without end.
        settings: How to set a serial port; other resources have no use for it.
        backend: Which VISA library: ``@py``, or the name or path that pyvisa knows of another one.

    Raises:
        SettingsError: pyvisa is not installed.
        TransportError: the resource cannot be opened.
    """

    def __init__(
        self,
        resource: str,
        *,
        open_timeout_s: float = 5.0,
        settings: SerialSettings | None = None,
        backend: str = "@py",
    ) -> None:
        self.name = resource
        self._visa = _pyvisa()
        self._lock = threading.Lock()
        self._closed = False
        try:
            manager = self._visa.ResourceManager(backend)
            self._resource: Any = manager.open_resource(resource, open_timeout=round(open_timeout_s * 1000))
            self._kind = self._prepare(settings)
        # The backend raises what it likes, bare Exception too.
        except Exception as error:
            raise TransportError(f"{resource} cannot be opened: {error}") from error

    def _prepare(self, settings: SerialSettings | None) -> str:
        """Make a stream a stream, without message ends, and return which kind of resource this is."""
        constants = self._visa.constants
        resource = self._resource
        resource.read_termination = None
        resource.write_termination = ""
        if resource.interface_type == constants.InterfaceType.asrl:
            resource.end_input = constants.SerialTermination.none
            if settings is not None:
                _set_serial(resource, settings, constants)
            resource.timeout = round(SLICE_S * 1000)
            return "serial"
        if resource.resource_class == "SOCKET":
            # Only then does a read return what is there instead of waiting until all that was asked for has come.
            resource.set_visa_attribute(constants.ResourceAttribute.suppress_end_enabled, constants.VI_FALSE)
            return "socket"
        return "message"

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand all bytes to the library."""
        with self._lock, self._translated("cannot be written to"):
            self._set_timeout(timeout_s)
            self._resource.write_raw(data)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return what has come; of a bus with message ends, a message or the part of it that has room."""
        if self._kind == "message":
            # Such a bus brings nothing unasked, and some instruments note an error if they are read out for nothing.
            return self._read_some(max_bytes, timeout_s) if timeout_s > 0.0 else b""
        if timeout_s <= 0.0:
            return self._read_waiting(max_bytes)
        deadline_s = time.monotonic() + timeout_s
        while True:
            # One byte, as the library would wait for all that it is asked for; then what else is there.
            data = self._read_some(1, min(SLICE_S, timeout_s))
            if data:
                return data + self._read_waiting(max_bytes - 1)
            if time.monotonic() >= deadline_s:
                return b""

    def close(self) -> None:
        """Give the resource back; on a bus with message ends, after a read of another thread has ended."""
        self._closed = True
        with self._lock, self._translated("cannot be closed", even_closed=True):
            self._resource.close()

    def _read_waiting(self, max_bytes: int) -> bytes:
        if max_bytes < 1:
            return b""
        if self._kind == "socket":
            return self._read_some(max_bytes, 0.0)
        with self._lock, self._translated("cannot be read"):
            waiting = self._resource.bytes_in_buffer
        # Each by itself: if the library cannot read several within its time-out, those that it has read are lost.
        return b"".join(self._read_some(1, 0.0) for _ in range(min(max_bytes, waiting)))

    def _read_some(self, max_bytes: int, timeout_s: float) -> bytes:
        more_may_come = self._visa.constants.StatusCode.success_max_count_read
        with self._lock, self._translated("cannot be read"), self._resource.ignore_warning(more_may_come):
            self._set_timeout(timeout_s)
            try:
                data, _ = self._resource.visalib.read(self._resource.session, max_bytes)
            except self._visa.VisaIOError as error:
                if error.error_code == self._visa.constants.StatusCode.error_timeout:
                    return b""
                raise
            return bytes(data)

    def _set_timeout(self, timeout_s: float) -> None:
        # That of a serial port stays as it was set at the start: setting it anew sets the port anew.
        if self._kind != "serial":
            self._resource.timeout = round(timeout_s * 1000)

    @contextmanager
    def _translated(self, what: str, *, even_closed: bool = False) -> Iterator[None]:
        """Make foreign exceptions ours."""
        if self._closed and not even_closed:
            raise TransportError(f"{self.name} is closed")
        try:
            yield
        except (self._visa.Error, OSError) as error:
            raise TransportError(f"{self.name} {what}: {error}") from error


def open_visa(
    resource: str,
    *,
    timeout_s: float = 2.0,
    open_timeout_s: float = 5.0,
    settings: SerialSettings | None = None,
    backend: str = "@py",
    trace: Path | None = None,
) -> ByteTransport:
    """Open a VISA resource.

    Args:
        resource: Its name: ``ASRL/dev/ttyUSB0::INSTR``, ``TCPIP::10.0.0.7::5025::SOCKET``, ``GPIB0::22::INSTR``.
        timeout_s: How long a reply may take by default, in s.
        open_timeout_s: How long opening may take, in s.
        settings: How to set a serial port; None: 9600 baud, 8N1.
        backend: Which VISA library: ``@py``, or the name or path that pyvisa knows of another one.
        trace: A file to which all that goes over the wire is appended.

    Raises:
        SettingsError: pyvisa is not installed.
        TransportError: the resource cannot be opened.
    """
    channel = VisaChannel(resource, open_timeout_s=open_timeout_s, settings=settings, backend=backend)
    return ByteTransport(channel, timeout_s=timeout_s, trace=trace)


def _set_serial(resource: Any, settings: SerialSettings, constants: Any) -> None:
    resource.baud_rate = settings.baudrate
    resource.data_bits = settings.bytesize
    names = {"N": "none", "E": "even", "O": "odd", "M": "mark", "S": "space"}
    resource.parity = constants.Parity[names[settings.parity]]
    resource.stop_bits = constants.StopBits(round(settings.stopbits * 10))
    if settings.rtscts or settings.xonxoff:
        control = constants.ControlFlow.rts_cts if settings.rtscts else constants.ControlFlow.xon_xoff
        resource.flow_control = control


def _pyvisa() -> "ModuleType":
    try:
        import pyvisa
    except ImportError as error:
        raise SettingsError("VISA needs pyvisa, install it with: pip install PyExpLabSys[visa]") from error
    return pyvisa
