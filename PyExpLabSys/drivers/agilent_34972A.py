"""Driver for the Agilent (Keysight) 34972A data acquisition unit, and for the 34970A, its twin with RS-232 and GPIB.

Source: Agilent, "34970A/34972A User's Guide" and command reference: rules for channel lists, scanning (ROUTe:SCAN,
TRIGger, INITiate, FETCh?), CONFigure?, status system (operation condition register).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from PyExpLabSys.drivers.scpi import LINE_FEED, SCPI
from PyExpLabSys.errors import CommandRejectedError, InstrumentError, ProtocolError
from PyExpLabSys.instrument import InstrumentInfo
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.ieee488 import decode_number, decode_reading, decode_register
from PyExpLabSys.transport.serial_channel import SerialSettings

FIRST_CHANNEL = 101
LAST_CHANNEL = 399
#: Bit 4 of the operation condition register.
SCAN_IN_PROGRESS = 16
POLL_S = 0.025
LONGEST_INTERVAL_S = 359999.0
INTEGRATION_TIMES_PLC = (0.02, 0.2, 1.0, 2.0, 10.0, 20.0, 100.0, 200.0)
#: How the header of NPLC is for each function that integrates; all others have a fixed or no integration time.
NPLC_HEADERS = {
    "VOLT": "VOLT:DC",
    "CURR": "CURR:DC",
    "RES": "RES",
    "FRES": "FRES",
    "TEMP": "TEMP",
}

CHANNELS = re.compile(r"\(@((?:\d{3}(?::\d{3})?(?:,\d{3}(?::\d{3})?)*)?)\)")
CONFIGURATIONS = re.compile(r'"[^"]*"(,"[^"]*")*')


@dataclass(frozen=True, kw_only=True)
class ChannelConfiguration:
    """What a channel measures, and how.

    Attributes:
        channel: Its number: slot, then channel in the slot.
        function: ``VOLT``, ``VOLT:AC``, ``CURR``, ``RES``, ``FRES``, ``TEMP``, ``FREQ``, ...
        sensor: What stands before range and resolution, ``("TC", "K")``; empty for most functions.
        range: In the unit of the function; None if the function has none.
        resolution: Likewise.
        nplc: Integration time in cycles of the mains; None if the function does not integrate.
    """

    channel: int
    function: str
    sensor: tuple[str, ...] = ()
    range: float | None = None
    resolution: float | None = None
    nplc: float | None = None


def encode_channels(channels: Iterable[int | str]) -> str:
    """Return a channel list: ``(@101,102)``.

    Raises:
        ValueError: there can be no such channel.
    """
    numbers = [int(channel) for channel in channels]
    for number in numbers:
        if not FIRST_CHANNEL <= number <= LAST_CHANNEL or number % 100 == 0:
            raise ValueError(f"channel {number}: a slot from 1 to 3, then two digits, from 01: 101 to 399")
    return f"(@{','.join(map(str, numbers))})"


def decode_channels(block: bytes) -> list[int]:
    """Return the channels in a list, ascending if it has ranges: ``(@101,103:105)``.

    Raises:
        ProtocolError: it is no such list.
    """
    match = CHANNELS.fullmatch(block.decode("latin-1"))
    if match is None:
        raise ProtocolError(f"{block[:200]!r} is no list of channels")
    channels: list[int] = []
    for part in filter(None, match[1].split(",")):
        first, _, last = part.partition(":")
        channels.extend(range(int(first), int(last or first) + 1))
    return channels


def decode_readings(text: str, count: int) -> list[float]:
    """Return so many readings; infinite where a channel is overloaded.

    Raises:
        ProtocolError: there are more or fewer, or one is no number.
    """
    fields = text.split(",")
    if len(fields) != count:
        raise ProtocolError(
            f"{len(fields)} values of {count} channels, from {text[:80]!r}: part of the reply is missing, or"
            " FORMat:READing adds unit, time, channel or alarm; switch these OFF, or reset_device()"
        )
    return [decode_reading(field) for field in fields]


def decode_configurations(text: str, channels: list[int]) -> list[ChannelConfiguration]:
    """Return what the reply to ``CONFigure?`` says of these channels.

    Raises:
        ProtocolError: it says nothing of this kind, or of another number of channels.
    """
    parts = re.findall(r'"([^"]*)"', text) if CONFIGURATIONS.fullmatch(text) else []
    if len(parts) != len(channels):
        raise ProtocolError(f"{text[:200]!r} is no configuration of {len(channels)} channels")
    return [_decode_configuration(part, channel) for part, channel in zip(parts, channels, strict=True)]


def _decode_configuration(part: str, channel: int) -> ChannelConfiguration:
    """Read from the end: functions differ in what stands in front of range and resolution, some have none."""
    function, _, data = part.strip().partition(" ")
    fields = [field.strip() for field in data.split(",")] if data else []
    numbers: list[float] = []
    while fields and len(numbers) < 2 and fields[-1][:1] in "+-.0123456789":
        numbers.insert(0, decode_number(fields.pop()))
    range_, resolution = (*numbers, None, None)[:2]
    return ChannelConfiguration(
        channel=channel, function=function, sensor=tuple(fields), range=range_, resolution=resolution
    )


class Agilent34972ADriver(SCPI):
    """One unit with its multiplexers.

    Args:
        interface: ``lan`` (``hostname``), ``file``, ``usbtmc``, ``visa``, or, for a 34970A, ``serial``.
        hostname: Name or address.
        connection_string: The name of a VISA resource, the device node of ``file`` (by default ``/dev/usbtmc0``), or
            the port of ``serial``.
        baudrate: Of ``serial``.
        transport: Where the unit is connected already; the arguments of the connection mean nothing then.
    """

    INFO = InstrumentInfo(
        maker="Agilent",
        model="34972A, 34970A",
        buses=("TCP", "USB", "RS-232", "GPIB"),
        quantities={"read_single_scan": "unit of each channel"},
        serial=SerialSettings(baudrate=9600, xonxoff=True),
    )
    MODEL = re.compile("3497[02]A")

    def __init__(
        self,
        interface: str = "lan",
        hostname: str = "",
        connection_string: str = "",
        *,
        baudrate: int = 9600,
        transport: ByteTransport | None = None,
    ) -> None:
        super().__init__(
            interface,
            device=connection_string or ("/dev/usbtmc0" if interface == "file" else ""),
            hostname=hostname,
            baudrate=baudrate,
            visa_string=connection_string,
            line_ending=LINE_FEED,
            transport=transport,
        )

    def read_single_scan(self, *, timeout_s: float = 60.0) -> list[float]:
        """Scan all channels of the scan list once and return their readings in that order, each in its unit.

        An overloaded channel is infinite (with the sign of the input), as an open thermocouple is; it does not make the
        others worthless.

        Args:
            timeout_s: How long the scan may take. A channel takes some 5 ms, and 0.04 s for each cycle of the mains
                that it integrates over (at 50 Hz with autozero).

        Raises:
            CommandRejectedError: there is no scan list, or the unit refuses.
            InstrumentError: the scan does not end; it is stopped.
        """
        with self._transport.locked():
            count = self._query("ROUT:SCAN:SIZE?", decode_register)
            if count == 0:
                raise CommandRejectedError(f"{self._transport.name} has no channel to scan: set_scan_list() first")
            self.scpi_set("TRIG:SOURCE TIMER", "TRIG:COUNT 1", "INIT")
            self._wait_for_scan(timeout_s)
            return self._query("FETCH?", lambda text: decode_readings(text, count))

    def abort_scan(self) -> None:
        """Stop a scan; what it has read so far stays in the memory."""
        self.scpi_comm("ABORT")

    def read_configuration(self) -> str:
        """Return how the channels of the scan list are set, as text for people."""
        return "\n\n".join(
            f"Channel: {setting.channel}\n"
            f"Measurement type: {' '.join((setting.function, *setting.sensor))}\n"
            f"Range: {_shown(setting.range)}\n"
            f"Resolution: {_shown(setting.resolution)}\n"
            f"NPLC: {_shown(setting.nplc)}"
            for setting in self.read_channel_configurations()
        )

    def read_channel_configurations(self) -> list[ChannelConfiguration]:
        """Return how the channels of the scan list are set."""
        with self._transport.locked():
            channels = self._channels()
            if not channels:
                return []
            settings = self._query("CONFIGURE?", lambda text: decode_configurations(text, channels))
            nplc: dict[int, float] = {}
            for function, header in NPLC_HEADERS.items():
                integrating = [setting.channel for setting in settings if setting.function == function]
                if integrating:
                    nplc |= self._read_nplc(header, integrating)
        return [replace(setting, nplc=nplc.get(setting.channel)) for setting in settings]

    def set_scan_interval(self, seconds: float) -> None:
        """Set the time from one scan to the next, 0 to 359999 s."""
        if not 0.0 <= seconds <= LONGEST_INTERVAL_S:
            raise ValueError(f"an interval of {seconds} s is outside 0 to {LONGEST_INTERVAL_S} s")
        self.scpi_set(f"TRIG:TIMER {seconds:.10g}")

    def read_scan_interval(self) -> float:
        """Return the time from one scan to the next in s."""
        return self._query("TRIG:TIMER?", decode_number)

    def set_integration_time(self, channel: int | str, nplc: float) -> None:
        """Set over how many cycles of the mains a channel for DC voltage integrates: 0.02, 0.2, 1, 2, 10, ... 200."""
        if nplc not in INTEGRATION_TIMES_PLC:
            raise ValueError(f"an integration time of {nplc} cycles: there are {INTEGRATION_TIMES_PLC}")
        self.scpi_set(f"VOLT:DC:NPLC {nplc:g},{encode_channels([channel])}")

    def read_scan_list(self) -> list[str]:
        """Return the channels that are scanned, in this order."""
        return [str(channel) for channel in self._channels()]

    def set_scan_list(self, channels: Iterable[int | str]) -> bool:
        """Set which channels are scanned (the unit sorts them), none if empty; return True.

        Raises:
            CommandRejectedError: the unit has no such channel.
        """
        self.scpi_set(f"ROUT:SCAN {encode_channels(channels)}")
        return True

    def _channels(self) -> list[int]:
        return decode_channels(self.scpi_block("ROUT:SCAN?"))

    def _read_nplc(self, header: str, channels: list[int]) -> dict[int, float]:
        command = f"{header}:NPLC? {encode_channels(channels)}"
        return dict(zip(channels, self._query(command, lambda text: decode_readings(text, len(channels))), strict=True))

    def _wait_for_scan(self, timeout_s: float) -> None:
        clock = self._transport.clock
        deadline_s = clock.monotonic() + timeout_s
        clock.sleep(POLL_S)
        while self._query("STATUS:OPERATION:CONDITION?", decode_register) & SCAN_IN_PROGRESS:
            if clock.monotonic() > deadline_s:
                self.abort_scan()
                raise InstrumentError(
                    f"{self._transport.name}: the scan was not over after {timeout_s} s, and is stopped; a longer"
                    " timeout_s for long scan lists or integration times"
                )
            clock.sleep(POLL_S)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
