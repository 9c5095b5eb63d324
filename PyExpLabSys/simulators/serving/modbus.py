"""The other side of a Modbus: a bank of registers and bits, served as an RTU slave or over TCP.

It encodes and decodes by itself, so that an error of the library behind
:class:`~PyExpLabSys.transport.modbus.ModbusTransport` shows.

Source: "MODBUS Application Protocol Specification" V1.1b3, sections 6 and 7; "MODBUS over serial line" V1.02,
section 2.5.1 and appendix B (the CRC); "MODBUS Messaging on TCP/IP" V1.0b, section 3.1.
"""

import struct
from collections.abc import Mapping, Set
from enum import IntEnum

from PyExpLabSys.errors import CommandRejectedError
from PyExpLabSys.simulators.serving.base import Answer

FUNCTIONS = frozenset({1, 2, 3, 4, 5, 6, 15, 16, 23})
CHARACTER_BITS = 11
#: A frame that stops for so long in s is over, complete or not. The bus says 1.5 characters; pseudo-terminals and
#: networks hold bytes up for longer.
PAUSE_S = 0.05
TCP_HEADER_BYTES = 7


class Refusal(IntEnum):
    """Why a request is answered with an exception; the values are the codes."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    FAILURE = 4
    NO_ANSWER_BEHIND_GATEWAY = 11


class RefusedError(CommandRejectedError):
    """A bank does not do what it was asked; it becomes an exception reply."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"exception {refusal.value}")
        self.refusal = refusal


class RegisterBank:
    """What one device has to read and write; a simulated instrument derives from it.

    Two tables may be one dictionary, as in the many devices that answer the same to functions 3 and 4.

    Args:
        coils: Bits that can be written, by address.
        inputs: Bits that can only be read.
        holding: Registers that can be written, each 0 to 65535.
        input_registers: Registers that can only be read.
        functions: Those that the device knows.
        longest: How many registers it hands out at once.
    """

    def __init__(
        self,
        *,
        coils: dict[int, int] | None = None,
        inputs: dict[int, int] | None = None,
        holding: dict[int, int] | None = None,
        input_registers: dict[int, int] | None = None,
        functions: Set[int] = FUNCTIONS,
        longest: int = 125,
    ) -> None:
        self.coils = {} if coils is None else coils
        self.inputs = {} if inputs is None else inputs
        self.holding = {} if holding is None else holding
        self.input_registers = {} if input_registers is None else input_registers
        self.functions = functions
        self.longest = longest

    def update(self, now_s: float) -> None:
        """Bring all values up to a time in s; nothing changes by itself here, in instruments it does."""

    def write(self, table: dict[int, int], address: int, value: int) -> None:
        """Take a value; instruments do more.

        Raises:
            RefusedError: the device does not take it.
        """
        table[address] = value

    def handle(self, request: bytes, now_s: float) -> bytes:
        """Return the reply to a request, both from the function on and without a checksum."""
        function = request[0]
        try:
            self.update(now_s)
            return bytes([function]) + self._answer(function, request[1:])
        except RefusedError as error:
            return bytes([function | 0x80, error.refusal])

    def _answer(self, function: int, body: bytes) -> bytes:
        if function not in self.functions:
            raise RefusedError(Refusal.FUNCTION)
        try:
            first, second = struct.unpack_from(">HH", body)
            if function in {1, 2}:
                return self._read_bits(self.coils if function == 1 else self.inputs, first, second)
            if function in {3, 4}:
                return self._read_registers(self.holding if function == 3 else self.input_registers, first, second)
            if function in {5, 6}:
                self._write_one(function, first, second)
                return body
            if function == 23:
                write_address, count = struct.unpack_from(">HH", body, 4)
                self._write_registers(write_address, count, body[8:])
                return self._read_registers(self.holding, first, second)
            if function == 15:
                self._write_bits(first, second, body[4:])
            else:
                self._write_registers(first, second, body[4:])
            return body[:4]
        except struct.error:  # it is too short
            raise RefusedError(Refusal.VALUE) from None

    def _read_bits(self, table: Mapping[int, int], address: int, count: int) -> bytes:
        values = self._values(table, address, count, 2000)
        packed = sum((1 if value else 0) << position for position, value in enumerate(values))
        length = (count + 7) // 8
        return bytes([length]) + packed.to_bytes(length, "little")

    def _read_registers(self, table: Mapping[int, int], address: int, count: int) -> bytes:
        values = self._values(table, address, count, self.longest)
        return struct.pack(f">B{count}H", 2 * count, *values)

    def _write_one(self, function: int, address: int, value: int) -> None:
        if function == 5:
            if value not in {0x0000, 0xFF00}:
                raise RefusedError(Refusal.VALUE)
            self._write(self.coils, address, [value >> 15])
        else:
            self._write(self.holding, address, [value])

    def _write_bits(self, address: int, count: int, body: bytes) -> None:
        if not 1 <= count <= 1968 or body[:1] != bytes([(count + 7) // 8]) or len(body) != 1 + body[0]:
            raise RefusedError(Refusal.VALUE)
        packed = int.from_bytes(body[1:], "little")
        self._write(self.coils, address, [packed >> position & 1 for position in range(count)])

    def _write_registers(self, address: int, count: int, body: bytes) -> None:
        if not 1 <= count <= 123 or body[:1] != bytes([2 * count]) or len(body) != 1 + body[0]:
            raise RefusedError(Refusal.VALUE)
        self._write(self.holding, address, list(struct.unpack(f">{count}H", body[1:])))

    def _write(self, table: dict[int, int], address: int, values: list[int]) -> None:
        # All or nothing.
        self._values(table, address, len(values), len(values))
        for offset, value in enumerate(values):
            self.write(table, address + offset, value)

    @staticmethod
    def _values(table: Mapping[int, int], address: int, count: int, longest: int) -> list[int]:
        if not 1 <= count <= longest:
            raise RefusedError(Refusal.VALUE)
        if not all(wanted in table for wanted in range(address, address + count)):
            raise RefusedError(Refusal.ADDRESS)
        return [table[wanted] for wanted in range(address, address + count)]


class RtuSlave:
    """A bank on a serial line, where it hears what is for others, too; several make a ``SharedLine``.

    Args:
        bank: What it has.
        address: Its own, 1 to 247.
        delay_s: How long it takes before it answers, in s.
        baudrate: How fast the bytes of request and reply travel; None: at once.
    """

    def __init__(
        self, bank: RegisterBank, address: int = 1, *, delay_s: float = 0.0, baudrate: int | None = None
    ) -> None:
        self._bank = bank
        self._address = address
        self._delay_s = delay_s
        self._character_s = CHARACTER_BITS / baudrate if baudrate else 0.0
        self._buffer = b""
        self._heard_s = 0.0

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        """Return the replies to requests that are complete with these bytes and for this address."""
        if now_s - self._heard_s > PAUSE_S:
            self._buffer = b""
        self._heard_s = now_s
        self._buffer += data
        answers = []
        while (length := rtu_request_length(self._buffer)) is not None:
            request, self._buffer = self._buffer[:length], self._buffer[length:]
            if crc16(request) != 0:
                # Where the next one begins, only a pause can tell.
                self._buffer = b""
                break
            if request[0] in {0, self._address}:
                reply = self._bank.handle(request[1:-2], now_s)
                if request[0] != 0:  # what is for all is answered by none
                    answers.append(self._answer(request, with_crc(bytes([self._address]) + reply)))
        return answers

    def _answer(self, request: bytes, reply: bytes) -> Answer:
        return Answer(self._delay_s + self._character_s * (len(request) + len(reply)), reply)


class TcpUnits:
    """One or several banks behind one Modbus TCP port, as a device or a gateway has them.

    Args:
        units: The banks by their addresses.
        delay_s: How long an answer takes in s.
    """

    def __init__(self, units: Mapping[int, RegisterBank], *, delay_s: float = 0.0) -> None:
        self._units = units
        self._delay_s = delay_s
        self._buffer = b""
        self._heard_s = 0.0

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        """Return the replies to requests that are complete with these bytes."""
        if now_s - self._heard_s > 1.0:  # half a request of somebody who has gone
            self._buffer = b""
        self._heard_s = now_s
        self._buffer += data
        answers = []
        while len(self._buffer) > TCP_HEADER_BYTES:
            transaction, protocol, length, unit = struct.unpack_from(">HHHB", self._buffer)
            if protocol != 0 or not 2 <= length <= 254:
                self._buffer = b""
                break
            if len(self._buffer) < 6 + length:
                break
            request, self._buffer = self._buffer[TCP_HEADER_BYTES : 6 + length], self._buffer[6 + length :]
            reply = self._reply(unit, request, now_s)
            header = struct.pack(">HHHB", transaction, 0, 1 + len(reply), unit)
            answers.append(Answer(self._delay_s, header + reply))
        return answers

    def _reply(self, unit: int, request: bytes, now_s: float) -> bytes:
        if unit not in self._units:
            return bytes([request[0] | 0x80, Refusal.NO_ANSWER_BEHIND_GATEWAY])
        return self._units[unit].handle(request, now_s)


def rtu_request_length(buffer: bytes) -> int | None:
    """Return how long the request at the begin of these bytes is, checksum included; None if it is not complete."""
    if len(buffer) < 4:
        return None
    function = buffer[1]
    if function in {1, 2, 3, 4, 5, 6}:
        length = 8
    elif function in {15, 16} and len(buffer) > 6:
        length = 9 + buffer[6]
    elif function == 23 and len(buffer) > 10:
        length = 13 + buffer[10]
    elif function not in {15, 16, 23} and crc16(buffer) == 0:
        # A function that nobody here knows: it ends where its checksum fits.
        length = len(buffer)
    else:
        return None
    return length if len(buffer) >= length else None


def crc16(data: bytes) -> int:
    """Return the checksum of Modbus; over a frame that has its own, low byte first, it is 0."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def with_crc(frame: bytes) -> bytes:
    """Return a frame with its checksum."""
    return frame + crc16(frame).to_bytes(2, "little")
