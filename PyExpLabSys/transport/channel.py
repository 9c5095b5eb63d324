"""What :class:`~PyExpLabSys.transport.byte_transport.ByteTransport` needs of a wire."""

from abc import ABC, abstractmethod


class ByteChannel(ABC):
    """Carries bytes both ways and knows nothing of messages.

    One thread uses it at a time; only :meth:`close` may be called by another one. Each method raises
    :class:`~PyExpLabSys.errors.TransportError` and nothing else if the wire fails: unplugged, refused, closed.

    Attributes:
        name: What error messages and traces call it: ``/dev/ttyUSB0``, ``socket://10.0.0.7:4001``.
    """

    name: str

    @abstractmethod
    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand all bytes to the operating system.

        Raises:
            TransportTimeoutError: it did not take them all in time; how many it took is unknown.
        """

    @abstractmethod
    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return what has come: at least one byte as soon as there is one, or ``b""`` after the time-out.

        With a time-out of 0, only what is there already.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the wire back; a second time does nothing."""
