"""Bosch BME280: the sheet's vectors, real smbus2, another library as a peer, each fault, and each fault of before."""

from dataclasses import replace
from pathlib import Path

import bme280
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smbus2 import SMBus

from PyExpLabSys.drivers.bosch_bme280 import (
    BoschBME280,
    Calibration,
    decode_calibration,
    decode_fine_temperature,
    decode_humidity,
    decode_measurement,
    decode_pressure,
    decode_raw,
    decode_settings,
)
from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.bosch_bme280 import CONSTANTS, Integers, Raw, SimulatedBME280, device, simulate
from PyExpLabSys.simulators.serving.i2c import BusFault, SimulatedBus
from PyExpLabSys.simulators.serving.memory import VirtualClock
from PyExpLabSys.transport.i2c import I2CTransport
from tests.transport import linux_i2c
from tests.transport.linux_i2c import LinuxI2C

ADDRESS = 0x77

# --------------------------------------------------------------------------------------------------- the sheet's vector

BLOCK_88 = bytes.fromhex("70 6B 43 67 18 FC 7D 8E 43 D6 D0 0B 27 0B 8C 00 F9 FF 8C 3C F8 C6 70 17")
BLOCK_A1 = bytes.fromhex("4B")
BLOCK_E1 = bytes.fromhex("72 01 00 13 29 03 1E")
MEASURED = bytes.fromhex("65 5A C0 7E ED 00 76 49")
CALIBRATION = Calibration(
    temperature=(27504, 26435, -1000),
    pressure=(36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000),
    humidity=(75, 370, 0, 313, 50, 30),
)
RAW = Raw(pressure=415148, temperature=519888, humidity=30281)
VALUES = {
    "temperature": pytest.approx(25.0825, abs=5e-5),
    "humidity": pytest.approx(57.803, abs=5e-4),
    "air_pressure": pytest.approx(1006.5327, abs=5e-5),
}


def test_constants_of_the_register_image() -> None:
    assert decode_calibration(BLOCK_88, BLOCK_A1, BLOCK_E1) == CALIBRATION


def test_raw_values_of_the_register_image() -> None:
    assert decode_raw(MEASURED) == RAW


def test_worked_vector() -> None:
    fine = decode_fine_temperature(RAW.temperature, CALIBRATION)
    assert fine == pytest.approx(128422.287, abs=5e-4)
    assert fine / 5120 == pytest.approx(25.0825, abs=5e-5)
    assert decode_pressure(RAW.pressure, fine, CALIBRATION) == pytest.approx(100653.27, abs=5e-3)
    assert decode_humidity(RAW.humidity, fine, CALIBRATION) == pytest.approx(57.803, abs=5e-4)
    assert decode_measurement(MEASURED, CALIBRATION) == VALUES


def test_worked_vector_in_the_integers_of_the_simulator() -> None:
    integers = Integers(CONSTANTS)
    fine = integers.fine_temperature(RAW.temperature)
    assert fine * 5 + 128 >> 8 == 2508
    assert integers.pressure(RAW.pressure, fine) / 256 == pytest.approx(100653.27, abs=0.05)
    assert integers.humidity(RAW.humidity, fine) == 59193


def test_reading_t3_without_its_sign_would_be_wrong_by_five_degrees() -> None:
    """Negative check: this is what the earlier driver returned for the same data."""
    unsigned = replace(CALIBRATION, temperature=(27504, 26435, -1000 + 0x10000))
    assert decode_fine_temperature(RAW.temperature, unsigned) / 5120 == pytest.approx(29.83, abs=5e-3)


class Scripted:
    """A bus that knows one conversation: for each transfer what is written, and what comes back."""

    name = "scripted"

    def __init__(self, *script: tuple[str, str]) -> None:
        self.script = [(bytes.fromhex(written), bytes.fromhex(reply)) for written, reply in script]

    def transfer(self, address: int, data: bytes, count: int) -> bytes:
        assert address == ADDRESS
        written, reply = self.script.pop(0)
        assert (data.hex(" "), count) == (written.hex(" "), len(reply))
        return reply

    def close(self) -> None:
        pass


def test_driver_makes_the_exchange_of_the_sheet() -> None:
    """Its own: are the constants there, sleep for the settings, the constants twice, do the settings stand."""
    bus = Scripted(
        ("D0", "60"),
        ("F3", "00"),
        ("F4 00", ""),
        ("F2 05", ""),
        ("F5 E0", ""),
        ("F4 B7", ""),
        ("88", BLOCK_88.hex()),
        ("A1", "4B"),
        ("E1", BLOCK_E1.hex()),
        ("88", BLOCK_88.hex()),
        ("A1", "4B"),
        ("E1", BLOCK_E1.hex()),
        ("F3", "08"),
        ("F3", "00"),
        ("F7", MEASURED.hex()),
        ("F2", "05 00 B7 E0"),
        # The second reading needs no more than this.
        ("F3", "00"),
        ("F7", MEASURED.hex()),
        ("F2", "05 08 B7 E0"),
    )
    sensor = BoschBME280(transport=I2CTransport(bus, ADDRESS, clock=VirtualClock()))
    assert sensor.read_all_values() == VALUES
    assert sensor.read_all_values() == VALUES
    assert bus.script == []


# ---------------------------------------------------------------------------------------- pure functions at their edges


@pytest.mark.parametrize("filled_with", [0x00, 0xFF])
def test_constants_that_are_none(filled_with: int) -> None:
    with pytest.raises(ProtocolError, match="no constants"):
        decode_calibration(bytes([filled_with] * 24), BLOCK_A1, BLOCK_E1)


@pytest.mark.parametrize(
    "block",
    ["FF FF FF 7E ED 00 76 49", "65 5A C0 FF FF F0 76 49", "65 5A C0 7E ED 00 FF FF", "FF FF FF FF FF FF FF FF"],
)
def test_measurement_that_nobody_sent(block: str) -> None:
    with pytest.raises(ProtocolError, match="all ones"):
        decode_measurement(bytes.fromhex(block), CALIBRATION)


def test_constants_that_give_no_pressure() -> None:
    with pytest.raises(ProtocolError, match="give no pressure"):
        decode_pressure(RAW.pressure, 0.0, replace(CALIBRATION, pressure=(0,) * 9))


@pytest.mark.parametrize(("raw", "percent"), [(0, 0.0), (0xFFFE, 100.0)])
def test_humidity_ends_at_0_and_100_percent(raw: int, percent: float) -> None:
    assert decode_humidity(raw, 128422.0, CALIBRATION) == percent


@pytest.mark.parametrize("block", ["00 00 00 00", "05 00 B5 E0", "01 00 B7 E0", "05 08 B7 00", "05 00 B4 E0"])
def test_settings_that_are_not_ours(block: str) -> None:
    with pytest.raises(CommandRejectedError, match=f"hold {block.lower()}"):
        decode_settings(bytes.fromhex(block))


words = st.integers(-0x8000, 0x7FFF)
twelve_bits = st.integers(-0x800, 0x7FF)
signed_bytes = st.integers(-0x80, 0x7F)


def image(numbers: list[int], h: tuple[int, int, int, int, int, int]) -> tuple[bytes, bytes, bytes]:
    """Return the register image of constants, put together bit by bit as table 16 has it."""
    h1, h2, h3, h4, h5, h6 = h
    block_88 = b"".join((number % 0x10000).to_bytes(2, "little") for number in numbers)
    shared = h4 % 16 + 16 * (h5 % 16)
    block_e1 = (h2 % 0x10000).to_bytes(2, "little")
    block_e1 += bytes([h3 % 256, h4 % 0x1000 // 16, shared, h5 % 0x1000 // 16, h6 % 256])
    return block_88, bytes([h1]), block_e1


@given(
    st.tuples(st.integers(1, 0xFFFE), words, words, st.integers(0, 0xFFFF), *[words] * 8),
    st.tuples(st.integers(0, 255), words, st.integers(0, 255), twelve_bits, twelve_bits, signed_bytes),
)
def test_every_constant_keeps_its_sign(numbers: tuple[int, ...], h: tuple[int, int, int, int, int, int]) -> None:
    """Earlier: T2, T3, H2, H4, H5 and H6 were never negative, and 0x8000 was positive among P2 to P9."""
    blocks = image(list(numbers), h)
    if len(set(blocks[0])) > 1:
        assert decode_calibration(*blocks) == Calibration(temperature=numbers[:3], pressure=numbers[3:], humidity=h)


# ----------------------------------------------------------------------------------------------------- simulated sensor


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def chip() -> SimulatedBME280:
    chip = device()
    chip.held = RAW
    return chip


@pytest.fixture
def bus(chip: SimulatedBME280, clock: VirtualClock) -> SimulatedBus:
    return SimulatedBus({ADDRESS: chip}, clock=clock)


@pytest.fixture
def sensor(bus: SimulatedBus, clock: VirtualClock) -> BoschBME280:
    return BoschBME280(transport=I2CTransport(bus, ADDRESS, clock=clock))


@pytest.mark.parametrize("temperature_degc", [-39.0, -0.01, 25.0, 84.0])
@pytest.mark.parametrize(("pressure_hpa", "humidity_percent"), [(301.5, 2.5), (1013.25, 45.0), (1098.5, 97.0)])
def test_air_of_the_simulator_is_what_is_read(
    temperature_degc: float, pressure_hpa: float, humidity_percent: float
) -> None:
    transport = simulate(
        clock=VirtualClock(),
        temperature_degc=temperature_degc,
        pressure_hpa=pressure_hpa,
        humidity_percent=humidity_percent,
    )
    assert BoschBME280(transport=transport).read_all_values() == {
        "temperature": pytest.approx(temperature_degc, abs=0.003),
        "humidity": pytest.approx(humidity_percent, abs=0.02),
        "air_pressure": pytest.approx(pressure_hpa, abs=0.01),
    }


def test_another_chip_with_other_signs(clock: VirtualClock) -> None:
    numbers = [28000, 26000, -900, 37000, -10500, 3000, 5000, -200, -7, 12300, -12000, 5000]
    constants = dict(zip(CONSTANTS, image(numbers, (0, 360, 12, 300, -40, -20)), strict=True))
    transport = simulate(clock=clock, constants=constants, temperature_degc=-10.0, humidity_percent=60.0)
    values = BoschBME280(transport=transport).read_all_values()
    assert values["temperature"] == pytest.approx(-10.0, abs=0.003)
    assert values["humidity"] == pytest.approx(60.0, abs=0.05)
    assert values["air_pressure"] == pytest.approx(1006.5, abs=0.01)


def test_air_changes_with_time(clock: VirtualClock) -> None:
    sensor = BoschBME280(transport=simulate(clock=clock))
    first = sensor.read_all_values()
    clock.sleep(150.0)
    second = sensor.read_all_values()
    assert second["temperature"] == pytest.approx(first["temperature"] + 0.5, abs=0.01)
    assert second["air_pressure"] == pytest.approx(first["air_pressure"] + 1.0, abs=0.02)
    assert second["humidity"] == pytest.approx(first["humidity"] - 2.0, abs=0.05)


def test_first_reading_waits_for_a_whole_measurement_and_later_ones_for_the_present_one(
    sensor: BoschBME280, clock: VirtualClock
) -> None:
    assert sensor.read_all_values() == VALUES
    assert clock.monotonic() == pytest.approx(0.113, abs=0.001)
    clock.sleep(0.02)
    assert sensor.measuring() == 1
    assert sensor.read_all_values() == VALUES
    assert 0.225 < clock.monotonic() < 0.26
    assert sensor.measuring() == 0


def test_reading_is_no_older_than_a_cycle(sensor: BoschBME280, chip: SimulatedBME280, clock: VirtualClock) -> None:
    assert sensor.read_all_values() == VALUES
    chip.held = RAW._replace(temperature=RAW.temperature + 16000)
    clock.sleep(0.134)
    assert sensor.read_all_values()["temperature"] > 30.0


def test_values_that_look_like_nothing_measured_are_taken_if_they_were_measured(
    sensor: BoschBME280, chip: SimulatedBME280
) -> None:
    """0x80000 and 0x8000 are readings like others, too: 26.5 degC, and about 72 %."""
    chip.held = Raw(0x80000, 0x80000, 0x8000)
    values = sensor.read_all_values()
    assert values["temperature"] == pytest.approx(26.5, abs=0.1)
    assert values["humidity"] == pytest.approx(71.7, abs=1.0)


# ------------------------------------------------------------------------------------------------------------- faults


#: Transfers of the first reading, and of each later one.
FIRST, LATER = 15, 3


def test_number_of_transfers(sensor: BoschBME280, bus: SimulatedBus) -> None:
    """So that the tests below know where a fault can be."""
    for count in (FIRST, FIRST + LATER, FIRST + 2 * LATER):
        assert sensor.read_all_values() == VALUES
        assert bus.transfers == count


def assert_right_or_none(sensor: BoschBME280, *kinds: type[InstrumentError]) -> bool:
    """Read; what comes must be right, or one of these errors; return whether it was right."""
    try:
        values = sensor.read_all_values()
    except kinds:
        return False
    assert values == VALUES
    return True


@pytest.mark.parametrize("after", range(FIRST + LATER))
@pytest.mark.parametrize(("fault", "kind"), [(BusFault.NACK, TransportError), (BusFault.STUCK, TransportTimeoutError)])
def test_failed_transfer_costs_one_reading(
    fault: BusFault, kind: type[InstrumentError], after: int, sensor: BoschBME280, bus: SimulatedBus
) -> None:
    bus.inject(fault, after=after)
    readings = [assert_right_or_none(sensor, kind) for _ in range(4)]
    assert readings == [after >= FIRST, after < FIRST, True, True]


@pytest.mark.parametrize("after", range(FIRST + LATER))
def test_half_a_block_is_never_a_value(after: int, sensor: BoschBME280, bus: SimulatedBus) -> None:
    bus.inject(BusFault.HALF_A_BLOCK, after=after)
    readings = [assert_right_or_none(sensor, ProtocolError, CommandRejectedError, TransportError) for _ in range(4)]
    # A status that is all ones only says that it is busy, which costs no reading: the next look tells more.
    assert readings.count(False) == (0 if after in {1, 12, 15} else 1)
    assert readings[2:] == [True, True]


@pytest.mark.parametrize("after", range(FIRST + LATER))
def test_unplugged_in_the_middle_and_plugged_in_again(
    after: int, sensor: BoschBME280, bus: SimulatedBus, chip: SimulatedBME280
) -> None:
    bus.inject(BusFault.UNPLUGGED, after=after)
    readings = [assert_right_or_none(sensor, InstrumentError) for _ in range(2)]
    # If the very last transfer was still complete enough to be right, the reading was.
    assert readings == [after >= FIRST, False]
    with pytest.raises(TransportError, match="NACK"):
        sensor.read_all_values()
    chip.reset()  # it was without power
    bus.plug(ADDRESS)
    for _ in range(2):
        assert sensor.read_all_values() == VALUES


@pytest.mark.parametrize("missing", range(1, 8))
def test_bytes_of_a_measurement_that_nobody_sent(missing: int, chip: SimulatedBME280, clock: VirtualClock) -> None:
    """Whatever number of bytes is missing at the end because it was unplugged, there is no value."""

    class Loose(SimulatedBus):
        def transfer(self, address: int, data: bytes, count: int) -> bytes:
            reply = super().transfer(address, data, count)
            if data == b"\xf7":
                self.unplug(address)
                reply = reply[:-missing] + b"\xff" * missing
            return reply

    sensor = BoschBME280(transport=I2CTransport(Loose({ADDRESS: chip}, clock=clock), ADDRESS, clock=clock))
    with pytest.raises(InstrumentError):
        sensor.read_all_values()


def test_measuring_that_never_ends(sensor: BoschBME280, chip: SimulatedBME280, clock: VirtualClock) -> None:
    """Earlier: the driver waited for ever."""
    assert sensor.read_all_values() == VALUES
    always_busy(chip, 0x08)
    began_s = clock.monotonic()
    with pytest.raises(CommandRejectedError, match=r"says for 1\.0 s that it measures"):
        sensor.read_all_values()
    assert clock.monotonic() - began_s == pytest.approx(1.0, abs=0.01)
    del chip.update
    assert sensor.read_all_values() == VALUES


def test_constants_that_are_never_there(sensor: BoschBME280, chip: SimulatedBME280) -> None:
    always_busy(chip, 0x01)
    with pytest.raises(CommandRejectedError, match=r"says for 1\.0 s that it copies its constants"):
        sensor.read_all_values()


def always_busy(chip: SimulatedBME280, bit: int) -> None:
    looks = iter(range(1000))

    def update(now_s: float) -> None:
        assert next(looks, None) is not None, "the driver asks for ever"
        SimulatedBME280.update(chip, now_s)
        chip.registers[0xF3] |= bit

    chip.update = update  # type: ignore[method-assign]


def test_constants_are_read_only_when_the_chip_has_them(
    sensor: BoschBME280, chip: SimulatedBME280, clock: VirtualClock
) -> None:
    chip.write(b"\xe0\xb6", clock.monotonic())
    assert sensor.read_all_values() == VALUES
    assert clock.monotonic() == pytest.approx(0.113 + 0.005)


def test_reset_between_readings_is_a_gap_and_no_value(sensor: BoschBME280, chip: SimulatedBME280) -> None:
    """After a reset, as after a short loss of power, the registers hold 0x80000: which would be 26 degC."""
    assert sensor.read_all_values() == VALUES
    chip.reset()
    with pytest.raises(CommandRejectedError, match="It was without power"):
        sensor.read_all_values()
    assert sensor.read_all_values() == VALUES


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (b"\xf2\x00\xf4\xb7", "humidity is not measured: 0x8000"),
        (b"\xf4\xa3", "pressure is not measured: 0x80000"),
        (b"\xf4\x17", "temperature is not measured: 0x80000"),
        (b"\xf4\xb4", "it sleeps: what it measured last stands there for ever"),
    ],
)
def test_settings_of_somebody_else(
    settings: bytes, what: str, sensor: BoschBME280, chip: SimulatedBME280, clock: VirtualClock
) -> None:
    assert sensor.read_all_values() == VALUES
    chip.write(settings, clock.monotonic())
    clock.sleep(1.0)
    with pytest.raises(CommandRejectedError, match="another program uses it"):
        sensor.read_all_values()
    assert sensor.read_all_values() == VALUES


def test_settings_are_right_though_the_chip_runs_already(
    sensor: BoschBME280, chip: SimulatedBME280, clock: VirtualClock
) -> None:
    """In normal mode it ignores what is written to 0xF5; whoever ran before may have left a filter there."""
    chip.write(b"\xf5\x10\xf4\x27", clock.monotonic())
    chip.write(b"\xf5\xe0", clock.monotonic())
    assert chip.registers[0xF5] == 0x10
    assert sensor.read_all_values() == VALUES
    assert (chip.registers[0xF2], chip.registers[0xF4], chip.registers[0xF5]) == (0x05, 0xB7, 0xE0)


@pytest.mark.parametrize(("chip_id", "name"), [(0x58, "BMP280"), (0x61, "BME680"), (0x00, "unknown")])
def test_chip_that_is_no_bme280(chip_id: int, name: str, clock: VirtualClock) -> None:
    """Earlier: the id was never looked at, and a BMP280 had a humidity."""
    sensor = BoschBME280(transport=simulate(clock=clock, chip_id=chip_id))
    with pytest.raises(ProtocolError, match=f"is no BME280: its id is 0x{chip_id:02X} \\({name}\\), not 0x60"):
        sensor.read_all_values()


def test_air_pressure_is_in_hpa_and_these_are_the_keys(sensor: BoschBME280) -> None:
    """Earlier: what was printed was called Pa."""
    values = sensor.read_all_values()
    assert list(values) == ["temperature", "humidity", "air_pressure"]
    assert 300.0 < values["air_pressure"] < 1100.0
    assert BoschBME280.INFO.quantities["read_all_values"] == "degC, %, hPa"


def test_no_pulse_of_measuring_need_be_seen(sensor: BoschBME280, chip: SimulatedBME280) -> None:
    """Earlier: the driver waited for the bit to be set first, and for ever if it missed that."""
    assert sensor.read_all_values() == VALUES

    def update(now_s: float) -> None:
        SimulatedBME280.update(chip, now_s)
        chip.registers[0xF3] &= ~0x08

    chip.update = update  # type: ignore[method-assign]
    assert sensor.measuring() == 0
    assert sensor.read_all_values() == VALUES


# ----------------------------------------------------------------------------------------- the simulated chip by itself


def test_what_is_written_comes_in_pairs(chip: SimulatedBME280) -> None:
    chip.write(bytes.fromhex("F2 05 F5 E0 F4 B4"), 0.0)
    assert chip.registers[0xF2:0xF6].hex() == "0500b4e0"
    chip.write(b"\xd0\x11\x88\x00", 0.0)
    assert chip.registers[0xD0] == 0x60
    assert chip.registers[0x88:0xA0] == BLOCK_88


def test_humidity_counts_only_after_the_next_write_to_f4(chip: SimulatedBME280) -> None:
    chip.write(bytes.fromhex("F4 25 F2 01"), 0.0)
    chip.update(0.1)
    assert chip.registers[0xFD:0xFF] == b"\x80\x00"
    chip.write(bytes.fromhex("F4 25"), 0.2)
    chip.update(0.3)
    assert chip.registers[0xFD:0xFF] == MEASURED[6:]


def test_one_measurement_if_one_is_asked_for(chip: SimulatedBME280) -> None:
    chip.write(bytes.fromhex("F2 05 F4 B5"), 0.0)
    chip.update(0.112)
    assert chip.registers[0xF3] == 0x08
    assert chip.registers[0xF7:0xFF].hex() == "8000008000008000"
    chip.update(0.113)
    assert chip.registers[0xF3] == 0x00
    assert chip.registers[0xF4] == 0xB4
    assert chip.registers[0xF7:0xFF] == MEASURED
    chip.held = Raw(1, 1, 1)
    chip.update(10.0)
    assert chip.registers[0xF7:0xFF] == MEASURED


def test_one_sample_has_16_bits(chip: SimulatedBME280) -> None:
    chip.write(bytes.fromhex("F4 25"), 0.0)
    chip.update(0.1)
    assert chip.registers[0xF7:0xFD].hex(" ") == "65 5a 00 7e ed 00"


# ------------------------------------------------------------------------------------ real smbus2, and another library


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> LinuxI2C:
    return linux_i2c.install(monkeypatch)


@pytest.fixture
def path(linux: LinuxI2C, chip: SimulatedBME280, tmp_path: Path) -> str:
    return linux.serve(SimulatedBus({ADDRESS: chip}), tmp_path / "i2c-1")


def test_over_real_smbus2(path: str) -> None:
    # Each opening must work, with the sensor in whatever state the one before has left it.
    for _ in range(2):
        with BoschBME280(bus=path) as sensor:
            assert sensor.read_all_values() == VALUES
            assert sensor.measuring() in {0, 1}
        with pytest.raises(TransportError, match="closed"):
            sensor.read_all_values()


@pytest.mark.parametrize(
    "fault", [BusFault.NACK, BusFault.STUCK, BusFault.HALF_A_BLOCK, BusFault.UNPLUGGED], ids=lambda fault: fault.value
)
def test_faults_over_real_smbus2(
    fault: BusFault, linux: LinuxI2C, chip: SimulatedBME280, clock: VirtualClock, tmp_path: Path
) -> None:
    bus = SimulatedBus({ADDRESS: chip}, clock=clock)
    with BoschBME280(bus=linux.serve(bus, tmp_path / "i2c-1")) as sensor:
        sensor._transport.clock = clock
        assert sensor.read_all_values() == VALUES
        bus.inject(fault, after=1)
        with pytest.raises(InstrumentError):
            sensor.read_all_values()
        bus.plug(ADDRESS)
        assert sensor.read_all_values() == VALUES


def test_documented_constructor_opens_bus_1_at_0x77(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def open_at(bus: int | str, address: int) -> I2CTransport:
        asked.append((bus, address))
        return simulate(clock=VirtualClock())

    monkeypatch.setattr("PyExpLabSys.drivers.bosch_bme280.open_i2c", open_at)
    with BoschBME280() as sensor:
        assert sensor.read_all_values()["temperature"] == pytest.approx(22.0, abs=0.01)
    assert sensor._transport.closed
    BoschBME280(bus="/dev/i2c-4", address=0x76).close()
    assert asked == [(1, 0x77), ("/dev/i2c-4", 0x76)]


def test_given_transport_stays_open(clock: VirtualClock) -> None:
    transport = simulate(clock=clock, address=0x76)
    with BoschBME280(transport=transport) as sensor:
        sensor.read_all_values()
    assert not transport.closed


def test_two_on_one_bus(linux: LinuxI2C, tmp_path: Path) -> None:
    chips = {0x76: device(temperature_degc=10.0), 0x77: device(temperature_degc=30.0)}
    path = linux.serve(SimulatedBus(chips), tmp_path / "i2c-1")
    with BoschBME280(bus=path, address=0x76) as cold, BoschBME280(bus=path) as warm:
        for _ in range(2):
            assert cold.read_all_values()["temperature"] == pytest.approx(10.0, abs=0.6)
            assert warm.read_all_values()["temperature"] == pytest.approx(30.0, abs=0.6)


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_another_library_reads_the_same_from_the_simulator(path: str) -> None:
    """RPi.bme280 through smbus2: its words and bytes instead of our blocks, its formulas instead of ours."""
    with SMBus(path) as bus:
        constants = bme280.load_calibration_params(bus, ADDRESS)
        reading = bme280.sample(bus, ADDRESS, constants, sampling=5)
    assert tuple(constants[f"dig_T{n}"] for n in range(1, 4)) == CALIBRATION.temperature
    assert tuple(constants[f"dig_P{n}"] for n in range(1, 10)) == CALIBRATION.pressure
    assert tuple(constants[f"dig_H{n}"] for n in range(1, 7)) == CALIBRATION.humidity
    raw = reading.uncompensated
    assert (raw.pressure, raw.temperature, raw.humidity) == RAW
    assert {
        "temperature": reading.temperature,
        "humidity": reading.humidity,
        "air_pressure": reading.pressure,
    } == VALUES


@given(
    raw=st.tuples(st.integers(0x30000, 0xA0000), st.integers(0x50000, 0xA0000), st.integers(0x4000, 0xB000)),
    h3=st.integers(0, 127),
    h4=st.integers(0, 0x3FF),
    h5=twelve_bits,
    h6=signed_bytes,
)
def test_another_library_computes_the_same(raw: tuple[int, int, int], h3: int, h4: int, h5: int, h6: int) -> None:
    numbers = [*CALIBRATION.temperature, *CALIBRATION.pressure]
    ours = decode_calibration(*image(numbers, (75, 370, h3, h4, h5, h6)))
    theirs = bme280.params({f"dig_H{n}": value for n, value in enumerate(ours.humidity, 1)})
    theirs |= {f"dig_T{n}": value for n, value in enumerate(ours.temperature, 1)}
    theirs |= {f"dig_P{n}": value for n, value in enumerate(ours.pressure, 1)}
    fine = decode_fine_temperature(raw[1], ours)
    compensated = bme280.compensated_readings.__new__(bme280.compensated_readings)
    compensated._comp = theirs
    name = "_compensated_readings__"
    assert getattr(compensated, f"{name}tfine")(raw[1]) == pytest.approx(fine, rel=1e-12)
    assert getattr(compensated, f"{name}calc_pressure")(raw[0], raw[1]) == pytest.approx(
        decode_pressure(raw[0], fine, ours), rel=1e-9
    )
    assert getattr(compensated, f"{name}calc_humidity")(raw[2], raw[1]) == pytest.approx(
        decode_humidity(raw[2], fine, ours), rel=1e-9, abs=1e-9
    )
