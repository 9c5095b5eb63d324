"""What Linux does with the device file of an I2C bus, for tests: real smbus2 runs on it, with only ``ioctl`` replaced.

The structures are read by their layout in the kernel's headers (linux/i2c.h, linux/i2c-dev.h), not by smbus2's own
declarations, so that an error in those would show.
"""

import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from PyExpLabSys.simulators.serving.i2c import SimulatedBus

I2C_SLAVE, I2C_FUNCS, I2C_RDWR, I2C_SMBUS = 0x0703, 0x0705, 0x0707, 0x0720
I2C_FUNC_I2C = 0x00000001
#: All that Linux can make of plain transfers: it does so on adapters like that of the Raspberry Pi.
I2C_FUNC_SMBUS_EMUL = 0x0EFF0008
I2C_M_RD = 0x0001
QUICK, BYTE, BYTE_DATA, WORD_DATA, I2C_BLOCK_DATA = 0, 1, 2, 3, 8
Message = tuple[int, bytes | int]


class LinuxI2C:
    """Device files whose ``ioctl`` reaches simulated buses.

    Attributes:
        wire: What went over the wires: for each transfer its messages: address, and bytes written or number read.
        functions: What the adapters can do.
        kernel_has: Addresses that drivers of the kernel have.
        fault: The number of an error that the next transfer ends with.
    """

    def __init__(self, real_ioctl: Any) -> None:
        self.wire: list[tuple[Message, ...]] = []
        self.functions = I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL
        self.kernel_has: set[int] = set()
        self.fault: int | None = None
        self._real_ioctl = real_ioctl
        self._buses: dict[tuple[int, int], SimulatedBus] = {}
        self._addresses: dict[int, int] = {}

    def serve(self, bus: SimulatedBus, path: Path) -> str:
        """Make a device file of a bus, and return its path."""
        path.touch()
        stat = path.stat()
        self._buses[stat.st_dev, stat.st_ino] = bus
        return str(path)

    def ioctl(self, fd: int, request: int, argument: Any = 0, *rest: Any) -> Any:
        """Do what Linux does."""
        stat = os.fstat(fd)
        bus = self._buses.get((stat.st_dev, stat.st_ino))
        if bus is None:
            return self._real_ioctl(fd, request, argument, *rest)
        if request == I2C_FUNCS:
            argument.value = self.functions
        elif request == I2C_SLAVE:
            if argument in self.kernel_has:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            self._addresses[fd] = argument
        elif request == I2C_SMBUS:
            self._smbus(bus, self._addresses[fd], ctypes.addressof(argument))
        elif request == I2C_RDWR:
            return self._rdwr(bus, ctypes.addressof(argument))
        else:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        return 0

    def _rdwr(self, bus: SimulatedBus, where: int) -> int:
        """Handle a ``struct i2c_rdwr_ioctl_data``: pointer to messages, their number."""
        first, count = _unpack("PI", where)
        # struct i2c_msg: __u16 addr, __u16 flags, __u16 len, __u8 *buf
        size = struct.calcsize("@HHHP")
        messages = [_unpack("HHHP", first + number * size) for number in range(count)]
        write = b"".join(_bytes_at(buffer, length) for _, flags, length, buffer in messages if not flags & I2C_M_RD)
        reads = [(length, buffer) for _, flags, length, buffer in messages if flags & I2C_M_RD]
        assert len({address for address, *_ in messages}) == 1
        assert [flags for _, flags, *_ in messages] in ([0], [I2C_M_RD], [0, I2C_M_RD])
        reply = self._transfer(bus, messages[0][0], None if messages[0][1] else write, sum(n for n, _ in reads))
        for length, buffer in reads:
            ctypes.memmove(buffer, reply, length)
        return int(count)

    def _smbus(self, bus: SimulatedBus, address: int, where: int) -> None:
        """Handle a ``struct i2c_smbus_ioctl_data``: __u8 read_write, __u8 command, __u32 size, union *data."""
        reads, command, size, data = _unpack("BBIP", where)
        if size == QUICK:
            assert not reads, "reading without a byte is what no driver here does"
            self._transfer(bus, address, b"", 0)
        elif size == BYTE:
            reply = self._transfer(bus, address, None if reads else bytes([command]), 1 if reads else 0)
            ctypes.memmove(data, reply, len(reply))
        elif size in {BYTE_DATA, WORD_DATA}:
            length = size - 1
            written = bytes([command]) + (b"" if reads else _bytes_at(data, length))
            reply = self._transfer(bus, address, written, length if reads else 0)
            ctypes.memmove(data, reply, len(reply))
        elif size == I2C_BLOCK_DATA:
            length = _bytes_at(data, 1)[0]
            written = bytes([command]) + (b"" if reads else _bytes_at(data + 1, length))
            reply = self._transfer(bus, address, written, length if reads else 0)
            ctypes.memmove(data + 1, reply, len(reply))
        else:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    def _transfer(self, bus: SimulatedBus, address: int, written: bytes | None, count: int) -> bytes:
        messages: list[Message] = [] if written is None else [(address, written)]
        messages += [(address, count)] if count else []
        self.wire.append(tuple(messages))
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise OSError(fault, os.strerror(fault))
        return bus.transfer(address, written or b"", count)


def _unpack(layout: str, where: int) -> tuple[int, ...]:
    return struct.unpack(f"@{layout}", _bytes_at(where, struct.calcsize(f"@{layout}")))


def _bytes_at(where: int, length: int) -> bytes:
    return ctypes.string_at(where, length)


def install(monkeypatch: pytest.MonkeyPatch) -> LinuxI2C:
    """Replace ``ioctl`` where smbus2 and the transport call it; files that are no simulated bus get the real one."""
    linux = LinuxI2C(fcntl.ioctl)
    monkeypatch.setattr("smbus2.smbus2.ioctl", linux.ioctl)
    monkeypatch.setattr(fcntl, "ioctl", linux.ioctl)
    return linux
