"""An I2C bus in memory with simulated devices on it.

Source: NXP's "I2C-bus specification and user manual" (UM10204), section 3.1: acknowledge, repeated start; and the
kernel's "I2C/SMBUS Fault Codes" for how Linux tells that something failed.
"""

import errno
from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock

#: "Remote I/O error": nobody acknowledged. Only Linux has a name for it.
REMOTE_IO = 121
#: After how long in s Linux gives up a transfer on a bus that hangs.
STUCK_S = 1.0


class I2CDevice(Protocol):
    """A device as seen from the bus; one that does not acknowledge raises what :func:`no_acknowledge` returns."""

    def write(self, data: bytes, now_s: float) -> None:
        """Take what a transfer that began with the device's address brings at a time in s; perhaps nothing."""
        ...

    def read(self, count: int, now_s: float) -> bytes:
        """Return as many bytes; who runs the bus decides how many."""
        ...


class RegisterDevice:
    """A device that is a row of 256 registers, each of 8 bits, as most are; a simulated instrument derives from it.

    The first byte that is written is the number of a register; more are written to it and those behind it. Reading
    begins at that register, too, and goes on to those behind it.
    """

    def __init__(self) -> None:
        self.registers = bytearray(256)
        self._pointer = 0

    def update(self, now_s: float) -> None:
        """Bring all registers up to a time in s; nothing changes by itself here, in instruments it does."""

    def write_register(self, register: int, value: int, now_s: float) -> None:  # noqa: ARG002 (instruments use it)
        """Take a value; instruments do more."""
        self.registers[register] = value

    def write(self, data: bytes, now_s: float) -> None:
        """Set the pointer, and write to registers if there is more."""
        self.update(now_s)
        if data:
            self._pointer = data[0]
            for value in data[1:]:
                self.write_register(self._pointer, value, now_s)
                self._pointer = (self._pointer + 1) % 256

    def read(self, count: int, now_s: float) -> bytes:
        """Return registers from the pointer on."""
        self.update(now_s)
        found = bytes(self.registers[(self._pointer + offset) % 256] for offset in range(count))
        self._pointer = (self._pointer + count) % 256
        return found


class BusFault(Enum):
    """What can be wrong with a transfer."""

    #: The device does not acknowledge its address.
    NACK = "nack"
    #: Something holds a line low until Linux gives up.
    STUCK = "stuck"
    #: From the middle of what is read on, the device does not pull the line low any more: all bits are ones.
    HALF_A_BLOCK = "half-a-block"
    #: The same, and from then on the device is gone.
    UNPLUGGED = "unplugged"


class SimulatedBus:
    """A bus with devices, for :class:`~PyExpLabSys.transport.i2c.I2CTransport`; errors are those of Linux.

    Args:
        devices: The devices by their addresses.
        clock: What tells them the time.

    Attributes:
        transfers: How many there were, failed ones included.
    """

    def __init__(
        self, devices: Mapping[int, I2CDevice], *, clock: Clock = SYSTEM_CLOCK, name: str = "simulated"
    ) -> None:
        self.name = name
        self.transfers = 0
        self._devices = dict(devices)
        self._unplugged: set[int] = set()
        self._clock = clock
        self._fault: BusFault | None = None
        self._after = self._left = 0

    def inject(self, fault: BusFault, *, after: int = 0, times: int = 1) -> None:
        """Let transfers fail, in place of what was injected before.

        Args:
            fault: How.
            after: How many go well first.
            times: How many fail.
        """
        self._fault, self._after, self._left = fault, after, times

    def unplug(self, address: int) -> None:
        """Take the device with this address from the bus."""
        self._unplugged.add(address)

    def plug(self, address: int, device: I2CDevice | None = None) -> None:
        """Put a device on the bus, by default that which was there before."""
        self._unplugged.discard(address)
        if device is not None:
            self._devices[address] = device

    def transfer(self, address: int, data: bytes, count: int) -> bytes:
        """Write to a device, then read from it; see :class:`~PyExpLabSys.transport.i2c_bus.I2CBus`."""
        self.transfers += 1
        fault = self._take_fault()
        if fault is BusFault.STUCK:
            self._clock.sleep(STUCK_S)
            raise OSError(errno.ETIMEDOUT, "Connection timed out")
        if fault is BusFault.NACK or address not in self._devices or address in self._unplugged:
            raise no_acknowledge()
        if fault is BusFault.UNPLUGGED:
            self.unplug(address)
        device, now_s = self._devices[address], self._clock.monotonic()
        if data or not count:
            device.write(data, now_s)
        reply = device.read(count, now_s) if count else b""
        if fault is None:
            return reply
        if not count:  # it is a write that was torn
            raise no_acknowledge()
        return reply[: count // 2] + b"\xff" * (count - count // 2)

    def close(self) -> None:
        """Do nothing: the devices stay as they are."""

    def _take_fault(self) -> BusFault | None:
        if self._left < 1:
            return None
        if self._after > 0:
            self._after -= 1
            return None
        self._left -= 1
        return self._fault


def no_acknowledge() -> OSError:
    """Return what Linux says when nobody acknowledges an address or a byte."""
    return OSError(REMOTE_IO, "Remote I/O error")
