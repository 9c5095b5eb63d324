"""What one device on a Modbus can be asked: the functions for bits and registers.

Source: "MODBUS Application Protocol Specification" V1.1b3, section 6.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PyExpLabSys.transport.modbus import Expected, ModbusTransport

if TYPE_CHECKING:
    from pymodbus.pdu import ModbusPDU

READ_BITS_MAX = 2000
WRITE_BITS_MAX = 1968
READ_REGISTERS_MAX = 125
WRITE_REGISTERS_MAX = 123
#: Function 23 has less room, since its request holds both addresses.
EXCHANGE_REGISTERS_MAX = 121


class ModbusUnit:
    """One device on a Modbus; a driver has one. Addresses of registers count from 0, as they go over the wire.

    Methods raise ValueError before a byte is sent if addresses, numbers or values are not possible in Modbus, and what
    :meth:`ModbusTransport.exchange` raises.

    Args:
        transport: What the device is on.
        address: The device's own, 1 to 255; over TCP also 0.
        timeout_s: How long a complete answer may take in s, by default as long as the transport allows.
        late_s: The longest in s that an answer may come after its question; by default the time-out.
    """

    def __init__(
        self,
        transport: ModbusTransport,
        address: int,
        *,
        timeout_s: float | None = None,
        late_s: float | None = None,
    ) -> None:
        if address not in transport.addresses:
            raise ValueError(f"no device on {transport.name} can have the address {address}: {transport.addresses}")
        self.address = address
        self._transport = transport
        self._timeout_s = timeout_s
        self._late_s = late_s

    def read_coils(self, address: int, count: int = 1) -> list[bool]:
        """Return bits that can be written (function 1)."""
        from pymodbus.pdu.bit_message import ReadCoilsRequest

        return self._read_bits(ReadCoilsRequest(address=address, count=count))

    def read_discrete_inputs(self, address: int, count: int = 1) -> list[bool]:
        """Return bits that can only be read (function 2)."""
        from pymodbus.pdu.bit_message import ReadDiscreteInputsRequest

        return self._read_bits(ReadDiscreteInputsRequest(address=address, count=count))

    def read_holding_registers(self, address: int, count: int = 1) -> list[int]:
        """Return registers that can be written, each 0 to 65535 (function 3)."""
        from pymodbus.pdu.register_message import ReadHoldingRegistersRequest

        return self._read_registers(ReadHoldingRegistersRequest(address=address, count=count))

    def read_input_registers(self, address: int, count: int = 1) -> list[int]:
        """Return registers that can only be read, each 0 to 65535 (function 4)."""
        from pymodbus.pdu.register_message import ReadInputRegistersRequest

        return self._read_registers(ReadInputRegistersRequest(address=address, count=count))

    def write_coil(self, address: int, value: bool) -> None:
        """Set a bit (function 5)."""
        from pymodbus.pdu.bit_message import WriteSingleCoilRequest

        _check_range(address, 1, 1)
        self._write(WriteSingleCoilRequest(address=address, bits=[value]))

    def write_register(self, address: int, value: int) -> None:
        """Set a register to 0 to 65535 (function 6)."""
        from pymodbus.pdu.register_message import WriteSingleRegisterRequest

        _check_range(address, 1, 1)
        _check_values([value])
        self._write(WriteSingleRegisterRequest(address=address, registers=[value]))

    def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Set bits (function 15)."""
        from pymodbus.pdu.bit_message import WriteMultipleCoilsRequest

        _check_range(address, len(values), WRITE_BITS_MAX)
        self._write(WriteMultipleCoilsRequest(address=address, bits=list(values)))

    def write_registers(self, address: int, values: Sequence[int]) -> None:
        """Set registers, each to 0 to 65535 (function 16)."""
        from pymodbus.pdu.register_message import WriteMultipleRegistersRequest

        _check_range(address, len(values), WRITE_REGISTERS_MAX)
        _check_values(values)
        self._write(WriteMultipleRegistersRequest(address=address, registers=list(values)))

    def write_and_read_registers(
        self, write_address: int, values: Sequence[int], read_address: int, count: int = 1
    ) -> list[int]:
        """Set registers, then return others, in one exchange (function 23)."""
        from pymodbus.pdu.register_message import ReadWriteMultipleRegistersRequest

        _check_range(write_address, len(values), EXCHANGE_REGISTERS_MAX)
        _check_values(values)
        _check_range(read_address, count, READ_REGISTERS_MAX)
        request = ReadWriteMultipleRegistersRequest(
            read_address=read_address, read_count=count, write_address=write_address, write_registers=list(values)
        )
        return list(self._read(request, 2 * count).registers)

    def _read_bits(self, request: "ModbusPDU") -> list[bool]:
        _check_range(request.address, request.count, READ_BITS_MAX)
        # Bits come in bytes; those behind the last one mean nothing.
        return list(self._read(request, (request.count + 7) // 8).bits[: request.count])

    def _read_registers(self, request: "ModbusPDU") -> list[int]:
        _check_range(request.address, request.count, READ_REGISTERS_MAX)
        return list(self._read(request, 2 * request.count).registers)

    def _read(self, request: "ModbusPDU", data_bytes: int) -> "ModbusPDU":
        beginning = bytes([request.function_code, data_bytes])
        return self._exchange(request, Expected(beginning, 2 + data_bytes))

    def _write(self, request: "ModbusPDU") -> None:
        # The answer repeats function, address, and the value (5, 6) or how many there were (15, 16).
        self._exchange(request, Expected((bytes([request.function_code]) + request.encode())[:5], 5))

    def _exchange(self, request: "ModbusPDU", expected: Expected) -> "ModbusPDU":
        return self._transport.exchange(self.address, request, expected, timeout_s=self._timeout_s, late_s=self._late_s)


def _check_range(address: int, count: int, longest: int) -> None:
    if not 1 <= count <= longest:
        raise ValueError(f"{count} at once is outside 1 to {longest}")
    if not 0 <= address <= 0x10000 - count:
        raise ValueError(f"{count} from address {address} on are outside 0 to 65535")


def _check_values(values: Sequence[int]) -> None:
    for value in values:
        if not 0 <= value <= 0xFFFF:
            raise ValueError(f"{value} is outside 0 to 65535, what a register holds")
