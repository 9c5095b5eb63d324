"""A simulated MKS 925 MicroPirani on a chamber that is pumped.

Source: MKS' manual of the 925 transducer: the protocol of the 9xx family (frames, addresses), table of commands, NAK
codes.
"""

import math
from typing import Any

from PyExpLabSys.simulators.serving.base import ByteSimulator, MessageSimulator
from PyExpLabSys.simulators.serving.memory import in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.framing import until

UNKNOWN = "NAK160"
ARGUMENT_WRONG = "NAK169"
OUT_OF_RANGE = "NAK172"
NEITHER_QUESTION_NOR_SETTING = "NAK175"
#: How many of each unit are a Torr.
PER_TORR = {"TORR": 1.0, "MBAR": 1.33322, "PASCAL": 133.322}
ALLOWED = {
    "U": set(PER_TORR),
    "BR": {"4800", "9600", "19200", "38400", "57600", "115200", "230400"},
    "GT": {"NITROGEN", "AIR", "ARGON", "HELIUM", "HYDROGEN"},
    "RSD": {"ON", "OFF"},
    **{f"EN{relay}": {"ON", "OFF"} for relay in "123"},
    **{f"SD{relay}": {"ABOVE", "BELOW"} for relay in "123"},
}


class SimulatedMks925:
    """One transducer; the pressure falls to that which the pump reaches, and switches three relays.

    Args:
        address: Its own.
        serial_number: Its own.
        pressure_torr: At the start.
        base_torr: Which the pump reaches.
        time_constant_s: How slow the pump is.
    """

    def __init__(
        self,
        *,
        address: int = 253,
        serial_number: str = "0720012345",
        pressure_torr: float = 760.0,
        base_torr: float = 1.0e-4,
        time_constant_s: float = 20.0,
    ) -> None:
        self.pressure_torr = pressure_torr
        self.base_torr = base_torr
        self.time_constant_s = time_constant_s
        self.settings = {"AD": f"{address:03d}", "U": "TORR", "BR": "9600", "GT": "NITROGEN", "UT": "", "RSD": "ON"}
        self.fixed = {"SN": serial_number, "MD": "925", "DT": "MICROPIRANI", "MF": "MKS", "HV": "A", "FV": "1.12"}
        self.limits_torr: dict[str, float] = {}
        self.closed = {"1": False, "2": False, "3": False}
        for relay in self.closed:
            self.settings |= {f"EN{relay}": "OFF", f"SD{relay}": "BELOW"}
            self.limits_torr |= {f"SP{relay}": 1.0, f"SH{relay}": 1.1}
        self._time_s: float | None = None

    @property
    def baudrate(self) -> int:
        """At which speed it hears and talks."""
        return int(self.settings["BR"])

    def handle(self, request: bytes, now_s: float) -> bytes:
        """Return the answer to one message that goes over the wire at a time in s; nothing if none is due."""
        self._pass_time(now_s)
        message = request.decode("latin-1").removesuffix(";FF")
        own = self.settings["AD"]
        called, command = message[:4], message[4:]
        if called not in (f"@{own}", "@254", "@255"):
            return b""
        answer = self._obey(command)
        # With the old address, also if it was just told a new one.
        return b"" if called == "@255" else f"@{own}{answer};FF".encode()

    def _obey(self, command: str) -> str:
        name, mark, argument = _split(command)
        if not mark:
            return NEITHER_QUESTION_NOR_SETTING
        if mark == "?":
            value = self._value(name.upper())
            return UNKNOWN if value is None or argument else f"ACK{value}"
        return self._set(name.upper(), argument)

    def _value(self, name: str) -> str | None:
        if name in self.limits_torr:
            return _number(self.limits_torr[name] * self._per_torr(), 2)
        changing = {
            "PR1": _number(self.pressure_torr * self._per_torr(), 2),
            "PR4": _number(self.pressure_torr * self._per_torr(), 3),
            "TIM": str(12345 + int((self._time_s or 0.0) // 3600)),
            "TEM": _number(25.0, 2),
            "T": "O",
            **{f"SS{relay}": "SET" if closed else "CLEAR" for relay, closed in self.closed.items()},
        }
        return (changing | self.fixed | self.settings).get(name)

    def _set(self, name: str, argument: str) -> str:
        if name in self.limits_torr:
            return self._set_limit(name, argument)
        if name not in self.settings:
            return UNKNOWN
        value = argument if name == "UT" else argument.upper()
        if name == "AD":
            if not value.isdigit():
                return ARGUMENT_WRONG
            if not 1 <= int(value) <= 253:
                return OUT_OF_RANGE
            value = f"{int(value):03d}"
        if name in ALLOWED and value not in ALLOWED[name]:
            return ARGUMENT_WRONG
        self.settings[name] = value
        return f"ACK{value}"

    def _set_limit(self, name: str, argument: str) -> str:
        try:
            limit = float(argument)
        except ValueError:
            return ARGUMENT_WRONG
        if not 0.0 < limit / self._per_torr() <= 1000.0:
            return OUT_OF_RANGE
        self.limits_torr[name] = limit / self._per_torr()
        return f"ACK{_number(limit, 2)}"

    def _per_torr(self) -> float:
        return PER_TORR[self.settings["U"]]

    def _pass_time(self, now_s: float) -> None:
        if self._time_s is not None:
            left = math.exp(-(now_s - self._time_s) / self.time_constant_s)
            self.pressure_torr = self.base_torr + (self.pressure_torr - self.base_torr) * left
        self._time_s = now_s
        for relay in self.closed:
            # Below the set point it closes, above the hysteresis point it opens; or the other way round.
            sign = 1.0 if self.settings[f"SD{relay}"] == "BELOW" else -1.0
            limit = self.limits_torr[f"{'SH' if self.closed[relay] else 'SP'}{relay}"]
            below = sign * self.pressure_torr < sign * limit
            self.closed[relay] = below and self.settings[f"EN{relay}"] == "ON"


def _split(command: str) -> tuple[str, str, str]:
    """Return name, mark and argument of a command; no mark if there is none."""
    marks = [position for mark in "?!" if (position := command.find(mark)) >= 0]
    if not marks:
        return command, "", ""
    position = min(marks)
    return command[:position], command[position], command[position + 1 :]


def _number(value: float, decimals: int) -> str:
    """Return a number as the instrument writes it, with no zeros in front of its exponent: ``1.23E-3``."""
    mantissa, exponent = f"{value:.{decimals}E}".split("E")
    return f"{mantissa}E{int(exponent):+d}"


def device(*, delay_s: float = 0.0, **options: Any) -> ByteSimulator:
    """Return a new instrument for any wire.

    Args:
        delay_s: How long it takes before it answers, in s.
        options: The arguments of :class:`SimulatedMks925`.
    """
    return MessageSimulator(SimulatedMks925(**options).handle, until(b";FF"), delay_s=delay_s)


def simulate(*, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ByteTransport:
    """Return a transport with a new instrument at its end; the options are those of :func:`device`."""
    return in_memory(device(**options), clock=clock, name="simulated mks_925_pirani")
