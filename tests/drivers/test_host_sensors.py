"""The computer as an instrument: the real one, recorded ones, and one whose counters a test turns."""

import builtins
import logging
import math
import time
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from PyExpLabSys.drivers.host_sensors import HostSensors, processor_load
from PyExpLabSys.errors import InstrumentError, SettingsError

Times = namedtuple("Times", ["user", "system", "idle", "iowait", "guest"])
COMMON = ["cpu_load_percent", "memory_used_percent"]
DISK = ["disk_read_bytes_per_s", "disk_written_bytes_per_s"]
NETWORK = ["network_received_bytes_per_s", "network_sent_bytes_per_s"]


class TurnedComputer:
    """Has the functions of psutil that the driver uses; a test sets what they answer."""

    def __init__(self) -> None:
        self.times = Times(100.0, 50.0, 800.0, 50.0, 0.0)
        self.memory_percent = 12.5
        self.disk: Any = (1000, 2000)
        self.network: Any = (3000, 4000)
        self.temperatures: dict[str, list[SimpleNamespace]] = {}
        self.clock_s = 10.0

    def cpu_times(self) -> Times:
        return self.times

    def virtual_memory(self) -> SimpleNamespace:
        return SimpleNamespace(percent=self.memory_percent)

    def disk_io_counters(self, *, perdisk: bool, nowrap: bool) -> dict[str, SimpleNamespace]:
        if isinstance(self.disk, Exception):
            raise self.disk
        return {"disk": SimpleNamespace(read_bytes=self.disk[0], write_bytes=self.disk[1])} if self.disk else {}

    def net_io_counters(self, *, nowrap: bool) -> SimpleNamespace | None:
        if isinstance(self.network, Exception):
            raise self.network
        return self.network and SimpleNamespace(bytes_recv=self.network[0], bytes_sent=self.network[1])

    def sensors_temperatures(self) -> dict[str, list[SimpleNamespace]]:
        return self.temperatures

    def pass_second(self) -> None:
        """One second later: a quarter busy, some bytes on each counter."""
        self.clock_s += 1.0
        self.times = self.times._replace(user=self.times.user + 0.25, idle=self.times.idle + 0.75)


@pytest.fixture
def computer() -> TurnedComputer:
    return TurnedComputer()


@pytest.fixture
def sensors(computer: TurnedComputer, tmp_path: Path) -> HostSensors:
    return HostSensors(source=computer, sys_folder=tmp_path, monotonic=lambda: computer.clock_s)


def test_real_computer_gives_plausible_values() -> None:
    with HostSensors() as sensors:
        began_s = time.process_time()
        while time.process_time() - began_s < 0.2:  # work, so that there is a load to see
            math.sqrt(2.0)
        values = sensors.read_all_values()
    assert tuple(values) == sensors.quantities()
    assert list(values)[:2] == COMMON
    assert 0.0 < values["cpu_load_percent"] <= 100.0
    assert 0.0 < values["memory_used_percent"] <= 100.0
    assert all(values[name] >= 0.0 for name in DISK + NETWORK if name in values)
    assert -60.0 < values.get("temperature_degc", 20.0) < 150.0


def test_two_objects_do_not_disturb_each_other(computer: TurnedComputer) -> None:
    first = HostSensors(source=computer, monotonic=lambda: computer.clock_s)
    second = HostSensors(source=computer, monotonic=lambda: computer.clock_s)
    computer.pass_second()
    assert first.read_cpu_load() == 25.0
    assert second.read_cpu_load() == 25.0


@pytest.mark.parametrize(
    ("change", "load_percent"),
    [
        ({"user": 1.0, "idle": 3.0}, 25.0),
        ({"system": 2.0, "iowait": 2.0}, 50.0),
        ({"user": 1.0, "guest": 1.0, "idle": 1.0}, 50.0),
        ({"user": 1.0, "iowait": -0.5, "idle": 1.0}, 50.0),
        ({"idle": 1.0}, 0.0),
    ],
    ids=["quarter", "waiting-for-disks-is-idle", "guests-count-once", "iowait-steps-back", "idle"],
)
def test_load_is_the_busy_share(change: dict[str, float], load_percent: float) -> None:
    before = {"user": 10.0, "system": 10.0, "idle": 10.0, "iowait": 10.0, "guest": 5.0}
    after = {name: value + change.get(name, 0.0) for name, value in before.items()}
    assert processor_load(before, after) == pytest.approx(load_percent)


def test_load_within_one_tick_is_an_error_and_not_a_number(sensors: HostSensors, computer: TurnedComputer) -> None:
    with pytest.raises(InstrumentError, match="no processor time"):
        sensors.read_cpu_load()
    computer.pass_second()
    assert sensors.read_cpu_load() == 25.0


def test_rates_are_growth_by_elapsed_time(sensors: HostSensors, computer: TurnedComputer) -> None:
    computer.clock_s += 2.0
    computer.disk, computer.network = (1500, 2000), (3000, 8000)
    assert sensors.read_disk_rates() == (250.0, 0.0)
    computer.clock_s += 2.0
    assert sensors.read_network_rates() == (0.0, 1000.0)
    assert sensors.read_disk_rates() == (0.0, 0.0)


def test_rates_at_the_same_instant_are_an_error(sensors: HostSensors) -> None:
    with pytest.raises(InstrumentError, match="no time has passed"):
        sensors.read_disk_rates()


def test_counter_that_falls_gives_a_gap_and_then_counts_from_there(
    sensors: HostSensors, computer: TurnedComputer
) -> None:
    computer.clock_s += 1.0
    computer.network = (10, 5000)
    with pytest.raises(InstrumentError, match="network counter began anew"):
        sensors.read_network_rates()
    computer.clock_s += 1.0
    computer.network = (110, 5000)
    assert sensors.read_network_rates() == (100.0, 0.0)


def test_quantity_that_fails_is_left_out_and_warned_of_once(
    sensors: HostSensors, computer: TurnedComputer, caplog: pytest.LogCaptureFixture
) -> None:
    for written in (10, 5, 3):
        computer.pass_second()
        computer.disk = (1000, written)
        assert list(sensors.read_all_values()) == COMMON + NETWORK
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage().split(":")[0] for record in warnings] == [f"no reading of {' and '.join(DISK)}"]
    computer.pass_second()
    assert list(sensors.read_all_values()) == COMMON + DISK + NETWORK


@pytest.mark.parametrize("absent", [None, NotImplementedError("no /proc/diskstats"), OSError("hidden")])
def test_computer_without_disks_and_network_has_the_rest(computer: TurnedComputer, absent: Exception | None) -> None:
    computer.disk = absent
    computer.network = absent if isinstance(absent, OSError) else None
    sensors = HostSensors(source=computer, sys_folder=Path("absent"), monotonic=lambda: computer.clock_s)
    computer.pass_second()
    assert sensors.read_all_values() == {"cpu_load_percent": 25.0, "memory_used_percent": 12.5}
    with pytest.raises(InstrumentError, match="shows no disk counters"):
        sensors.read_disk_rates()
    with pytest.raises(InstrumentError, match="shows no network counters"):
        sensors.read_network_rates()


def test_temperature_is_that_of_the_processor(computer: TurnedComputer, sensors: HostSensors) -> None:
    computer.temperatures = {
        "acpitz": [SimpleNamespace(current=30.0)],
        "nvme": [SimpleNamespace(current=40.0)],
        "k10temp": [SimpleNamespace(current=55.5), SimpleNamespace(current=60.0)],
        "coretemp": [],
    }
    assert sensors.read_temperature() == 55.5
    del computer.temperatures["k10temp"], computer.temperatures["acpitz"]
    assert sensors.read_temperature() == 40.0


def test_thermal_zone_serves_where_psutil_finds_nothing(computer: TurnedComputer, tmp_path: Path) -> None:
    for zone, text in (("thermal_zone0", "asleep\n"), ("thermal_zone1", "48250\n")):
        folder = tmp_path / "class" / "thermal" / zone
        folder.mkdir(parents=True)
        (folder / "temp").write_text(text, encoding="ascii")
    sensors = HostSensors(source=computer, sys_folder=tmp_path, monotonic=lambda: computer.clock_s)
    computer.pass_second()
    assert sensors.read_temperature() == 48.25
    assert sensors.read_all_values()["temperature_degc"] == 48.25


def test_computer_without_temperature_says_so(sensors: HostSensors, computer: TurnedComputer, tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match=f"no temperature, neither to psutil nor in {tmp_path}/class/thermal"):
        sensors.read_temperature()
    computer.pass_second()
    assert "temperature_degc" not in sensors.read_all_values()


def test_missing_psutil_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_psutil(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "psutil":
            raise ImportError(name)
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_psutil)
    with pytest.raises(SettingsError, match=r"pip install PyExpLabSys\[cli\]"):
        HostSensors()


# ------------------------------------------------------------------------------------------------- recorded computers

RECORDED = Path(__file__).parent / "recorded"


class RecordedComputer:
    """A computer of which there are files: psutil and the driver read what its kernel showed at two times."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch, *, elapsed_s: float = 10.0) -> None:
        self._folder, self._monkeypatch = RECORDED / name, monkeypatch
        self.time_s = 100.0
        self._show("before")
        self.sensors = HostSensors(sys_folder=self._folder / "before" / "sys", monotonic=lambda: self.time_s)
        self.time_s += elapsed_s
        self._show("after")

    def _show(self, which: str) -> None:
        folder = self._folder / which
        self._monkeypatch.setattr(psutil, "PROCFS_PATH", str(folder / "proc"))
        # psutil finds sensors by this alone; all that it reads then, it reads where this says. Paths are relative, as
        # it takes the first underscore in a path for the one in temp1_input.
        self._monkeypatch.chdir(folder)
        found = SimpleNamespace(glob=lambda pattern: [str(path) for path in Path().glob(pattern.lstrip("/"))])
        self._monkeypatch.setattr("psutil._pslinux.glob", found)


def test_recorded_virtual_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed_s = 5.0326
    sensors = RecordedComputer("virtual_machine", monkeypatch, elapsed_s=elapsed_s).sensors
    assert sensors.read_all_values() == {
        "cpu_load_percent": pytest.approx(47.6),  # 432 user, 42 system and 2 softirq of 1000 ticks
        "memory_used_percent": 2.5,  # 24059112 of 24684084 kB are available
        "disk_read_bytes_per_s": pytest.approx(328 * 512 / elapsed_s),
        "disk_written_bytes_per_s": pytest.approx(649744 * 512 / elapsed_s),
        "network_received_bytes_per_s": pytest.approx(58933 / elapsed_s),
        "network_sent_bytes_per_s": pytest.approx(58933 / elapsed_s),
    }
    with pytest.raises(InstrumentError, match="no temperature"):
        sensors.read_temperature()


def test_recorded_raspberry_pi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Swap that is compressed into memory is no disk, and the partitions of the card are the card."""
    assert RecordedComputer("raspberry_pi", monkeypatch).sensors.read_all_values() == {
        "cpu_load_percent": pytest.approx(25.0),
        "memory_used_percent": 13.0,
        "disk_read_bytes_per_s": 1000 * 512 / 10.0,
        "disk_written_bytes_per_s": 10000 * 512 / 10.0,
        "network_received_bytes_per_s": 5000.0,
        "network_sent_bytes_per_s": 1000.0,
        "temperature_degc": 51.608,
    }


def test_recorded_lab_pc(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to an encrypted volume counts once; what goes to a mirror counts for both of its disks."""
    assert RecordedComputer("lab_pc", monkeypatch).sensors.read_all_values() == {
        # 1000 user, with a guest's 500 in it, 100 nice, 300 system and 50 softirq of 4000 ticks
        "cpu_load_percent": pytest.approx(36.25),
        "memory_used_percent": 25.0,
        "disk_read_bytes_per_s": 2000 * 512 / 10.0,
        "disk_written_bytes_per_s": (4000 + 2 * 1000) * 512 / 10.0,
        "network_received_bytes_per_s": 10000.0,
        "network_sent_bytes_per_s": 5000.0,
        "temperature_degc": 55.0,
    }


def test_recorded_old_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sensors that sleep are passed over; memory disks are no disks."""
    sensors = RecordedComputer("old_board", monkeypatch).sensors
    assert sensors.read_all_values() == {
        "cpu_load_percent": pytest.approx(10.0),
        "memory_used_percent": 40.0,
        "network_received_bytes_per_s": 1.0,
        "network_sent_bytes_per_s": 2.0,
        "temperature_degc": 61.25,
    }
    with pytest.raises(InstrumentError, match="shows no disk counters"):
        sensors.read_disk_rates()


def test_counters_that_began_anew_are_not_hidden_by_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    computer = RecordedComputer("lab_pc", monkeypatch)
    computer.sensors.read_all_values()
    computer.time_s += 10.0
    computer._show("before")
    with pytest.raises(InstrumentError, match="disk counter began anew"):
        computer.sensors.read_disk_rates()
    with pytest.raises(InstrumentError, match="network counter began anew"):
        computer.sensors.read_network_rates()


def test_info_names_each_reading() -> None:
    readings = {name for name in vars(HostSensors) if name.startswith("read_")}
    assert HostSensors.INFO.quantities.keys() == readings - {"read_all_values"}
