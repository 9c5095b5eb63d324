"""Driver for the Bosch BME280, a sensor of temperature, humidity and air pressure on I2C.

Source: Bosch's data sheet of the BME280 (BST-BME280-DS002): sections 3.3 (modes), 4.2 (compensation), 5 (registers),
6.2 (I2C) and appendices 8.1 (compensation in double precision) and 9.1 (how long a measurement takes).
"""

import struct
from dataclasses import dataclass

from PyExpLabSys.errors import CommandRejectedError, ProtocolError
from PyExpLabSys.instrument import InstrumentInfo, InstrumentOn
from PyExpLabSys.transport.i2c import I2CTransport, open_i2c

CHIP_ID, CTRL_HUM, STATUS, CTRL_MEAS, CONFIG, DATA = 0xD0, 0xF2, 0xF3, 0xF4, 0xF5, 0xF7
CHIPS = {0x58: "BMP280", 0x60: "BME280", 0x61: "BME680"}
BME280 = 0x60
#: Where the constants of this chip stand, and how many bytes.
CALIBRATION = ((0x88, 24), (0xA1, 1), (0xE1, 7))
#: Bits of the status: it measures; it copies its constants from the memory where they endure, as after power-up.
MEASURING, COPYING = 0x08, 0x01

#: All three quantities with 16 samples each, again and again, 20 ms between, no filter.
HUMIDITY_X16, ALL_X16_NORMAL, PAUSE_20_MS, SLEEP = 0x05, 0xB7, 0xE0, 0x00
MEASUREMENT_MAX_S = 0.113
POLL_S = 0.005
#: Many times as long as it measures or copies.
BUSY_MAX_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The constants of one chip: T1 to T3, P1 to P9 and H1 to H6 of the data sheet."""

    temperature: tuple[int, ...]
    pressure: tuple[int, ...]
    humidity: tuple[int, ...]


def decode_calibration(block_88: bytes, block_a1: bytes, block_e1: bytes) -> Calibration:
    """Return the constants that stand in the registers from 0x88, 0xA1 and 0xE1 on (table 16).

    Raises:
        ProtocolError: there are none: all bytes are alike.
    """
    if len(set(block_88)) == 1:
        raise ProtocolError(f"the registers from 0x88 on hold {block_88!r}: these are no constants of a BME280")
    numbers = struct.unpack("<HhhH8h", block_88)
    h2, h3, e4, e5, e6, h6 = struct.unpack("<hBbBbb", block_e1)
    # H4 and H5 have 12 bits each and share a byte; the sign is that of the byte with their upper bits.
    h4, h5 = e4 << 4 | e5 & 0x0F, e6 << 4 | e5 >> 4
    return Calibration(temperature=numbers[:3], pressure=numbers[3:], humidity=(block_a1[0], h2, h3, h4, h5, h6))


def decode_raw(block: bytes) -> tuple[int, int, int]:
    """Return what the converter measured: pressure, temperature (20 bits each) and humidity (16 bits).

    Raises:
        ProtocolError: one of them is all ones, which is what a bus brings when nobody is there.
    """
    pressure, temperature = int.from_bytes(block[0:3], "big") >> 4, int.from_bytes(block[3:6], "big") >> 4
    humidity = int.from_bytes(block[6:8], "big")
    if pressure == 0xFFFFF or temperature == 0xFFFFF or humidity == 0xFFFF:
        raise ProtocolError(f"the registers of the measurement hold {block!r}: a part is all ones, nobody sent that")
    return pressure, temperature, humidity


def decode_fine_temperature(raw: int, calibration: Calibration) -> float:
    """Return the temperature in 1/5120 degC (8.1); the other quantities need it, too."""
    t1, t2, t3 = calibration.temperature
    return (raw / 16384 - t1 / 1024) * t2 + (raw / 131072 - t1 / 8192) ** 2 * t3


def decode_pressure(raw: int, fine: float, calibration: Calibration) -> float:
    """Return the air pressure in Pa (8.1).

    Raises:
        ProtocolError: with these constants there is none.
    """
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = calibration.pressure
    v1 = fine / 2 - 64000
    v2 = (v1 * v1 * p6 / 32768 + 2 * v1 * p5) / 4 + 65536 * p4
    v1 = (1 + (p3 * v1 * v1 / 524288 + p2 * v1) / 524288 / 32768) * p1
    if v1 == 0:
        raise ProtocolError(f"the constants {calibration.pressure} give no pressure")
    pressure_pa = (1048576 - raw - v2 / 4096) * 6250 / v1
    return pressure_pa + (p9 * pressure_pa**2 / 2147483648 + pressure_pa * p8 / 32768 + p7) / 16


def decode_humidity(raw: int, fine: float, calibration: Calibration) -> float:
    """Return the relative humidity in %, 0 to 100 (8.1)."""
    h1, h2, h3, h4, h5, h6 = calibration.humidity
    h = fine - 76800
    h = (raw - (64 * h4 + h5 / 16384 * h)) * (h2 / 65536 * (1 + h6 / 67108864 * h * (1 + h3 / 67108864 * h)))
    return min(100.0, max(0.0, h * (1 - h1 * h / 524288)))


def decode_measurement(block: bytes, calibration: Calibration) -> dict[str, float]:
    """Return what the registers from 0xF7 on hold, as :meth:`BoschBME280.read_all_values` does.

    Raises:
        ProtocolError: they hold no measurement.
    """
    pressure, temperature, humidity = decode_raw(block)
    fine = decode_fine_temperature(temperature, calibration)
    return {
        "temperature": fine / 5120,
        "humidity": decode_humidity(humidity, fine, calibration),
        "air_pressure": decode_pressure(pressure, fine, calibration) / 100,
    }


def decode_settings(block: bytes) -> None:
    """Check that the registers from 0xF2 on hold what was written to them.

    Raises:
        CommandRejectedError: they do not, so what was measured is not what was asked for, or nothing (0x80000).
    """
    ctrl_hum, _, ctrl_meas, config = block
    if (ctrl_hum, ctrl_meas, config) != (HUMIDITY_X16, ALL_X16_NORMAL, PAUSE_20_MS):
        raise CommandRejectedError(
            f"no measurement: the BME280 is not set as it was, its registers 0xF2 to 0xF5 hold {block.hex(' ')}. It was"
            " without power, or another program uses it. It is set anew for the next reading"
        )


class BoschBME280(InstrumentOn[I2CTransport]):
    """One sensor. It is set when it is first read, and anew after each failure: it may have been without power.

    Args:
        bus: The number of the bus, or the path of its device file.
        address: That of the sensor: 0x77, or 0x76 if its pin SDO is low, as on many boards.
        transport: Where the sensor is connected already; the other arguments mean nothing then.
    """

    INFO = InstrumentInfo(
        maker="Bosch",
        model="BME280",
        buses=("I2C",),
        quantities={"read_all_values": "degC, %, hPa"},
    )

    def __init__(self, *, bus: int | str = 1, address: int = 0x77, transport: I2CTransport | None = None) -> None:
        super().__init__(transport or open_i2c(bus, address), owns=transport is None)
        self._calibration: Calibration | None = None

    def measuring(self) -> int:
        """Return 1 while a measurement runs, else 0."""
        with self._transport.locked():
            self._calibration = self._calibration or self._start()
            return self._read(STATUS)[0] >> 3 & 1

    def read_all_values(self) -> dict[str, float]:
        """Return the last measurement, which is at most 0.14 s old.

        Returns:
            ``temperature`` in degC, ``humidity`` in %, ``air_pressure`` in hPa.

        Raises:
            CommandRejectedError: the sensor measures without end, or was set otherwise meanwhile.
            ProtocolError: this is no BME280, or what came is no measurement.
            TransportError: the bus failed, or nobody acknowledged.
        """
        with self._transport.locked():
            calibration = self._calibration or self._start()
            # Until the reading is complete: whatever fails, the sensor may come back as it is after power-up.
            self._calibration = None
            self._wait_while(MEASURING, "measures")
            # In one transfer, so that all bytes are of one measurement.
            block = self._read(DATA, 8)
            # If it went away meanwhile, some of these bytes are nobody's: then this fails, or finds it reset.
            decode_settings(self._read(CTRL_HUM, 4))
            values = decode_measurement(block, calibration)
            self._calibration = calibration
            return values

    def _start(self) -> Calibration:
        """Let the sensor measure again and again, and return its constants once there is a first measurement."""
        chip = self._read(CHIP_ID)[0]
        if chip != BME280:
            raise ProtocolError(
                f"{self._transport.name} is no BME280: its id is 0x{chip:02X} ({CHIPS.get(chip, 'unknown')}), not 0x60"
            )
        self._wait_while(COPYING, "copies its constants")
        # In normal mode, where another program may have left it, it may ignore what is written to CONFIG (5.4.6).
        self._write(CTRL_MEAS, SLEEP)
        self._write(CTRL_HUM, HUMIDITY_X16)
        self._write(CONFIG, PAUSE_20_MS)
        self._write(CTRL_MEAS, ALL_X16_NORMAL)  # the last: only now what was written to CTRL_HUM counts (5.4.3)
        calibration = self._read_calibration()
        self._transport.clock.sleep(MEASUREMENT_MAX_S)
        return calibration

    def _read_calibration(self) -> Calibration:
        # Twice: I2C has no checksum, and a disturbance here would make all that is measured from now on wrong.
        first, second = ([self._read(register, count) for register, count in CALIBRATION] for _ in range(2))
        if first != second:
            raise ProtocolError(f"{self._transport.name} gave its constants as {first}, then as {second}")
        return decode_calibration(*first)

    def _wait_while(self, bit: int, what: str) -> None:
        clock = self._transport.clock
        deadline_s = clock.monotonic() + BUSY_MAX_S
        while self._read(STATUS)[0] & bit:
            if clock.monotonic() >= deadline_s:
                raise CommandRejectedError(f"{self._transport.name} says for {BUSY_MAX_S} s that it {what}")
            clock.sleep(POLL_S)

    def _read(self, register: int, count: int = 1) -> bytes:
        return self._transport.write_read(bytes([register]), count)

    def _write(self, register: int, value: int) -> None:
        self._transport.write(bytes([register, value]))
