"""Driver for Omega CN7800 temperature controllers, and the CN7200, CN7500 and CN7600: all are Delta's DTB series.

Source: Omega's manual of the CN7800 and Delta's of the DTB series, both on communication: registers, bits, functions
(2, 3 for 8 registers at most, 5 and 6), formats of the serial line.
"""

from pathlib import Path

from PyExpLabSys.errors import CommandRejectedError, InstrumentError, ProtocolError
from PyExpLabSys.instrument import InstrumentInfo, InstrumentOn
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.modbus import ModbusTransport, open_modbus_rtu
from PyExpLabSys.transport.modbus_unit import ModbusUnit
from PyExpLabSys.transport.serial_channel import SerialSettings

BY_ID = Path("/dev/serial/by-id")

PROCESS_VALUE, SETPOINT, UPPER_LIMIT, LOWER_LIMIT, CONTROL_METHOD, OUTPUT = (
    0x1000,
    0x1001,
    0x1002,
    0x1003,
    0x1005,
    0x1012,
)
WRITING_ALLOWED, DISPLAY_IN_DEGC, RUNNING = 0x0810, 0x0811, 0x0814
CONTROL_METHODS = ("PID", "on/off", "manual", "PID program")
#: Registers hold temperatures in tenths of a degree, as 16 bits with a sign.
TENTHS = 10.0
#: A process value from here up to the highest code is no temperature.
CODES = range(0x8000, 0x8010)
NO_TEMPERATURE = {
    0x8002: "it is still starting",
    0x8003: "no sensor is connected",
    0x8004: "the sensor's input is wrong",
    0x8006: "its converter fails",
    0x8007: "its memory fails",
}
SETPOINT_MIN_DEGC, SETPOINT_MAX_DEGC = -999.0, 3276.7
PERCENT_MAX = 100.0


def decode_temperature(register: int) -> float:
    """Return the temperature that a register holds, in degC or whatever the instrument shows.

    Raises:
        CommandRejectedError: it holds an error code in place of a temperature.
    """
    if register in CODES:
        reason = NO_TEMPERATURE.get(register, "a code that the manual does not have")
        raise CommandRejectedError(f"no temperature, the instrument gives 0x{register:04X}: {reason}")
    return (register - 0x10000 if register >= 0x8000 else register) / TENTHS


def encode_setpoint(temperature_degc: float) -> int:
    """Return a setpoint as a register holds it; what lies between tenths is rounded."""
    if not SETPOINT_MIN_DEGC <= temperature_degc <= SETPOINT_MAX_DEGC:
        raise ValueError(f"a setpoint of {temperature_degc} is outside {SETPOINT_MIN_DEGC} to {SETPOINT_MAX_DEGC}")
    return round(temperature_degc * TENTHS) & 0xFFFF


def decode_output(register: int) -> float:
    """Return the share of the time in % for which an output is on.

    Raises:
        ProtocolError: it is above 100 %.
    """
    if register > PERCENT_MAX * TENTHS:
        raise ProtocolError(f"an output of {register / TENTHS} %")
    return register / TENTHS


class CN7800(InstrumentOn[ModbusTransport]):
    """One controller on an RS-485 line; it must be set to RTU with 8 bits.

    Args:
        port: A name in ``/dev/serial/by-id``, or anything that
            :func:`~PyExpLabSys.transport.serial_channel.open_serial` opens.
        address: The controller's on its line, 1 to 247.
        transport: The line, if it is open already, as it is where several controllers share it; the port means
            nothing then.

    Attributes:
        temperature: What :meth:`read_temperature` returned last, None before; it does not ask the instrument.
    """

    INFO = InstrumentInfo(
        maker="Omega",
        model="CN7200, CN7500, CN7600, CN7800 (Delta DTB)",
        buses=("Modbus RTU", "RS-485"),
        quantities={"read_temperature": "degC", "read_setpoint": "degC", "read_output": "%"},
        serial=SerialSettings(baudrate=9600, bytesize=8, parity="E"),
    )
    #: As long as in the setups where these instruments run.
    TIMEOUT_S = 0.5
    #: The manual names no limit; twice the time-out leaves as much again for one that was busy.
    LATE_S = 1.0

    def __init__(self, port: str, *, address: int = 1, transport: ModbusTransport | None = None) -> None:
        super().__init__(
            transport or open_modbus_rtu(find_port(port), baudrate=9600, parity="E"), owns=transport is None
        )
        self._unit = ModbusUnit(self._transport, address, timeout_s=self.TIMEOUT_S, late_s=self.LATE_S)
        self.temperature: float | None = None

    @classmethod
    def identify(cls, transport: ByteTransport) -> str | None:
        """Return a text if the slave with address 1 has the registers of a controller of this family, else None."""
        # A wire to which a controller at the lowest of its speeds may be connected.
        controller = cls("", transport=ModbusTransport(transport, baudrate=2400))
        try:
            setpoint, upper, lower = controller._unit.read_holding_registers(SETPOINT, 3)
            method = controller.read_control_method()
            limits_fit = decode_temperature(lower) <= decode_temperature(setpoint) <= decode_temperature(upper)
        except InstrumentError:
            return None
        return f"Omega CN7800 or Delta DTB at address 1, control {method}" if limits_fit else None

    def read_temperature(self) -> float:
        """Return the process temperature in the unit that the instrument shows, usually degC; new every 0.4 s.

        Raises:
            CommandRejectedError: it has none: it is starting, or the sensor is missing or faulty.
        """
        self.temperature = decode_temperature(self._read(PROCESS_VALUE))
        return self.temperature

    def read_setpoint(self) -> float:
        """Return the setpoint in the unit that the instrument shows, usually degC."""
        return decode_temperature(self._read(SETPOINT))

    def write_setpoint(self, value: float) -> None:
        """Regulate to a temperature in the unit that the instrument shows, usually degC; it has tenths.

        Raises:
            CommandRejectedError: it is beyond the limits that are set in the instrument, or writing is not allowed.
        """
        register = encode_setpoint(value)
        try:
            # Function 6: 16 is not among those that the manual knows.
            self._unit.write_register(SETPOINT, register)
        except CommandRejectedError as error:
            raise CommandRejectedError(
                f"{error}; is {value} between the limits set in the instrument, and was it told allow_writing()?"
            ) from error

    def allow_writing(self, allowed: bool = True) -> None:
        """Let the instrument take what is written to it, which it refuses when it comes from the factory."""
        self._unit.write_coil(WRITING_ALLOWED, allowed)

    def read_writing_allowed(self) -> bool:
        """Return whether the instrument takes what is written to it."""
        return self._read_bit(WRITING_ALLOWED)

    def read_unit(self) -> str:
        """Return in which unit the instrument shows temperatures: ``degC`` or ``degF``."""
        return "degC" if self._read_bit(DISPLAY_IN_DEGC) else "degF"

    def read_control_method(self) -> str:
        """Return how it regulates: one of ``CONTROL_METHODS``."""
        number = self._read(CONTROL_METHOD)
        if number >= len(CONTROL_METHODS):
            raise ProtocolError(f"control method {number}: there are 0 to {len(CONTROL_METHODS) - 1}")
        return CONTROL_METHODS[number]

    def read_output(self) -> float:
        """Return for which share of the time output 1 is on, in %."""
        return decode_output(self._read(OUTPUT))

    def read_running(self) -> bool:
        """Return whether it regulates."""
        return self._read_bit(RUNNING)

    def set_running(self, running: bool) -> None:
        """Let it regulate, or stop."""
        self._unit.write_coil(RUNNING, running)

    def _read(self, register: int) -> int:
        (value,) = self._unit.read_holding_registers(register)
        return value

    def _read_bit(self, address: int) -> bool:
        (value,) = self._unit.read_discrete_inputs(address)
        return value


def find_port(port: str) -> str:
    """Return the path of a port that may be given by its name in ``/dev/serial/by-id``, as older scripts do."""
    by_id = BY_ID / port
    return str(by_id) if by_id.exists() else port
