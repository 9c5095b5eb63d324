"""One device on an I2C bus of this computer, through Linux and smbus2.

The computer clocks every bit, so there are no late answers; and Linux ends each transfer by itself, after 1 s unless
the adapter is set otherwise, so there is no time-out to choose. It also keeps the transfers of several programs on one
bus apart: each device has a transport of its own, and they need not know of each other.

Source: the Linux kernel's documentation: "Implementing I2C device drivers in userspace" (what the device file takes).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PyExpLabSys.errors import SettingsError, TransportError
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.i2c_bus import I2CBus, transport_error
from PyExpLabSys.transport.i2c_trace import TracedBus

if TYPE_CHECKING:
    from types import ModuleType

#: Others are reserved, for example for all devices at once.
ADDRESSES = range(0x08, 0x78)
#: The ioctl by which a program says whom it will talk to; Linux refuses it if a driver of its own has that device.
I2C_SLAVE = 0x0703


class LinuxBus:
    """An open device file of an I2C bus, for one device on it.

    Args:
        bus: Its number, or the path of its device file.
        address: That of the device.

    Raises:
        SettingsError: smbus2 is not installed.
        OSError: the file cannot be opened, or a driver of the kernel has this device.
        TransportError: the adapter can do nothing but SMBus.
    """

    def __init__(self, bus: int | str, address: int) -> None:
        smbus2 = _smbus2()
        self.name = bus_path(bus)
        self._message = smbus2.i2c_msg
        self._lock = threading.Lock()
        self._bus = smbus2.SMBus()
        try:
            self._bus.open(self.name)
            self._require(smbus2.I2cFunc.I2C)
            self._claim(address)
        except BaseException:
            self._bus.close()
            raise

    def transfer(self, address: int, data: bytes, count: int) -> bytes:
        """Write bytes, then read some; see :class:`~PyExpLabSys.transport.i2c_bus.I2CBus`."""
        reply = self._message.read(address, count)
        messages = [self._message.write(address, data)] if data or not count else []
        messages += [reply] if count else []
        with self._lock:
            if self._bus.fd is None:
                raise TransportError(f"{self.name} is closed")
            self._bus.i2c_rdwr(*messages)
        return bytes(reply)

    def close(self) -> None:
        """Give the bus back, after a transfer of another thread has ended."""
        with self._lock:
            self._bus.close()

    def _require(self, function: int) -> None:
        if not self._bus.funcs & function:
            raise TransportError(f"{self.name} is an adapter for SMBus only, which cannot do plain transfers")

    def _claim(self, address: int) -> None:
        import fcntl  # absent on Windows

        # The transfers themselves would go past a driver of the kernel, and each would disturb the other.
        fcntl.ioctl(self._bus.fd, I2C_SLAVE, address)


class I2CTransport:
    """One device on a bus; several threads may use it.

    Args:
        bus: The bus; from now on it belongs to this transport, which closes it.
        address: That of the device, 0x08 to 0x77: without the bit that tells reading from writing.
        clock: What times the waits of the driver.
        trace: A file to which all that goes over the wire is appended, in a readable form.
    """

    def __init__(self, bus: I2CBus, address: int, *, clock: Clock = SYSTEM_CLOCK, trace: Path | None = None) -> None:
        check_address(address)
        self.name = device_name(bus.name, address)
        self.address = address
        self.clock = clock
        self._bus: I2CBus = bus if trace is None else TracedBus(bus, self.name, trace, clock)
        self._lock = threading.RLock()
        self._closed = False

    def write(self, data: bytes) -> None:
        """Write bytes in one transfer; none only calls the device, which some take for a command."""
        self._transfer(data, 0)

    def read(self, count: int) -> bytes:
        """Return as many bytes, read in one transfer."""
        return self._transfer(b"", _at_least_one(count))

    def write_read(self, data: bytes, count: int) -> bytes:
        """Write bytes, usually the number of a register, and return as many bytes as read after a repeated start."""
        return self._transfer(data, _at_least_one(count))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads off the device, for transfers that belong together; may be nested."""
        with self._lock:
            if self._closed:
                raise TransportError(f"{self.name} is closed; open it again")
            yield

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def close(self) -> None:
        """Give the bus back; a second time does nothing."""
        self._closed = True
        self._bus.close()

    def _transfer(self, data: bytes, count: int) -> bytes:
        with self.locked():
            try:
                return self._bus.transfer(self.address, data, count)
            except OSError as error:
                raise transport_error(self.name, error) from error


def open_i2c(bus: int | str, address: int, *, trace: Path | None = None) -> I2CTransport:
    """Open a bus for one device on it.

    Args:
        bus: Its number (on a Raspberry Pi's header: 1), or the path of its device file, ``/dev/i2c-1``.
        address: That of the device, 0x08 to 0x77.
        trace: A file to which all that goes over the wire is appended.

    Raises:
        SettingsError: smbus2 is not installed.
        TransportError: the bus cannot be opened, or a driver of the kernel has this device.
    """
    check_address(address)
    try:
        opened = LinuxBus(bus, address)
    except OSError as error:
        raise transport_error(device_name(bus_path(bus), address), error) from error
    try:
        return I2CTransport(opened, address, trace=trace)
    except OSError:  # the trace cannot be written, which is no fault of the bus
        opened.close()
        raise


def bus_path(bus: int | str) -> str:
    """Return the path of a bus that may be given by its number, as a number or, from a command line, as text."""
    return f"/dev/i2c-{bus}" if str(bus).isdigit() else str(bus)


def device_name(bus_name: str, address: int) -> str:
    """Return what messages call a device: ``/dev/i2c-1 address 0x77``."""
    return f"{bus_name} address 0x{address:02X}"


def check_address(address: int) -> None:
    """Raise ValueError unless a device can have this address."""
    if address not in ADDRESSES:
        raise ValueError(f"I2C address 0x{address:02X} is outside 0x08 to 0x77; is it one with the bit for reading?")


def _at_least_one(count: int) -> int:
    if count < 1:
        raise ValueError(f"cannot read {count} bytes")
    return count


def _smbus2() -> "ModuleType":
    try:
        import smbus2
    except ImportError as error:
        raise SettingsError("I2C needs Linux and smbus2, install it with: pip install 'PyExpLabSys[i2c]'") from error
    return smbus2
