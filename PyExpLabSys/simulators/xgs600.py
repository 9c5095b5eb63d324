"""A simulated XGS-600 controller with gauges on chambers that are pumped.

Source: Agilent's (Varian's) manual of the XGS-600: serial communication, table of commands.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PyExpLabSys.simulators.serving.base import ByteSimulator, MessageSimulator
from PyExpLabSys.simulators.serving.memory import in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.framing import until

REFUSAL = b"?FF\r"
#: How many of each unit are a Torr, by the command that sets it.
PER_TORR = {"10": 1.0, "11": 1.33322, "12": 133.322}
MODE_OFF, MODE_ON, MODE_AUTO = "0", "1", "3"


@dataclass
class SimulatedGauge:
    """A gauge and the chamber on which it stands.

    Attributes:
        slot: In which slot its board is, 0 to 5.
        board: The code of its board: ``10`` hot filament, ``3A`` inverted magnetron, ``40`` convection.
        label: What its user calls it.
        pressure_torr: At the start.
        base_torr: Which the pump reaches.
        filament: Which one is lit, 0 none; a convection gauge needs none.
    """

    slot: int
    board: str
    label: str
    pressure_torr: float
    base_torr: float
    filament: int = 0

    @property
    def kind(self) -> str:
        """By which letter it is counted."""
        return "T" if self.board == "40" else "I"

    @property
    def reads(self) -> bool:
        """Whether it has a reading."""
        return self.kind == "T" or self.filament > 0


@dataclass
class Relay:
    """One of the eight."""

    mode: str = MODE_AUTO
    gauge: SimulatedGauge | None = None
    on_torr: float = 0.0
    off_torr: float = math.inf
    on: bool = False


CHAMBERS = (
    SimulatedGauge(0, "10", "MAIN", 1.0e-6, 2.345e-9, filament=1),
    SimulatedGauge(2, "40", "ROUGH", 760.0, 1.0e-3),
    SimulatedGauge(4, "3A", "LOCK", 1.0e-4, 5.0e-8),
)


class SimulatedXGS600:
    """One controller; pressures fall to those which the pumps reach, and switch the relays.

    Args:
        address: 0 on RS-232; 1 to 32 on RS-485.
        gauges: From the left; by default a hot filament gauge that is on, a convection gauge and an inverted magnetron
            that is off.
        time_constant_s: How slow the pumps are.
    """

    def __init__(
        self, *, address: int = 0, gauges: Sequence[SimulatedGauge] = CHAMBERS, time_constant_s: float = 20.0
    ) -> None:
        self.gauges = [replace(gauge) for gauge in gauges]
        self.relays = {str(number): Relay() for number in range(1, 9)}
        self.unit = "10"
        self._called = f"#{address:02X}"
        self._time_constant_s = time_constant_s
        self._time_s: float | None = None

    def handle(self, request: bytes, now_s: float) -> bytes:
        """Return the answer to one line that goes over the wire at a time in s; nothing if it is not for this one."""
        self._pass_time(now_s)
        line = request.decode("latin-1").replace("\n", "").removesuffix("\r")
        if not line.startswith(self._called):
            return b""
        answer = self._obey(line[len(self._called) :])
        return REFUSAL if answer is None else f">{answer}\r".encode()

    def _obey(self, command: str) -> str | None:
        """Return the data of the answer, None to refuse."""
        if command[:1] in ("T", "I"):
            named = self._find(command)
            return None if named is None else named.label
        head, data = command[:2], command[2:]
        if head in ("5E", "5F") or head[:1] in ("6", "7"):
            return self._reach_relay(head, data)
        if data:
            gauge = self._find(data)
            return None if gauge is None else self._reach_gauge(head, gauge)
        return self._reach_controller(head)

    def _reach_controller(self, head: str) -> str | None:
        if head in PER_TORR:
            self.unit = head
            return ""
        boards = {gauge.slot: gauge.board for gauge in self.gauges}
        answers = {
            "01": "".join(boards.get(slot, "FE") for slot in range(6)),
            "03": self._mask(relay.on for relay in self.relays.values()),
            "05": ",".join(["0210", *("0105" for _ in boards)]),
            "06": "",
            "0F": ",".join(self._reading(gauge) for gauge in self.gauges),
            "13": f"0{self.unit[1]}",
        }
        return answers.get(head)

    def _reach_gauge(self, head: str, gauge: SimulatedGauge) -> str | None:
        filaments = {"30": 0, "31": 1, "33": 2}
        if head in filaments and gauge.kind == "I":
            gauge.filament = filaments[head]
            return ""
        answers = {"02": self._reading(gauge), "04": self._mask(relay.gauge is gauge for relay in self.relays.values())}
        if gauge.kind == "I":
            answers |= {"32": f"0{gauge.filament}", "34": str(gauge.filament)}
        return answers.get(head)

    def _reach_relay(self, head: str, data: str) -> str | None:
        relay = self.relays.get(data[:1] if head in ("5E", "5F") else head[1])
        if relay is None:
            return None
        if head == "5F":
            return relay.mode if len(data) == 1 else None
        if head == "5E":
            if data[1:] not in (MODE_OFF, MODE_ON, MODE_AUTO):
                return None
            relay.mode = data[1:]
            return ""
        # The pressure has nine characters, what stands before it is the gauge.
        gauge, pressure = self._find(data[:-9]), data[-9:]
        if gauge is None or not re.fullmatch(r"\d\.\d\d\dE[+-]\d\d", pressure):
            return None
        limit_torr = float(pressure) / PER_TORR[self.unit]
        relay.gauge = gauge
        if head[0] == "6":
            relay.on_torr = limit_torr
        else:
            relay.off_torr = limit_torr
        return ""

    def _find(self, name: str) -> SimulatedGauge | None:
        if name[:1] == "U":
            return next((gauge for gauge in self.gauges if gauge.label == name[1:]), None)
        same = [gauge for gauge in self.gauges if gauge.kind == name[:1]]
        number = int(name[1:]) if name[1:].isdigit() else 0
        return same[number - 1] if 1 <= number <= len(same) else None

    def _reading(self, gauge: SimulatedGauge) -> str:
        return f"{gauge.pressure_torr * PER_TORR[self.unit]:.3E}" if gauge.reads else "OPEN"

    @staticmethod
    def _mask(bits: Iterable[bool]) -> str:
        return f"{sum(2**place for place, bit in enumerate(bits) if bit):04X}"

    def _pass_time(self, now_s: float) -> None:
        if self._time_s is not None:
            left = math.exp(-(now_s - self._time_s) / self._time_constant_s)
            for gauge in self.gauges:
                gauge.pressure_torr = gauge.base_torr + (gauge.pressure_torr - gauge.base_torr) * left
        self._time_s = now_s
        for relay in self.relays.values():
            relay.on = self._is_on(relay)

    @staticmethod
    def _is_on(relay: Relay) -> bool:
        if relay.mode != MODE_AUTO:
            return relay.mode == MODE_ON
        if relay.gauge is None or not relay.gauge.reads:
            return False
        if relay.gauge.pressure_torr > relay.off_torr:
            return False
        # Between the two limits it stays as it is.
        return relay.on or relay.gauge.pressure_torr < relay.on_torr


def device(*, delay_s: float = 0.0, **options: Any) -> ByteSimulator:
    """Return a new controller for any wire.

    Args:
        delay_s: How long it takes before it answers, in s.
        options: The arguments of :class:`SimulatedXGS600`.
    """
    return MessageSimulator(SimulatedXGS600(**options).handle, until(b"\r"), delay_s=delay_s)


def simulate(*, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ByteTransport:
    """Return a transport with a new controller at its end; the options are those of :func:`device`."""
    return in_memory(device(**options), clock=clock, name="simulated xgs600")
