"""A simulated Bronkhorst flow controller on a supply of gas that never ends.

Source: Bronkhorst's manual 9.17.027, "RS232 interface": ProPar in ASCII, tables of parameters and of status codes.
"""

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from PyExpLabSys.errors import CommandRejectedError
from PyExpLabSys.simulators.serving.base import ByteSimulator, MessageSimulator
from PyExpLabSys.simulators.serving.memory import in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.framing import until

LOCAL = 0x80
COMMAND_ERROR, PROCESS_ERROR, PARAMETER_ERROR, TYPE_ERROR, VALUE_ERROR, READ_ONLY, PROTOCOL_ERROR = (
    2,
    3,
    4,
    5,
    6,
    13,
    34,
)
#: How the bits of a type say what a value is: of four bytes, the parameter itself decides.
FORMATS = {0x00: ">B", 0x20: ">H", 0x40: ">f"}
#: Control modes in which the valve does not follow the setpoint, and the share of the full scale that flows then.
FIXED_FLOWS = {3: 0.0, 7: 1.0, 8: 1.31, 12: 0.0}


class ErrorReply(CommandRejectedError):
    """A request that cannot be obeyed; it becomes a status message.

    Args:
        status: Its code.
        position: The byte of the request that it is about.
    """

    def __init__(self, status: int, position: int) -> None:
        super().__init__(f"status {status}, byte {position}")
        self.status = status
        self.position = position


class Knowledge(NamedTuple):
    """One parameter of the instrument: bits of its type, how to get it, and how to set it if that is allowed."""

    type_bits: int
    get: Callable[[], Any]
    set: Callable[[Any], bool] | None = None


class SimulatedBronkhorst:
    """One instrument; its flow comes up to the setpoint with a time constant.

    Args:
        node: Its number on the bus.
        local: Whether it is connected directly, and so also answers as node 128. Of several on one line, one can be.
        capacity: Its full scale in mln/min.
        flow: What flows at the start, in mln/min; it can be a little below 0, as the zero of a real one drifts.
        setpoint: At the start, in mln/min.
        time_constant_s: How slow the valve is.
        serial_number: Ten characters in most, but not in all.
        user_tag: What the owner calls it.
        fluid: The gas.
    """

    def __init__(
        self,
        *,
        node: int = 3,
        local: bool = True,
        capacity: float = 5.0,
        flow: float = 0.0,
        setpoint: float = 0.0,
        time_constant_s: float = 1.0,
        serial_number: str = "M12345678A",
        user_tag: str = "USERTAG",
        fluid: str = "N2",
    ) -> None:
        self.nodes = {node, LOCAL} if local else {node}
        self.node = node
        self.capacity = capacity
        self.time_constant_s = time_constant_s
        self.user_tag = user_tag
        self.raw_setpoint = round(setpoint / capacity * 32000)
        self.control_mode = 0
        self.counter = 0.0
        self._share = flow / capacity
        self._time_s: float | None = None
        self._known = {
            (0, 0): Knowledge(0x60, lambda: f"7 1{serial_number}"),
            (0, 1): Knowledge(0x00, lambda: self.node),
            (0, 3): Knowledge(0x00, lambda: 0),
            (1, 0): Knowledge(0x20, lambda: round(self._share * 32000) % 0x10000),
            (1, 1): Knowledge(0x20, lambda: self.raw_setpoint, self._set_setpoint),
            (1, 4): Knowledge(0x00, lambda: self.control_mode, self._set_control_mode),
            (1, 13): Knowledge(0x40, lambda: capacity),
            (1, 17): Knowledge(0x60, lambda: fluid),
            (1, 31): Knowledge(0x60, lambda: "mln/min"),
            (33, 0): Knowledge(0x40, lambda: self._share * capacity),
            (33, 3): Knowledge(0x40, lambda: self.raw_setpoint / 32000 * capacity, self._set_fsetpoint),
            (33, 7): Knowledge(0x40, lambda: 25.0 + self._share),
            (104, 1): Knowledge(0x40, lambda: self.counter),
            (113, 1): Knowledge(0x60, lambda: "DMFC"),
            (113, 2): Knowledge(0x60, lambda: "F-201CV-500-AAD-33-V"),
            (113, 3): Knowledge(0x60, lambda: serial_number),
            (113, 5): Knowledge(0x60, lambda: "V1.10"),
            (113, 6): Knowledge(0x60, lambda: self.user_tag, self._set_user_tag),
        }

    def handle(self, request: bytes, now_s: float) -> bytes:
        """Return the answer to one message that goes over the wire at a time in s; nothing if it is not for this."""
        self._pass_time(now_s)
        text = request.decode("latin-1")
        try:
            message = bytes.fromhex(text[text.index(":") + 1 :])
        except ValueError:
            return self._message(b"\x04") if LOCAL in self.nodes else b""
        if len(message) < 3 or message[1] not in self.nodes:
            return b""
        try:
            return self._answer(message[1], message[2], message)
        except ErrorReply as error:
            return self._message(bytes([message[1], 0, error.status, error.position]))

    def _answer(self, node: int, command: int, message: bytes) -> bytes:
        if message[0] != len(message) - 1:
            raise ErrorReply(PROTOCOL_ERROR, 0)
        if command == 4:
            return self._message(bytes([node, 2]) + self._read(message))
        if command not in {1, 2, 3}:
            raise ErrorReply(COMMAND_ERROR, 2)
        self._write(message)
        # Of an OK, the position is the end of the message, counted from the command on.
        return self._message(bytes([node, 0, 0, len(message) - 2])) if command == 1 else b""

    @staticmethod
    def _message(content: bytes) -> bytes:
        return f":{len(content):02X}{content.hex().upper()}\r\n".encode()

    def _read(self, message: bytes) -> bytes:
        """Return all that is asked for, each called as the request wants it."""
        answer = bytearray()
        place, more_processes = 3, True
        while more_processes:
            if place >= len(message):
                raise ErrorReply(PROTOCOL_ERROR, len(message))
            more_processes, more_parameters = message[place] >= 0x80, True
            answer.append(message[place])
            place += 1
            while more_parameters:
                if len(message) < place + 3:
                    raise ErrorReply(PROTOCOL_ERROR, len(message))
                called, process, wanted = message[place : place + 3]
                more_parameters = called >= 0x80
                known = self._find(process, wanted, place + 2)
                place += 3
                length = 0
                if known.type_bits == 0x60:
                    length = message[place] if place < len(message) else 0
                    place += 1
                answer += bytes([called]) + self._encode(known, length)
        return bytes(answer)

    def _write(self, message: bytes) -> None:
        """Take one value: this instrument knows no chains here."""
        if len(message) < 6:
            raise ErrorReply(PROTOCOL_ERROR, len(message))
        known = self._find(message[3], message[4], 4)
        if known.set is None:
            raise ErrorReply(READ_ONLY, 4)
        data = message[5:]
        if known.type_bits == 0x60:
            value: Any = data[1:].decode("latin-1").rstrip(" \0")
        elif len(data) == struct.calcsize(FORMATS[known.type_bits]):
            (value,) = struct.unpack(FORMATS[known.type_bits], data)
        else:
            raise ErrorReply(PROTOCOL_ERROR, len(message))
        if not known.set(value):
            raise ErrorReply(VALUE_ERROR, 5)

    def _find(self, process: int, type_and_number: int, position: int) -> Knowledge:
        if not any(process == known_process for known_process, _ in self._known):
            raise ErrorReply(PROCESS_ERROR, position - 1)
        known = self._known.get((process, type_and_number & 0x1F))
        if known is None:
            raise ErrorReply(PARAMETER_ERROR, position)
        if known.type_bits != type_and_number & 0x60:
            raise ErrorReply(TYPE_ERROR, position)
        return known

    @staticmethod
    def _encode(known: Knowledge, length: int) -> bytes:
        if known.type_bits != 0x60:
            return struct.pack(FORMATS[known.type_bits], known.get())
        text: bytes = known.get().encode("latin-1")
        return bytes([length]) + (text.ljust(length)[:length] if length else text + b"\0")

    def _set_setpoint(self, raw: int) -> bool:
        if raw <= 32000:
            self.raw_setpoint = raw
        return raw <= 32000

    def _set_fsetpoint(self, flow: float) -> bool:
        return flow >= 0.0 and self._set_setpoint(round(flow / self.capacity * 32000))

    def _set_control_mode(self, mode: int) -> bool:
        if mode <= 20:
            self.control_mode = mode
        return mode <= 20

    def _set_user_tag(self, tag: str) -> bool:
        self.user_tag = tag
        return True

    def _pass_time(self, now_s: float) -> None:
        if self._time_s is not None:
            target = FIXED_FLOWS.get(self.control_mode, self.raw_setpoint / 32000)
            passed_s = now_s - self._time_s
            short = (self._share - target) * -math.expm1(-passed_s / self.time_constant_s)
            self.counter += (target * passed_s + short * self.time_constant_s) * self.capacity / 60.0
            self._share -= short
        self._time_s = now_s


def device(*, delay_s: float = 0.0, **options: Any) -> ByteSimulator:
    """Return a new instrument for any wire.

    Args:
        delay_s: How long it takes before it answers, in s.
        options: The arguments of :class:`SimulatedBronkhorst`.
    """
    return MessageSimulator(SimulatedBronkhorst(**options).handle, until(b"\r\n"), delay_s=delay_s)


def simulate(*, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ByteTransport:
    """Return a transport with a new instrument at its end; the options are those of :func:`device`."""
    return in_memory(device(**options), clock=clock, name="simulated bronkhorst")
