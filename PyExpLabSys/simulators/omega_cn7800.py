"""A simulated Omega CN7800 (Delta DTB) controller with a small oven.

Source: Delta's manual of the DTB series on communication: registers, bits, functions, error codes.
"""

import math
from typing import Any

from PyExpLabSys.simulators.serving.base import ByteSimulator
from PyExpLabSys.simulators.serving.memory import in_memory
from PyExpLabSys.simulators.serving.modbus import Refusal, RefusedError, RegisterBank, RtuSlave
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.modbus import ModbusTransport

#: How often the process value is measured, in s.
SAMPLE_S = 0.4
#: So far below the setpoint, and further, the heater has its full power, in degC.
PROPORTIONAL_BAND_DEGC = 47.6
#: All registers that the manual has, but for those that come with a value of their own.
REGISTERS = [
    *range(0x1000, 0x1014),
    0x1016,
    *range(0x101C, 0x101E),
    *range(0x1020, 0x102D),
    *range(0x102F, 0x1031),
    *range(0x1040, 0x1048),
    *range(0x1050, 0x1058),
    *range(0x1060, 0x1068),
]


class SimulatedCN7800(RegisterBank):
    """One controller and its oven, which comes up to the setpoint with a time constant while the controller runs.

    Args:
        temperature_degc: Of the oven at the start.
        setpoint_degc: Where it regulates to at the start.
        ambient_degc: Of the room, to which the oven cools down when the controller is stopped.
        time_constant_s: How slow the oven is.
        writing_allowed: Whether it takes what is written to it; from the factory it does not.
        error_code: What stands in place of the process value: 0x8003 if there is no sensor; 0: nothing is wrong.
    """

    def __init__(
        self,
        *,
        temperature_degc: float = 25.3,
        setpoint_degc: float = 100.0,
        ambient_degc: float = 20.0,
        time_constant_s: float = 30.0,
        writing_allowed: bool = False,
        error_code: int = 0,
    ) -> None:
        # Bits can be both read and written, and function 2 reads them.
        bits = dict.fromkeys(range(0x0810, 0x0817), 0) | {0x0810: int(writing_allowed), 0x0811: 1, 0x0814: 1}
        holding = dict.fromkeys(REGISTERS, 0) | {
            0x1001: _tenths(setpoint_degc),
            0x1002: _tenths(1300.0),
            0x1003: _tenths(-200.0),
            0x1007: 20,
            0x1009: _tenths(PROPORTIONAL_BAND_DEGC),
            0x102F: 0x0120,
        }
        super().__init__(coils=bits, inputs=bits, holding=holding, functions={2, 3, 5, 6}, longest=8)
        self.temperature_degc = temperature_degc
        self.ambient_degc = ambient_degc
        self.time_constant_s = time_constant_s
        self.error_code = error_code
        self._time_s: float | None = None
        self._sampled_s = -math.inf

    def update(self, now_s: float) -> None:
        """Let the oven warm up or cool down until a time in s, and measure it when that is due."""
        target_degc = self._target_degc()
        if self._time_s is not None:
            left = math.exp(-(now_s - self._time_s) / self.time_constant_s)
            self.temperature_degc = target_degc + (self.temperature_degc - target_degc) * left
        self._time_s = now_s
        if now_s - self._sampled_s >= SAMPLE_S:
            self._sampled_s = now_s
            self.holding[0x1000] = self.error_code or _tenths(self._shown(self.temperature_degc))
            share = (target_degc - self.temperature_degc) / PROPORTIONAL_BAND_DEGC if self.coils[0x0814] else 0.0
            self.holding[0x1012] = round(1000 * min(1.0, max(0.0, share)))

    def write(self, table: dict[int, int], address: int, value: int) -> None:
        """Take a value if writing is allowed; that it is can always be written."""
        if table is self.coils and address == 0x0810:
            table[address] = value
            return
        if not self.coils[0x0810]:
            raise RefusedError(Refusal.FAILURE)
        if table is self.holding:
            self._check(address, value)
        table[address] = value

    def _check(self, address: int, value: int) -> None:
        if address in {0x1000, 0x102F}:
            raise RefusedError(Refusal.ADDRESS)
        lowest, highest = _signed(self.holding[0x1003]), _signed(self.holding[0x1002])
        if address == 0x1001 and not lowest <= _signed(value) <= highest:
            raise RefusedError(Refusal.VALUE)
        if address in {0x1005, 0x1006} and value > 3:
            raise RefusedError(Refusal.VALUE)

    def _target_degc(self) -> float:
        """Return where the oven is going; it has a heater, and no cooler."""
        shown = _signed(self.holding[0x1001]) / 10
        setpoint_degc = shown if self.coils[0x0811] else (shown - 32.0) / 1.8
        return max(setpoint_degc, self.ambient_degc) if self.coils[0x0814] else self.ambient_degc

    def _shown(self, temperature_degc: float) -> float:
        return temperature_degc if self.coils[0x0811] else 1.8 * temperature_degc + 32.0


def _tenths(value: float) -> int:
    return round(10 * value) % 0x10000


def _signed(register: int) -> int:
    return (register ^ 0x8000) - 0x8000


def device(*, address: int = 1, delay_s: float = 0.0, baudrate: int | None = None, **options: Any) -> ByteSimulator:
    """Return a new controller for any wire.

    Args:
        address: Its own on the line.
        delay_s: How long it takes before it answers, in s.
        baudrate: How fast bytes travel; None: at once.
        options: The arguments of :class:`SimulatedCN7800`.
    """
    return RtuSlave(SimulatedCN7800(**options), address, delay_s=delay_s, baudrate=baudrate)


def simulate(*, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ModbusTransport:
    """Return a transport with a new controller at its end; the options are those of :func:`device`."""
    return ModbusTransport(in_memory(device(**options), clock=clock, name="simulated omega_cn7800"))
