"""Driver for the XGS-600, a controller for vacuum gauges in six slots, with eight relays.

Source: Agilent's (Varian's) manual of the XGS-600: serial communication, table of commands. That ``T1`` and ``I1``
return the label of a gauge is seen in setups, not in the manual.

All that decodes raises ProtocolError for what is garbled, and CommandRejectedError for what says no.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from PyExpLabSys.errors import CommandRejectedError, InstrumentError, ProtocolError
from PyExpLabSys.instrument import Instrument, InstrumentInfo
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.serial_channel import SerialSettings, open_serial

Answer = TypeVar("Answer")

TERMINATOR = b"\r"
HIGHEST_ADDRESS = 0x20
# All printable characters but small letters, which the controller does not know.
COMMAND = re.compile(r"(?:[0-9A-F]{2}|[TI][1-9])[ -`{-~]*")
GAUGE = re.compile(r"U[ -`{-~]+|[TI][1-9]\d?")
REPLY = re.compile(rb"(?:>([ -~]*)|\?FF)\r")
PRESSURE = re.compile(r"\d\.\d{3}E[+-]\d{2}")
#: What stands in place of a pressure if there is none: ``OPEN``.
WORD = re.compile(r"[A-Z][A-Z ]*")

BOARDS = {"10": "HFIG", "3A": "IMG", "40": "CNV", "4C": "analog"}
EMPTY_SLOT = "FE"
UNITS = {"00": "Torr", "01": "mBar", "02": "Pascal"}
#: Filament 1 and filament 2 are both emission.
EMISSION = {"00": False, "01": True, "02": True}
SETPOINT_STATES = {"0": "OFF", "1": "ON", "3": "AUTO"}
NOTHING = {"": None}
RELAYS = range(1, 9)
#: The most gauges of a kind that six boards can have.
MOST_GAUGES = 12


def encode(command: str, address: int = 0) -> bytes:
    """Return the frame of a command (``02UMAIN``): number sign, two digits of address, command, carriage return."""
    if not 0 <= address <= HIGHEST_ADDRESS:
        raise ValueError(f"address {address} is outside 0 to {HIGHEST_ADDRESS}")
    if COMMAND.fullmatch(command) is None:
        raise ValueError(f"{command!r} is no command: two hexadecimal digits and data, without small letters")
    return f"#{address:02X}{command}".encode("ascii") + TERMINATOR


def encode_pressure(value: float) -> str:
    """Return a pressure as the controller wants it: ``2.500E-06``."""
    text = f"{value:.3E}"
    if not value > 0.0 or PRESSURE.fullmatch(text) is None:
        raise ValueError(f"{value} is no pressure that can be sent")
    return text


def encode_sensor(code: str, count: int | str) -> str:
    """Return what a gauge is called: ``("T", 1)`` is T1, ``("user_label", "MAIN")`` or ``("U", "MAIN")`` is UMAIN."""
    return _checked_gauge(f"{'U' if code == 'user_label' else code}{count}")


def decode(reply: bytes, command: str) -> str:
    """Return the data in the reply to a command: what stands between ``>`` and carriage return."""
    match = REPLY.fullmatch(reply)
    if match is None:
        raise ProtocolError(f"{command} answered with {reply!r}: garbled")
    if match[1] is None:
        raise CommandRejectedError(f"{command} refused with ?FF: no such command, gauge or value")
    return match[1].decode("ascii")


def decode_pressure(data: str) -> float:
    """Return the pressure of one gauge."""
    value = _decode_field(data)
    if isinstance(value, str):
        raise CommandRejectedError(f"no pressure, the controller shows {value!r}: gauge off or not connected")
    return value


def decode_pressures(data: str) -> list[float | str]:
    """Return for each gauge its pressure, or the word that the controller has instead: ``OPEN``."""
    if not data:
        raise CommandRejectedError("no pressures: the controller has no gauges")
    return [_decode_field(field) for field in data.split(",")]


def decode_boards(data: str) -> dict[int, str]:
    """Return what stands in the slots that are not empty, by slot number from 0."""
    if re.fullmatch(r"[0-9A-F]{12}", data) is None:
        raise ProtocolError(f"{data!r} are not six boards")
    codes = {slot: data[2 * slot : 2 * slot + 2] for slot in range(6)}
    return {slot: BOARDS.get(code, f"unknown ({code})") for slot, code in codes.items() if code != EMPTY_SLOT}


def decode_relays(data: str) -> list[bool]:
    """Return which of the eight relays are on, the first one first: ``0005`` is relays 1 and 3."""
    if re.fullmatch(r"00[0-9A-F]{2}", data) is None:
        raise ProtocolError(f"{data!r} are not the states of eight relays")
    return [bool(int(data, 16) >> (relay - 1) & 1) for relay in RELAYS]


class XGS600Driver(Instrument):
    """One controller. A gauge is called ``T1`` (first convection gauge), ``I1`` (first ion gauge) or ``UMAIN`` (label).

    Args:
        port: What :func:`~PyExpLabSys.transport.serial_channel.open_serial` opens.
        timeout: How long a reply may take, in s.
        address: 0 on RS-232; 1 to 32 on RS-485.
        transport: Where the controller is connected already; the port means nothing then.
    """

    INFO = InstrumentInfo(
        maker="Agilent (Varian)",
        model="XGS-600",
        buses=("RS-232", "RS-485"),
        quantities=dict.fromkeys(("read_pressure", "read_all_pressures"), "Torr, mbar or Pa, as set"),
        serial=SerialSettings(baudrate=9600),
    )
    #: The manual says 10 to 20 ms for the first byte, and names no limit: twice what setups wait by default.
    LATE_S = 4.0
    #: Not more than ten questions in a second, says the manual.
    PERIOD_S = 0.1

    def __init__(
        self,
        port: str = "/dev/ttyUSB1",
        timeout: float = 2.0,
        *,
        address: int = 0,
        transport: ByteTransport | None = None,
    ) -> None:
        encode("01", address)  # an address that does not exist shows before a port is opened
        super().__init__(transport or open_serial(port, baudrate=9600), owns=transport is None)
        self._timeout_s = timeout
        self._address = address
        self._next_s = self._transport.clock.monotonic()

    @classmethod
    def identify(cls, transport: ByteTransport) -> str | None:
        """Return what an XGS-600 on RS-232 says of its firmware and boards, None if there is none."""
        controller = cls(transport=transport)
        try:
            firmware = controller.read_software_version()
            boards = ", ".join(controller.read_boards().values())
        except InstrumentError:
            return None
        return f"XGS-600, firmware {firmware}, boards: {boards or 'none'}"

    def xgs_comm(self, command: str, expect_reply: bool = True) -> str:
        """Send a command and return the data in the reply, without ``>`` and carriage return.

        Args:
            command: Two digits and data: ``02UMAIN``.
            expect_reply: If not, return nothing. The reply is read all the same, and a refusal is an error.
        """
        data = self._query(command, str)
        return data if expect_reply else ""

    def read_all_pressures(self) -> list[float | str]:
        """Return the pressures of all gauges from the left, in the unit that is set; for some a word: ``OPEN``."""
        return self._query("0F", decode_pressures)

    def read_pressure(self, gauge_id: str) -> float:
        """Return the pressure of a gauge in the unit that is set; CommandRejectedError if it has none."""
        return self._query(f"02{_checked_gauge(gauge_id)}", decode_pressure)

    def read_boards(self) -> dict[int, str]:
        """Return what stands in the slots that are not empty: ``{0: "HFIG", 2: "CNV"}``."""
        return self._query("01", decode_boards)

    def list_all_gauges(self) -> str:
        """Return a line of text for each slot that is not empty: ``0: HFIG``."""
        return "\n".join(f"{slot}: {board}" for slot, board in self.read_boards().items())

    def read_all_user_label(self) -> dict[str, str]:
        """Return the labels of all gauges: ``{"T1": "ROUGH", "I1": "MAIN"}``."""
        labels = {}
        for kind in "TI":
            for number in range(1, MOST_GAUGES + 1):
                try:
                    labels[f"{kind}{number}"] = self._query(f"{kind}{number}", str)
                except CommandRejectedError:
                    break  # that was one more than there are
        return labels

    def filament_lit(self, gauge_id: str) -> int:
        """Return which filament of an ion gauge is lit."""
        return self._query(f"34{_checked_gauge(gauge_id)}", _decode_integer)

    def emission_status(self, gauge_id: str) -> bool:
        """Return whether an ion gauge has emission, from whichever filament."""
        return self._query(f"32{_checked_gauge(gauge_id)}", _one_of(EMISSION))

    def set_emission_off(self, gauge_id: str) -> bool:
        """Switch an ion gauge off and return whether it still has emission."""
        return self._set_emission(f"30{_checked_gauge(gauge_id)}", gauge_id)

    #: By this name scripts know it.
    set_smission_off = set_emission_off

    def set_emission_on(self, gauge_id: str, filament: int) -> bool:
        """Switch filament 1 or 2 of an ion gauge on and return whether it has emission now."""
        if filament not in {1, 2}:
            raise ValueError(f"filament {filament}: there are 1 and 2")
        return self._set_emission(f"{'31' if filament == 1 else '33'}{_checked_gauge(gauge_id)}", gauge_id)

    def read_software_version(self) -> str:
        """Return the versions of controller and boards as it tells them, four hexadecimal digits each."""
        return self._query("05", str)

    def read_pressure_unit(self) -> str:
        """Return the unit of all pressures: ``Torr``, ``mBar`` or ``Pascal``."""
        return self._query("13", _one_of(UNITS))

    def read_setpoint_state(self) -> list[bool]:
        """Return which of the eight relays are on, the first one first."""
        return self._query("03", decode_relays)

    def read_setpoint(self, channel: int) -> str:
        """Return how relay 1 to 8 is set: ``OFF``, ``ON`` or ``AUTO``."""
        return self._query(f"5F{_checked_setpoint(channel)}", _one_of(SETPOINT_STATES))

    def set_setpoint(self, channel: int, state: int | str) -> None:
        """Set relay 1 to 8 off (0 or ``OFF``), on (1 or ``ON``), or to follow its gauge (3 or ``AUTO``)."""
        codes = {name: code for code, name in SETPOINT_STATES.items()}
        code = codes.get(state, state) if isinstance(state, str) else str(state)
        if code not in SETPOINT_STATES:
            raise ValueError(f"state {state!r} is none of 0, 1, 3, 'OFF', 'ON', 'AUTO'")
        self._set(f"5E{_checked_setpoint(channel)}{code}")

    def set_setpoint_on(self, setpoint: int, sensor_code: str, sensor_count: int | str, pressure: float) -> None:
        """Let relay 1 to 8 switch on below a pressure (in the unit that is set) of a gauge (:func:`encode_sensor`)."""
        self._set(
            f"6{_checked_setpoint(setpoint)}{encode_sensor(sensor_code, sensor_count)}{encode_pressure(pressure)}"
        )

    def set_setpoint_off(self, setpoint: int, sensor_code: str, sensor_count: int | str, pressure: float) -> None:
        """Let relay 1 to 8 switch off above a pressure; arguments as those of :meth:`set_setpoint_on`."""
        self._set(
            f"7{_checked_setpoint(setpoint)}{encode_sensor(sensor_code, sensor_count)}{encode_pressure(pressure)}"
        )

    def _set_emission(self, command: str, gauge_id: str) -> bool:
        with self._transport.locked():
            self._set(command)
            return self.emission_status(gauge_id)

    def _set(self, command: str) -> None:
        """Send what is answered by ``>`` alone."""
        self._query(command, _one_of(NOTHING))

    def _query(self, command: str, decode_data: Callable[[str], Answer]) -> Answer:
        request = encode(command, self._address)
        with self._transport.locked():
            clock = self._transport.clock
            clock.sleep(max(0.0, self._next_s - clock.monotonic()))
            self._next_s = clock.monotonic() + self.PERIOD_S
            return self._ask(
                request, TERMINATOR, lambda reply: decode_data(decode(reply, command)), timeout_s=self._timeout_s
            )


def _checked_gauge(gauge_id: str) -> str:
    if GAUGE.fullmatch(gauge_id) is None:
        raise ValueError(f"{gauge_id!r} is no gauge: T1, I1 or U and a label, UMAIN")
    return gauge_id


def _checked_setpoint(channel: int) -> int:
    if channel not in RELAYS:
        raise ValueError(f"relay {channel}: there are {RELAYS[0]} to {RELAYS[-1]}")
    return channel


def _decode_field(data: str) -> float | str:
    if PRESSURE.fullmatch(data):
        return float(data)
    if WORD.fullmatch(data):
        return data
    raise ProtocolError(f"{data!r} is no pressure")


def _decode_integer(data: str) -> int:
    if re.fullmatch(r"\d{1,2}", data) is None:
        raise ProtocolError(f"{data!r} is no integer")
    return int(data)


def _one_of(meanings: dict[str, Answer]) -> Callable[[str], Answer]:
    """Return a function that knows what each of a few codes means, and no others."""

    def decode_code(data: str) -> Answer:
        if data not in meanings:
            raise ProtocolError(f"{data!r} is none of {list(meanings)}")
        return meanings[data]

    return decode_code
