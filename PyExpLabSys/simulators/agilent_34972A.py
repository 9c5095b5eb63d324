"""A simulated Agilent 34972A (or 34970A) data acquisition unit with a 20-channel multiplexer in each of its slots.

Source: Agilent, "34970A/34972A User's Guide", chapters on channel lists, scanning, configuration and status registers;
the 34901A multiplexer: channels 1 to 20, and 21 and 22 for currents.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PyExpLabSys.simulators.scpi import Command, Refusal, SimulatedSCPI, keyword, number, serve
from PyExpLabSys.simulators.serving.base import ByteSimulator
from PyExpLabSys.simulators.serving.memory import in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock

MAINS_HZ = 50.0
#: How long in s it takes to switch to a channel.
SWITCHING_S = 0.005
#: With autozero each reading is made of two conversions.
CONVERSIONS = 2
INTEGRATION_TIMES_PLC = (0.02, 0.2, 1.0, 2.0, 10.0, 20.0, 100.0, 200.0)
CHANNELS = tuple(100 * slot + channel for slot in (1, 2, 3) for channel in range(1, 23))
IN_PROGRESS = 16
OVERLOAD = "+9.90000000E+37"
SOURCES = ("TIMer", "BUS", "IMMediate", "EXTernal", "ALARm1", "ALARm2", "ALARm3", "ALARm4")
#: The functions by the headers that choose them: how they call themselves, and their units.
FUNCTIONS = {
    "VOLTage:DC": ("VOLT", "VDC"),
    "VOLTage:AC": ("VOLT:AC", "VAC"),
    "CURRent:DC": ("CURR", "ADC"),
    "CURRent:AC": ("CURR:AC", "AAC"),
    "RESistance": ("RES", "OHM"),
    "FRESistance": ("FRES", "OHM"),
    "TEMPerature": ("TEMP", "C"),
}
EXTRA_FIELDS = {"UNIT": "UNIT", "TIME": "TIME", "CHANnel": "CHAN", "ALARm": "ALAR"}


@dataclass
class Channel:
    """How a channel measures; ``sensor`` has what stands in front of range and resolution: ``TC,K``."""

    function: str = "VOLT"
    unit: str = "VDC"
    sensor: str = ""
    range: float = 10.0
    resolution: float = 3e-6
    nplc: float = 1.0


@dataclass
class Scan:
    """A scan, as it was set when it began."""

    start_s: float
    sweeps: int
    interval_s: float
    channels: list[int]
    #: When each reading of a sweep is ready, in s from its begin.
    ready_s: list[float]
    stopped_s: float = math.inf

    def end_s(self) -> float:
        """Return when it ends by itself."""
        return self.start_s + (self.sweeps - 1) * self.interval_s + self.ready_s[-1]


class Simulated34972A(SimulatedSCPI):
    """One unit with its channels.

    Args:
        inputs: What is connected: channel and value in the unit of its function, None for more than it can measure.
            All others have a voltage that swings slowly, each channel around a hundredth of its number in V.
        reply_ending: A 34970A on RS-232 ends replies with carriage return and line feed.
        model: What it calls itself.
    """

    def __init__(
        self,
        *,
        inputs: Mapping[int, float | None] | None = None,
        reply_ending: str = "\n",
        model: str = "34972A",
    ) -> None:
        identity = f"Agilent Technologies,{model},MY49000001,1.16-12-02-01"
        super().__init__(identity=identity, reply_ending=reply_ending, keithley=False)
        self.inputs = dict(inputs or {})
        self.reset()

    def reset(self) -> None:
        """Forget settings, scan list and readings."""
        self.channels = {channel: Channel() for channel in CHANNELS}
        self.scan_list: list[int] = []
        self.trigger_source = "IMM"
        self.trigger_interval_s = 10.0
        self.trigger_count = 1.0
        self.extra = dict.fromkeys(EXTRA_FIELDS.values(), False)
        self.scan: Scan | None = None

    def commands(self) -> Mapping[str, Command]:
        """Return its commands."""
        commands: dict[str, Command] = {
            "[ROUTe:]SCAN": lambda data, _now_s: self._set_scan_list(data),
            "[ROUTe:]SCAN?": lambda _data, _now_s: _block("(@" + ",".join(map(str, self.scan_list)) + ")"),
            "[ROUTe:]SCAN:SIZE?": lambda _data, _now_s: f"{len(self.scan_list):+d}",
            "CONFigure?": lambda data, _now_s: self._configuration(data),
            "TRIGger:SOURce": lambda data, _now_s: self._set("trigger_source", keyword(data, *SOURCES)),
            "TRIGger:SOURce?": lambda _data, _now_s: self.trigger_source,
            "TRIGger:TIMer": lambda data, _now_s: self._set("trigger_interval_s", number(data, 0.0, 359999.0)),
            "TRIGger:TIMer?": lambda _data, _now_s: _nr3(self.trigger_interval_s),
            "TRIGger:COUNt": lambda data, _now_s: self._set("trigger_count", _count(data)),
            "TRIGger:COUNt?": lambda _data, _now_s: _nr3(min(self.trigger_count, 9.9e37)),
            "INITiate": lambda _data, now_s: self._start(now_s),
            "FETCh?": lambda _data, _now_s: self._readings(),
            "READ?": lambda _data, now_s: self._read(now_s),
        }
        for header, (name, unit) in FUNCTIONS.items():
            commands.update(self._commands_of(header, name, unit))
        for header, field in EXTRA_FIELDS.items():
            commands[f"FORMat:READing:{header}"] = self._extra_command(field)
        return commands

    def _commands_of(self, header: str, name: str, unit: str) -> dict[str, Command]:
        sense = "[SENSe:]" + header.replace(":DC", "[:DC]")
        return {
            f"CONFigure:{header}": lambda data, _now_s: self._configure(data, name, unit),
            f"MEASure:{header}?": lambda data, now_s: self._measure(data, name, unit, now_s),
            f"{sense}:NPLC": lambda data, _now_s: self._set_nplc(data, name),
            f"{sense}:NPLC?": lambda data, _now_s: self._nplc(data, name),
        }

    def _extra_command(self, field: str) -> Command:
        return lambda data, _now_s: self.extra.update({field: keyword(data, "ON", "OFF", "1", "0") in {"ON", "1"}})

    def operation_condition(self, now_s: float) -> int:
        """Return bit 4 while a scan is in progress."""
        running = self.scan is not None and now_s < min(self.scan.end_s(), self.scan.stopped_s)
        return IN_PROGRESS if running else 0

    def abort(self, now_s: float) -> None:
        """Stop the scan; what it has read stays in the memory."""
        if self.scan is not None:
            self.scan.stopped_s = min(self.scan.stopped_s, now_s)

    def _set_scan_list(self, data: list[str]) -> None:
        self.scan_list = _channels(data[-1:])

    def _configure(self, data: list[str], name: str, unit: str) -> None:
        channels = _channels(data[-1:])
        sensor = ""
        parameters = data[:-1]
        if name == "TEMP":
            sensor, parameters = ",".join(parameters[:2]), parameters[2:]
        chosen = [None if word.upper() in {"AUTO", "DEF"} else number([word]) for word in parameters]
        default = (1.0, 3e-6) if name == "TEMP" else (10.0, 3e-6)
        range_, resolution = (*[value or default[place] for place, value in enumerate(chosen)], *default[len(chosen) :])
        for channel in channels:
            self.channels[channel] = Channel(name, unit, sensor, range_, resolution)
        self.scan_list = channels

    def _configuration(self, data: list[str]) -> str:
        settings = (self.channels[channel] for channel in (_channels(data) if data else self.scan_list))
        return ",".join(
            f'"{channel.function} {channel.sensor + "," if channel.sensor else ""}'
            f'{channel.range:+.6E},{channel.resolution:+.6E}"'
            for channel in settings
        )

    def _set_nplc(self, data: list[str], name: str) -> None:
        channels = _channels(data[1:]) if len(data) > 1 else self.scan_list
        nplc = number(data[:1], INTEGRATION_TIMES_PLC[0], INTEGRATION_TIMES_PLC[-1])
        self._check_function(channels, name)
        for channel in channels:
            self.channels[channel].nplc = next(step for step in INTEGRATION_TIMES_PLC if step >= nplc)

    def _nplc(self, data: list[str], name: str) -> str:
        channels = _channels(data) if data else self.scan_list
        self._check_function(channels, name)
        return ",".join(_nr3(self.channels[channel].nplc) for channel in channels)

    def _check_function(self, channels: list[int], name: str) -> None:
        if not channels or any(self.channels[channel].function != name for channel in channels):
            raise Refusal(-221)

    def _set(self, name: str, value: str | float) -> None:
        setattr(self, name, value)

    def _measure(self, data: list[str], name: str, unit: str, now_s: float) -> str:
        self._configure(data, name, unit)
        return self._read(now_s)

    def _read(self, now_s: float) -> str:
        self._start(now_s)
        return self._readings()

    def _start(self, now_s: float) -> None:
        if not self.scan_list:
            raise Refusal(-221)
        if self.operation_condition(now_s):
            raise Refusal(-213)
        ready_s = []
        passed_s = 0.0
        for channel in self.scan_list:
            passed_s += SWITCHING_S + CONVERSIONS * self.channels[channel].nplc / MAINS_HZ
            ready_s.append(passed_s)
        interval_s = self.trigger_interval_s if self.trigger_source == "TIM" else 0.0
        sweeps = int(min(self.trigger_count, 50000.0))
        self.scan = Scan(now_s, sweeps, max(interval_s, passed_s), list(self.scan_list), ready_s)

    def _readings(self) -> str:
        """Return the memory, as soon as the scan is over."""
        scan = self.scan
        if scan is None:
            raise Refusal(-230)
        self.busy_until_s = min(scan.end_s(), scan.stopped_s)
        times = [
            (channel, scan.start_s + sweep * scan.interval_s + ready_s)
            for sweep in range(scan.sweeps)
            for channel, ready_s in zip(scan.channels, scan.ready_s, strict=True)
        ]
        readings = [self._reading(channel, time_s) for channel, time_s in times if time_s <= scan.stopped_s]
        if not readings:
            raise Refusal(-230)
        return ",".join(readings)

    def _reading(self, channel: int, time_s: float) -> str:
        swing = channel / 100 + 0.01 * math.sin(2 * math.pi * time_s / 60.0 + channel)
        value = self.inputs.get(channel, swing)
        settings = self.channels[channel]
        beyond = value is None or (settings.function in {"VOLT", "CURR", "RES"} and abs(value) > 1.2 * settings.range)
        reading = OVERLOAD if beyond or value is None else _nr3(value)
        reading += f" {settings.unit}" if self.extra["UNIT"] else ""
        reading += f",{time_s - self.scan.start_s:013.3f}" if self.extra["TIME"] and self.scan else ""
        reading += f",{channel}" if self.extra["CHAN"] else ""
        return reading + (",0" if self.extra["ALAR"] else "")


def _nr3(value: str | float) -> str:
    return f"{float(value):+.8E}"


def _block(text: str) -> str:
    return f"#{len(str(len(text)))}{len(text)}{text}"


def _count(data: list[str]) -> float:
    return math.inf if data and data[0].upper() in {"INF", "INFINITY"} else number(data, 1.0, 50000.0)


def _channels(data: list[str]) -> list[int]:
    """Return the channels of a list such as ``(@101,103:105)``, in the order in which they are scanned."""
    if not data:
        raise Refusal(-109)
    match = re.fullmatch(r"\(@\s*((?:\d+(?::\d+)?\s*(?:,\s*)?)*)\)", data[0])
    if match is None:
        raise Refusal(-102)
    channels: set[int] = set()
    for part in filter(None, re.split(r"[,\s]+", match[1])):
        first, _, last = part.partition(":")
        ends = (int(first), int(last or first))
        # What lies between may be absent, but not the ends.
        if not set(ends) <= set(CHANNELS):
            raise Refusal(-222)
        channels.update(channel for channel in CHANNELS if ends[0] <= channel <= ends[1])
    return sorted(channels)


def device(**options: Any) -> ByteSimulator:
    """Return a new unit for any wire; the options are the arguments of :class:`Simulated34972A`."""
    return serve(Simulated34972A(**options))


def simulate(*, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ByteTransport:
    """Return a transport with a new unit at its end; the options are those of :func:`device`."""
    return in_memory(device(**options), clock=clock, name="simulated agilent_34972A")
