"""A simulated Omega iSeries controller with a small oven.

Source: Omega's manual of the iSeries' communication option: command structure, table of commands, error messages.
"""

import math
import re
from typing import Any

from PyExpLabSys.simulators.serving.base import ByteSimulator, MessageSimulator
from PyExpLabSys.simulators.serving.memory import in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.framing import until

COMMAND_UNKNOWN = "?43"
FORMAT_WRONG = "?46"
#: Beyond this in degC a type K thermocouple has no reading.
RANGE_DEGC = 1372.0


class SimulatedISeries:
    """One instrument and its oven, which comes up to the setpoint with a time constant.

    Args:
        address: Its address on RS-485; None: on RS-232, where it has none.
        echo: Whether it repeats commands in its answers.
        temperature_degc: Of the oven at the start.
        time_constant_s: How slow the oven is.
    """

    recognition_character = "*"
    #: Above these, in degC, alarms 1 and 2 are on.
    alarm_limits_degc = (200.0, 1000.0)

    def __init__(
        self,
        *,
        address: int | None = None,
        echo: bool = True,
        temperature_degc: float = 75.4,
        time_constant_s: float = 30.0,
    ) -> None:
        self.address = "" if address is None else f"{address:02X}"
        self.echo = echo
        self.time_constant_s = time_constant_s
        # What endures a restart, and what counts: registers 1 and 2 as they stand in the instrument.
        self.stored = {"01": "2002F2", "02": "200000"}
        self.in_use = dict(self.stored)
        self.enabled = {"01": True, "02": True, "03": True, "04": True}
        self._temperature_degc = temperature_degc
        self._time_s: float | None = None

    def handle(self, request: bytes, now_s: float) -> bytes:
        """Return the answer to one line that goes over the wire at a time in s; nothing if it is not for this one."""
        self._pass_time(now_s)
        called = self.recognition_character + self.address
        line = request.decode("latin-1").rstrip("\r")
        if not line.startswith(called):
            return b""
        command = line[len(called) :]
        head, data = command[:3], command[3:]
        answer = self._obey(head, data)
        if answer in (COMMAND_UNKNOWN, FORMAT_WRONG):
            return f"{self.address}{answer}\r".encode()
        if self.echo:
            return f"{self.address}{head}{answer}\r".encode()
        # Without echo, what has no data has no answer.
        return f"{answer}\r".encode() if answer else b""

    def _obey(self, head: str, data: str) -> str:
        """Return the data of the answer, or an error code."""
        letter, index = head[:1], head[1:]
        if letter in ("R", "G", "W", "P") and index in self.stored:
            return self._reach_setpoint(letter, index, data)
        if letter in ("D", "E") and index in self.enabled:
            self.enabled[index] = letter == "E"
            return ""
        if head == "Z02":
            self.in_use = dict(self.stored)
            return ""
        fixed = {"X01": self._reading(), "V01": self._reading(), "U01": self._alarms(), "R26": "CNi3244"}
        return fixed.get(head, COMMAND_UNKNOWN)

    def _reach_setpoint(self, letter: str, index: str, data: str) -> str:
        if letter in "RG":
            return (self.stored if letter == "R" else self.in_use)[index]
        if not re.fullmatch("[0-9A-F]{6}", data):
            return FORMAT_WRONG
        self.in_use[index] = data
        if letter == "W":
            self.stored[index] = data
        return ""

    def _reading(self) -> str:
        if not -RANGE_DEGC < self._temperature_degc < RANGE_DEGC:
            return "?+999.9"
        sign = "-" if self._temperature_degc < 0 else ""
        return f"{sign}{abs(self._temperature_degc):05.1f}"

    def _alarms(self) -> str:
        first, second = (
            self.enabled[index] and self._temperature_degc > limit
            for index, limit in zip(("01", "02"), self.alarm_limits_degc, strict=True)
        )
        return "@ABC"[first + 2 * second]

    def _setpoint(self) -> float:
        bits = int(self.in_use["01"], 16)
        sign = -1.0 if bits >> 23 else 1.0
        return float(sign * (bits % 2**20) * 10.0 ** (1 - (bits >> 20) % 8))

    def _pass_time(self, now_s: float) -> None:
        if self._time_s is not None:
            left = math.exp(-(now_s - self._time_s) / self.time_constant_s)
            self._temperature_degc = self._setpoint() + (self._temperature_degc - self._setpoint()) * left
        self._time_s = now_s


def device(*, delay_s: float = 0.0, **options: Any) -> ByteSimulator:
    """Return a new instrument for any wire.

    Args:
        delay_s: How long it takes before it answers, in s.
        options: The arguments of :class:`SimulatedISeries`.
    """
    return MessageSimulator(SimulatedISeries(**options).handle, until(b"\r"), delay_s=delay_s)


def simulate(*, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ByteTransport:
    """Return a transport with a new instrument at its end; the options are those of :func:`device`."""
    return in_memory(device(**options), clock=clock, name="simulated omega_cni")
