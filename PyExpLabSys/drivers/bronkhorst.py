"""Driver for Bronkhorst digital mass-flow and pressure controllers and meters: EL-FLOW, EL-PRESS and others.

Source: Bronkhorst's manual 9.17.027, "RS232 interface": ProPar in ASCII, tables of parameters and of status codes.
"""

from dataclasses import dataclass

from PyExpLabSys.errors import InstrumentError, ProtocolError
from PyExpLabSys.instrument import Instrument, InstrumentInfo
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.propar import (
    LINE_END,
    LOCAL_NODE,
    UNANSWERED,
    Kind,
    Parameter,
    Value,
    addressed,
    decode,
    decode_values,
    decode_written,
    encode_read,
    encode_write,
)
from PyExpLabSys.transport.serial_channel import SerialSettings, open_serial

FULL_SCALE = 32000
#: A measured value above this is a negative one: what does not fit into the positive 131 %.
HIGHEST_MEASURE = 41942
CONTROL_MODE_RS232 = 18
SHORTEST_SERIAL = 3

MEASURE = Parameter(1, 0, Kind.INT)
SETPOINT = Parameter(1, 1, Kind.INT)
CONTROL_MODE = Parameter(1, 4, Kind.CHAR)
CAPACITY = Parameter(1, 13, Kind.FLOAT)
FLUID = Parameter(1, 17, Kind.STRING, 10)
CAPACITY_UNIT = Parameter(1, 31, Kind.STRING, 7)
FMEASURE = Parameter(33, 0, Kind.FLOAT)
TEMPERATURE = Parameter(33, 7, Kind.FLOAT)
COUNTER = Parameter(104, 1, Kind.FLOAT)
SERIAL_NUMBER = Parameter(113, 3, Kind.STRING)
USER_TAG = Parameter(113, 6, Kind.STRING)


@dataclass(frozen=True, kw_only=True)
class Identification:
    """What an instrument says of itself; ``capacity``, its full scale, is in ``unit``."""

    serial_number: str
    user_tag: str
    capacity: float
    unit: str
    fluid: str


def decode_measure(raw: int) -> float:
    """Return a measured value as a share of the full scale: -0.737 to 1.31."""
    return (raw if raw <= HIGHEST_MEASURE else raw - 0x10000) / FULL_SCALE


def encode_setpoint(flow: float, max_flow: float) -> int:
    """Return a flow, 0 to the full scale, as the number that stands for it: 32000 is the full scale."""
    if not 0.0 <= flow <= max_flow:
        raise ValueError(f"flow {flow} is outside 0 to {max_flow}")
    return round(flow / max_flow * FULL_SCALE)


class Bronkhorst(Instrument):
    """One instrument; several may share a line, each with its node.

    Args:
        port: What :func:`~PyExpLabSys.transport.serial_channel.open_serial` opens.
        max_flow: The full scale, in the unit in which flows are to be given and returned. None: as the instrument has
            it, in its own unit.
        node: The number of the instrument on a bus or a shared line, 1 to 127; by default the one that is connected
            directly.
        transport: Where the instrument is connected already; the port means nothing then.

    Attributes:
        ser: The transport, by the name that scripts know.
        max_setting: The full scale, in the unit of all flows.

    Raises:
        InstrumentError: no such instrument answers; the message begins with ``MfcNotFound``.
    """

    INFO = InstrumentInfo(
        maker="Bronkhorst",
        model="EL-FLOW, EL-PRESS and other digital instruments",
        buses=("RS-232", "RS-485", "FLOW-BUS"),
        quantities={"read_flow": "unit of max_flow", "read_setpoint": "unit of max_flow", "read_temperature": "degC"},
        serial=SerialSettings(baudrate=38400),
    )
    #: Twice as long as the maker's own library waits.
    TIMEOUT_S = 1.0
    #: As long as earlier programs waited at most.
    LATE_S = 2.0

    def __init__(
        self,
        port: str,
        max_flow: float | None = None,
        *,
        node: int = LOCAL_NODE,
        transport: ByteTransport | None = None,
    ) -> None:
        if not 1 <= node <= LOCAL_NODE:
            raise ValueError(f"node {node} is outside 1 to {LOCAL_NODE - 1}, and {LOCAL_NODE} for a direct connection")
        if max_flow is not None and not max_flow > 0.0:
            raise ValueError(f"max_flow {max_flow} is not above 0")
        super().__init__(transport or open_serial(port, baudrate=38400), owns=transport is None)
        self.ser = self._transport
        self._node = node
        try:
            serial_number = self.read_serial()
            if len(serial_number) < SHORTEST_SERIAL:
                raise ProtocolError(f"{serial_number!r} is no serial number")
            self.max_setting = self.read_capacity() if max_flow is None else max_flow
            if not self.max_setting > 0.0:
                raise ProtocolError(f"the instrument says that its full scale is {self.max_setting}; give max_flow")
        except InstrumentError as error:
            self.close()
            raise type(error)(f"MfcNotFound: {error}") from error

    @classmethod
    def identify(cls, transport: ByteTransport) -> str | None:
        """Return what the instrument that is connected directly says of itself; None if there is none."""
        try:
            found = cls("", transport=transport).read_identification()
        except InstrumentError:
            return None
        return f"Bronkhorst {found.serial_number}, {found.capacity:g} {found.unit} {found.fluid}"

    def comm(self, command: str) -> str:
        """Send a complete frame, with its carriage return and line feed, and return the frame that comes back.

        Raises:
            CommandRejectedError: the instrument says no.
            ProtocolError: what came is no frame of the node that was asked.
        """
        request = command.encode("ascii")
        node, code = addressed(request)
        if code in UNANSWERED:
            self._transport.send(request)
            return ""
        return self._raw(request, node)

    def read_parameters(self, *parameters: Parameter) -> list[Value]:
        """Return the values of some parameters of the same moment; those of one process should stand together."""
        return self._ask(
            encode_read(parameters, self._node),
            LINE_END,
            lambda reply: decode_values(reply, parameters, self._node),
        )

    def write_parameter(self, parameter: Parameter, value: Value) -> None:
        """Set a parameter."""
        self._ask(encode_write(parameter, value, self._node), LINE_END, lambda reply: decode_written(reply, self._node))

    def read_flow(self) -> float:
        """Return the measured flow (or pressure) in the unit of ``max_flow``."""
        return decode_measure(int(self._read(MEASURE))) * self.max_setting

    def read_setpoint(self) -> float:
        """Return the setpoint in the unit of ``max_flow``."""
        return int(self._read(SETPOINT)) / FULL_SCALE * self.max_setting

    def set_flow(self, setpoint: float | str) -> str:
        """Regulate to a flow in the unit of ``max_flow``, 0 to ``max_flow``; return ``ok``.

        It has an effect in the control mode of :meth:`set_control_mode`.
        """
        self.write_parameter(SETPOINT, encode_setpoint(float(setpoint), self.max_setting))
        return "ok"

    def set_control_mode(self, mode: int = CONTROL_MODE_RS232) -> str:
        """Choose where the setpoint comes from, by default from this line; return the frame that comes back."""
        return self._raw(encode_write(CONTROL_MODE, mode, self._node), self._node)

    def read_serial(self) -> str:
        """Return the serial number."""
        return str(self._read(SERIAL_NUMBER))

    def read_unit(self) -> str:
        """Return the unit of the full scale, ``mln/min``."""
        return str(self._read(CAPACITY_UNIT))

    def read_capacity(self) -> float:
        """Return the full scale in the unit of :meth:`read_unit`."""
        return float(self._read(CAPACITY))

    def read_fmeasure(self) -> float:
        """Return the measured flow (or pressure) in the unit of :meth:`read_unit`, as the instrument computes it."""
        return float(self._read(FMEASURE))

    def read_temperature(self) -> float:
        """Return the temperature of the instrument in degC."""
        return float(self._read(TEMPERATURE))

    def read_counter_value(self) -> float:
        """Return what has flown through since the counter was set to zero, in the unit of the counter."""
        return float(self._read(COUNTER))

    def read_identification(self) -> Identification:
        """Return what the instrument says of itself, by one exchange."""
        serial_number, user_tag, capacity, unit, fluid = self.read_parameters(
            SERIAL_NUMBER, USER_TAG, CAPACITY, CAPACITY_UNIT, FLUID
        )
        return Identification(
            serial_number=str(serial_number),
            user_tag=str(user_tag),
            capacity=float(capacity),
            unit=str(unit),
            fluid=str(fluid),
        )

    def _read(self, parameter: Parameter) -> Value:
        (value,) = self.read_parameters(parameter)
        return value

    def _raw(self, request: bytes, node: int) -> str:
        """Return the reply as it came, if it is a frame of this node and no error."""

        def check(reply: bytes) -> str:
            decode(reply, node)
            return reply.decode("ascii")

        return self._ask(request, LINE_END, check)
