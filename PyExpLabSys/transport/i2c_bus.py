"""What :class:`~PyExpLabSys.transport.i2c.I2CTransport` needs of a bus, and what failures of one mean.

Source: the Linux kernel's documentation: "I2C/SMBUS Fault Codes".
"""

import errno
from typing import Protocol

from PyExpLabSys.errors import TransportError, TransportTimeoutError

#: "Remote I/O error"; other systems than Linux have no name for it.
EREMOTEIO = getattr(errno, "EREMOTEIO", 121)

NOT_ACKNOWLEDGED = "no acknowledgement (NACK): is it connected, does it have power, is this its address?"
REASONS = {
    EREMOTEIO: NOT_ACKNOWLEDGED,
    errno.ENXIO: NOT_ACKNOWLEDGED,
    errno.ETIMEDOUT: "the bus hangs: a device holds a line low, or a wire is shorted; take its power away for a moment",
    errno.EBUSY: "busy: a device holds a line low, or the kernel itself has this address (ls /sys/bus/i2c/devices)",
    errno.EAGAIN: "another master on this bus was faster",
    errno.EOPNOTSUPP: "this adapter cannot do such a transfer",
    errno.ENOENT: "there is no such bus: is I2C switched on (on a Raspberry Pi: sudo raspi-config)? See ls /dev/i2c-*",
    errno.EACCES: "not allowed: add the user to the group that owns the device file, usually i2c",
    errno.ENOTTY: "this is no I2C bus",
}
#: What may pass by waiting, or by taking power away.
TIMEOUTS = {errno.ETIMEDOUT, errno.EBUSY}


class I2CBus(Protocol):
    """What a transport needs of a bus; errors are OSErrors with the numbers that Linux gives them.

    Attributes:
        name: What error messages and traces call it: ``/dev/i2c-1``.
    """

    name: str

    def transfer(self, address: int, data: bytes, count: int) -> bytes:
        """Write bytes to a device, then, with a repeated start, read ``count`` bytes from it.

        If there is nothing to read, it only writes; if there is something to read but nothing to write, it only reads.
        """
        ...

    def close(self) -> None:
        """Give the bus back; a second time does nothing."""
        ...


def transport_error(name: str, error: OSError) -> TransportError:
    """Return a failure of Linux as one of ours, in words; one that is ours already stays as it is."""
    if isinstance(error, TransportError):
        return error
    number = error.errno or 0
    kind = TransportTimeoutError if number in TIMEOUTS else TransportError
    return kind(f"{name}: {REASONS.get(number, 'the transfer failed')} ({error})")
