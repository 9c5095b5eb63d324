"""What every driver is: an instrument on a transport, closed by ``with``, with one way to ask it something."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from PyExpLabSys.errors import ProtocolError
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import Framing, until
from PyExpLabSys.transport.serial_channel import SerialSettings


class Transport(Protocol):
    """What all transports have."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        ...

    def close(self) -> None:
        """Give the wire back."""
        ...


TransportT = TypeVar("TransportT", bound=Transport)
Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class InstrumentInfo:
    """What people and ``pyexplabsys drivers`` want to know of an instrument before they connect it.

    Attributes:
        maker: Who sells it.
        model: Which models the driver is for.
        buses: How it is connected: ``RS-232``, ``RS-485``, ``TCP``, ``USB``, ``GPIB``, ``Modbus RTU``, ``I2C``.
        quantities: What it measures: the name of the method that reads it, and the unit of what that returns.
        serial: How its port is set when it comes from the factory; None if it has none.
    """

    maker: str
    model: str
    buses: tuple[str, ...]
    quantities: Mapping[str, str] = field(default_factory=dict)
    serial: SerialSettings | None = None


class InstrumentOn(Generic[TransportT]):
    """An instrument on a transport of some kind; drivers of byte instruments derive from :class:`Instrument`.

    Args:
        transport: What connects it.
        owns: Whether the driver opened that transport itself, and so must close it.
    """

    #: What it is; every driver has one.
    INFO: ClassVar[InstrumentInfo]

    def __init__(self, transport: TransportT, *, owns: bool) -> None:
        self._transport = transport
        self._owns = owns

    def close(self) -> None:
        """Close the transport if this driver opened it; a second time does nothing."""
        if self._owns:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Instrument(InstrumentOn[ByteTransport]):
    """An instrument that is asked in bytes and answers in bytes."""

    #: How long in s a complete answer may take; None: as long as the transport allows by default.
    TIMEOUT_S: ClassVar[float | None] = None
    #: The longest in s that an answer may come after its question (P8 in the architecture); None: the time-out.
    LATE_S: ClassVar[float | None] = None

    @classmethod
    def identify(cls, transport: ByteTransport) -> str | None:  # noqa: ARG003 (for those that can)
        """Return what an instrument on this transport says it is, or None if it is not one of this family.

        Only asks what changes nothing. Raises InstrumentError if nothing sensible answers.
        """
        return None

    def _ask(
        self,
        request: bytes,
        framing: Framing | bytes,
        decode: Callable[[bytes], Answer],
        *,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send a request and return what ``decode`` makes of the reply.

        If that raises ProtocolError, what comes next on the line may be the rest of this reply, so it is thrown away.

        Args:
            request: The bytes to send.
            framing: Where the reply ends; bytes are a terminator.
            decode: Returns what the reply says, or raises what it is worth.
            timeout_s: For the few commands that take longer than others.
        """
        with self._transport.locked():
            reply = self._exchange(request, framing, timeout_s=timeout_s)
            try:
                return decode(reply)
            except ProtocolError:
                self._transport.mark_out_of_step()
                raise

    def _exchange(self, request: bytes, framing: Framing | bytes, *, timeout_s: float | None = None) -> bytes:
        """Send a request and return the bytes of the reply; :meth:`_ask` if they can be wrong."""
        return self._transport.exchange(
            request,
            until(framing) if isinstance(framing, bytes) else framing,
            timeout_s=self.TIMEOUT_S if timeout_s is None else timeout_s,
            late_s=self.LATE_S,
        )
