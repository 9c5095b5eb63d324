"""A simulated Bosch BME280 in a room whose air changes slowly.

It computes with the integers of the data sheet, where the driver uses its formulas in double precision, and finds by
halving which raw values stand for the air that there is.

Source: Bosch's data sheet of the BME280 (BST-BME280-DS002): sections 3.3 (modes), 4.2.3 (compensation in integers),
5 (registers), 6.2.1 (what is written comes in pairs of register and value) and appendix 9.1 (measurement time).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from PyExpLabSys.simulators.serving.i2c import RegisterDevice, SimulatedBus
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.i2c import I2CTransport

#: Constants of a chip as they stand in its registers; those from 0x88 on are the example in the data sheet of the
#: BMP280, which is the same without humidity.
CONSTANTS = {
    0x88: bytes.fromhex("70 6B 43 67 18 FC 7D 8E 43 D6 D0 0B 27 0B 8C 00 F9 FF 8C 3C F8 C6 70 17"),
    0xA1: bytes.fromhex("4B"),
    0xE1: bytes.fromhex("72 01 00 13 29 03 1E"),
}
STANDBY_S = (0.0005, 0.0625, 0.125, 0.25, 0.5, 1.0, 0.01, 0.02)
#: How long it copies its constants after power-up and reset.
COPY_S = 0.002
WRITABLE = {0xF2, 0xF4, 0xF5}
#: One swing of the weather: how long in s, and how far for degC, hPa and %.
SWING_S = 600.0
SWINGS = (0.5, 1.0, 2.0)


class Raw(NamedTuple):
    """What the converter gives: 20, 20 and 16 bits."""

    pressure: int
    temperature: int
    humidity: int


#: What stands in the registers as long as nothing was measured.
NOTHING = Raw(0x80000, 0x80000, 0x8000)


class SimulatedBME280(RegisterDevice):
    """One chip and the air around it, which swings slowly around what is given.

    Args:
        temperature_degc: Of the air.
        pressure_hpa: Of the air.
        humidity_percent: Of the air.
        constants: Of the chip, by the register where each block of them begins.
        chip_id: What register 0xD0 holds.

    Attributes:
        held: Raw values that the converter gives whatever the air is like; None: those of the air.
    """

    def __init__(
        self,
        *,
        temperature_degc: float = 22.0,
        pressure_hpa: float = 1006.5,
        humidity_percent: float = 45.0,
        constants: dict[int, bytes] | None = None,
        chip_id: int = 0x60,
    ) -> None:
        super().__init__()
        self.temperature_degc = temperature_degc
        self.pressure_hpa = pressure_hpa
        self.humidity_percent = humidity_percent
        self.held: Raw | None = None
        self._constants = CONSTANTS if constants is None else constants
        self._integers = Integers(self._constants)
        self._chip_id = chip_id
        self._counting_humidity = 0
        self._started_s: float | None = None
        self._copied_s: float | None = None
        self.reset()

    def reset(self) -> None:
        """Be as after power-up: asleep, nothing measured."""
        self.registers[:] = bytes(256)
        self.registers[0xD0] = self._chip_id
        for register, block in self._constants.items():
            self.registers[register : register + len(block)] = block
        self._counting_humidity = 0
        self._started_s = self._copied_s = None
        self._show(NOTHING)

    def write(self, data: bytes, now_s: float) -> None:
        """Set the pointer, then write values to registers: before each but the first stands its register."""
        for register, value in zip(data[0::2], data[1::2], strict=False):
            self.update(now_s)
            self.write_register(register, value, now_s)
        super().write(data[:1], now_s)

    def write_register(self, register: int, value: int, now_s: float) -> None:
        """Take a setting, or reset; other registers cannot be written."""
        if (register, value) == (0xE0, 0xB6):
            self.reset()
            self._copied_s = now_s + COPY_S
        if register not in WRITABLE or (register == 0xF5 and self._mode() == 3):
            return
        self.registers[register] = value
        if register == 0xF4:
            self._counting_humidity = self.registers[0xF2] & 7
            self._started_s = now_s if self._mode() else None

    def update(self, now_s: float) -> None:
        """Measure what was due until a time in s."""
        copying = self._copied_s is not None and now_s < self._copied_s
        measuring = False
        if self._started_s is not None:
            lasts_s = self._measurement_s()
            cycle_s = lasts_s + STANDBY_S[self.registers[0xF5] >> 5]
            cycle = int((now_s - self._started_s) / cycle_s) if self._mode() == 3 else 0
            begun_s = self._started_s + cycle * cycle_s
            measuring = now_s < begun_s + lasts_s
            if cycle > 0 or not measuring:
                self._show(self._measure(begun_s - cycle_s if measuring else begun_s))
            if self._mode() != 3 and not measuring:
                self._started_s = None
                self.registers[0xF4] &= 0xFC
        self.registers[0xF3] = measuring << 3 | copying

    def _mode(self) -> int:
        """Return 0 asleep, 1 or 2 for one measurement, 3 for one after the other."""
        return self.registers[0xF4] & 3

    def _samples(self) -> Raw:
        """Return how many samples it takes of each quantity."""
        codes = (self.registers[0xF4] >> 2 & 7, self.registers[0xF4] >> 5, self._counting_humidity)
        return Raw(*(0 if code == 0 else 1 << min(code, 5) - 1 for code in codes))

    def _measurement_s(self) -> float:
        samples = self._samples()
        milliseconds = 1.25 + 2.3 * samples.temperature
        milliseconds += sum(2.3 * count + 0.575 for count in (samples.pressure, samples.humidity) if count)
        return milliseconds / 1000

    def _measure(self, time_s: float) -> Raw:
        samples = self._samples()
        raw = self._raw_of_the_air(time_s) if self.held is None else self.held
        return Raw(
            _with_bits(raw.pressure, samples.pressure) if samples.pressure else NOTHING.pressure,
            _with_bits(raw.temperature, samples.temperature) if samples.temperature else NOTHING.temperature,
            raw.humidity if samples.humidity else NOTHING.humidity,
        )

    def _raw_of_the_air(self, time_s: float) -> Raw:
        swing = math.sin(math.tau * time_s / SWING_S)
        fine = round(5120 * (self.temperature_degc + SWINGS[0] * swing))
        integers = self._integers
        # More pressure makes the raw value smaller, more of the others makes it greater.
        return Raw(
            _find(
                lambda raw: -integers.pressure(raw, fine), -round(25600 * (self.pressure_hpa + SWINGS[1] * swing)), 20
            ),
            _find(integers.fine_temperature, fine, 20),
            _find(
                lambda raw: integers.humidity(raw, fine), round(1024 * (self.humidity_percent - SWINGS[2] * swing)), 16
            ),
        )

    def _show(self, raw: Raw) -> None:
        image = (raw.pressure << 4).to_bytes(3, "big") + (raw.temperature << 4).to_bytes(3, "big")
        self.registers[0xF7:0xFF] = image + raw.humidity.to_bytes(2, "big")


class Integers:
    """The data sheet's compensation in integers, with the constants that stand in some registers."""

    def __init__(self, constants: dict[int, bytes]) -> None:
        block, (self.h1,), (h2l, h2h, self.h3, e4, e5, e6, h6) = (constants[begin] for begin in (0x88, 0xA1, 0xE1))
        words = [low | high << 8 for low, high in zip(block[0::2], block[1::2], strict=True)]
        self.t1, self.p1 = words[0], words[3]
        self.t2, self.t3 = (_signed(word, 16) for word in words[1:3])
        self.p = [0, 0, *(_signed(word, 16) for word in words[4:])]
        self.h2, self.h6 = _signed(h2l | h2h << 8, 16), _signed(h6, 8)
        self.h4, self.h5 = _signed(e4 * 16 + e5 % 16, 12), _signed(e6 * 16 + e5 // 16, 12)

    def fine_temperature(self, raw: int) -> int:
        """Return the temperature in 1/5120 degC."""
        linear = ((raw >> 3) - (self.t1 << 1)) * self.t2 >> 11
        return linear + ((((raw >> 4) - self.t1) ** 2 >> 12) * self.t3 >> 14)

    def pressure(self, raw: int, fine: int) -> int:
        """Return the pressure in 1/256 Pa."""
        v1 = fine - 128000
        v2 = v1 * v1 * self.p[6] + (v1 * self.p[5] << 17) + (self.p[4] << 35)
        v1 = (v1 * v1 * self.p[3] >> 8) + (v1 * self.p[2] << 12)
        v1 = ((1 << 47) + v1) * self.p1 >> 33
        p = ((1048576 - raw << 31) - v2) * 3125 // v1
        return (p + (self.p[9] * (p >> 13) ** 2 >> 25) + (self.p[8] * p >> 19) >> 8) + (self.p[7] << 4)

    def humidity(self, raw: int, fine: int) -> int:
        """Return the humidity in 1/1024 %."""
        x = fine - 76800
        offset = (raw << 14) - (self.h4 << 20) - self.h5 * x + 16384 >> 15
        slope = (x * self.h6 >> 10) * ((x * self.h3 >> 11) + 32768) >> 10
        x = offset * ((slope + 2097152) * self.h2 + 8192 >> 14)
        x -= ((x >> 15) ** 2 >> 7) * self.h1 >> 4
        return min(419430400, max(0, x)) >> 12


def _signed(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> bits - 1 else number


def _find(rising: Callable[[int], int], wanted: int, bits: int) -> int:
    """Return the smallest number of so many bits for which a function that only rises reaches what is wanted."""
    found = 0
    for bit in range(bits - 1, -1, -1):
        if rising(found + (1 << bit) - 1) < wanted:
            found += 1 << bit
    return found


def _with_bits(raw: int, samples: int) -> int:
    """Return a raw value with the bits that so many samples give: 16 for one, one more for each doubling."""
    unknown = 5 - samples.bit_length()
    return raw >> unknown << unknown


def device(**options: Any) -> SimulatedBME280:
    """Return a new sensor for any bus; the options are the arguments of :class:`SimulatedBME280`."""
    return SimulatedBME280(**options)


def simulate(*, address: int = 0x77, clock: Clock = SYSTEM_CLOCK, **options: Any) -> I2CTransport:
    """Return a transport with a new sensor at its end.

    Args:
        address: The sensor's own on its bus: 0x77 or 0x76.
        clock: What times its measurements.
        options: The arguments of :class:`SimulatedBME280`.
    """
    bus = SimulatedBus({address: device(**options)}, clock=clock, name="simulated bosch_bme280")
    return I2CTransport(bus, address, clock=clock)
