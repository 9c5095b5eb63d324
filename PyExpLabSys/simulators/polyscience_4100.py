"""A simulated PolyScience 4100 chiller with its bath.

Source: PolyScience's manuals of the 4100 and its sister series, on serial communication.
"""

import math
from typing import Any

from PyExpLabSys.simulators.serving.base import ByteSimulator, MessageSimulator
from PyExpLabSys.simulators.serving.memory import in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.framing import until

#: What the unit refuses to be set to, in degC, is below or above these.
LOWEST_DEGC, HIGHEST_DEGC = 5, 35
UNKNOWN = "?"


class SimulatedChiller:
    """One chiller; its fluid comes to the setpoint while it runs, and to the temperature of the room in standby.

    Args:
        temperature_degc: Of the fluid at the start.
        setpoint_degc: At the start.
        ambient_degc: Of the room.
        time_constant_s: How slow the fluid is.
        running: Whether it runs at the start.
        echo: Whether it repeats each command, with the carriage return, in front of its reply.
    """

    def __init__(
        self,
        *,
        temperature_degc: float = 19.8,
        setpoint_degc: float = 20.0,
        ambient_degc: float = 24.0,
        time_constant_s: float = 120.0,
        running: bool = True,
        echo: bool = False,
    ) -> None:
        self.setpoint_degc = setpoint_degc
        self.ambient_degc = ambient_degc
        self.time_constant_s = time_constant_s
        self.running = running
        self.echo = echo
        self._temperature_degc = temperature_degc
        self._time_s: float | None = None

    def handle(self, request: bytes, now_s: float) -> bytes:
        """Return the reply to one request, which comes with its carriage return at a time in s."""
        self._pass_time(now_s)
        repeated = request if self.echo else b""
        command = request.decode("latin-1").removesuffix("\r")
        reply = self._set(command) if command.startswith("S") else self._reading(command)
        return repeated + reply.encode() + b"\r"

    def _set(self, command: str) -> str:
        letters, digits = command[:2], command[2:]
        if letters in ("SE", "SO") and digits in ("0", "1"):
            if letters == "SE":
                self.echo = digits == "1"
            else:
                self.running = digits == "1"
            return "!"
        if letters == "SS" and len(digits) == 3 and digits.isdigit() and LOWEST_DEGC <= int(digits) <= HIGHEST_DEGC:
            self.setpoint_degc = float(digits)
            return "!"
        return UNKNOWN

    def _reading(self, command: str) -> str:
        letters = {"RU": "C", "RW": "1" if self.running else "0", "RF": "00"}
        numbers = {
            "RS": self.setpoint_degc,
            "RT": self._temperature_degc,
            "R1": self._temperature_degc,
            "RA": self.ambient_degc + 5.0,
            "RK": 345.0 if self.running else 0.0,
            "RP": 50.0 if self.running else 0.0,
            "RL": 12.4 if self.running else 0.0,
            "RG": 3.3 if self.running else 0.0,
        }
        if command in numbers:
            return f"{'-' if numbers[command] < 0 else '+'}{abs(numbers[command]):05.1f}"
        return letters.get(command, UNKNOWN)

    def _pass_time(self, now_s: float) -> None:
        if self._time_s is not None:
            end_degc = self.setpoint_degc if self.running else self.ambient_degc
            left = math.exp(-(now_s - self._time_s) / self.time_constant_s)
            self._temperature_degc = end_degc + (self._temperature_degc - end_degc) * left
        self._time_s = now_s


def device(*, delay_s: float = 0.0, **options: Any) -> ByteSimulator:
    """Return a new chiller for any wire.

    Args:
        delay_s: How long it takes before it answers, in s.
        options: The arguments of :class:`SimulatedChiller`.
    """
    return MessageSimulator(SimulatedChiller(**options).handle, until(b"\r"), delay_s=delay_s)


def simulate(*, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ByteTransport:
    """Return a transport with a new chiller at its end; the options are those of :func:`device`."""
    return in_memory(device(**options), clock=clock, name="simulated polyscience_4100")
