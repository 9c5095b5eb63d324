"""The computer that this program runs on, as an instrument: load, memory, disk and network rates, temperature.

It needs no cable, so it is the instrument of the demo, and it tells how a logging computer itself is doing.

Source: the documentation of psutil (``cpu_times``, ``virtual_memory``, ``disk_io_counters``, ``net_io_counters``,
``sensors_temperatures``); the kernel's "Generic Thermal Sysfs driver How To" for ``/sys/class/thermal``, and its
description of ``/sys/block`` ("The Linux Kernel Device Model", ``Documentation/ABI/stable/sysfs-block``).
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from PyExpLabSys.errors import InstrumentError, SettingsError
from PyExpLabSys.instrument import InstrumentInfo

LOGGER = logging.getLogger(__name__)

#: Sensors that measure the processor, the best first, by the names that Linux gives them.
PROCESSOR_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal", "acpitz")
#: Times of a processor during which it had nothing to do.
IDLE_TIMES = ("idle", "iowait")
#: Times that the kernel counts a second time, inside ``user`` and ``nice``.
TWICE_COUNTED_TIMES = ("guest", "guest_nice")


def processor_load(before: dict[str, float], after: dict[str, float]) -> float:
    """Return the load in percent between two readings of the times (in s) that all processors spent on what.

    Raises:
        InstrumentError: no time was counted in between: the readings fell into one tick of the kernel.
    """
    # Single times may step back a little (iowait does); such a step is no negative work.
    spent_s = {name: max(0.0, after[name] - before[name]) for name in after if name not in TWICE_COUNTED_TIMES}
    total_s = sum(spent_s.values())
    if total_s <= 0.0:
        raise InstrumentError("no processor time was counted since the last reading; wait at least 0.1 s in between")
    idle_s = sum(spent_s.get(name, 0.0) for name in IDLE_TIMES)
    return 100.0 * (total_s - idle_s) / total_s


@dataclass
class Rates:
    """How fast counters grow, from one reading to the next."""

    name: str
    time_s: float
    counts: tuple[int, ...] = field(default=())

    def update(self, time_s: float, counts: tuple[int, ...]) -> tuple[float, ...]:
        """Return the growth of each counter in 1/s since the last update.

        Raises:
            InstrumentError: a counter fell: it was reset, or a device was unplugged and left the sum. How much was
                counted meanwhile is unknown, so there is no value; the next update counts from here. Also if no
                time has passed.
        """
        elapsed_s = time_s - self.time_s
        if elapsed_s <= 0.0:
            raise InstrumentError(f"no time has passed since the last reading of the {self.name} counters")
        grown = tuple(after - before for before, after in zip(self.counts, counts, strict=True))
        self.time_s, self.counts = time_s, counts
        if min(grown) < 0:
            raise InstrumentError(f"a {self.name} counter began anew, the next reading counts from here")
        return tuple(count / elapsed_s for count in grown)


class HostSensors:
    """This computer. Rates and the load are means since the last reading, at first since the object was made.

    Each object keeps its own last readings, so that several in one program do not disturb each other.

    Args:
        source: Where the figures come from: psutil, or for a test anything with the functions that are used here.
        sys_folder: Where Linux shows its devices: which disks are real, and the thermal zones of computers whose
            temperature psutil does not find.
        monotonic: The clock that times the rates, in s.

    Raises:
        SettingsError: psutil is not installed.
    """

    INFO: ClassVar[InstrumentInfo] = InstrumentInfo(
        maker="this",
        model="computer",
        buses=("none",),
        quantities={
            "read_cpu_load": "%",
            "read_memory_used": "%",
            "read_disk_rates": "B/s",
            "read_network_rates": "B/s",
            "read_temperature": "degC",
        },
    )

    def __init__(
        self,
        *,
        source: Any = None,
        sys_folder: Path = Path("/sys"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = _psutil() if source is None else source
        self._disk_folder, self._thermal_folder = sys_folder / "block", sys_folder / "class" / "thermal"
        self._monotonic = monotonic
        self._processor_times = self._read_processor_times()
        self._rates = {
            name: Rates(name, monotonic(), counts)
            for name, read in (("disk", self._read_disk_counts), ("network", self._read_network_counts))
            if (counts := read()) is not None
        }
        self._has_temperature = self._find_temperature() is not None
        self._failing: set[tuple[str, ...]] = set()

    def close(self) -> None:
        """Do nothing: nothing is held open."""

    def __enter__(self) -> "HostSensors":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def read_cpu_load(self) -> float:
        """Return the share of time that the processors were busy since the last reading, in percent of them all."""
        times = self._read_processor_times()
        load_percent = processor_load(self._processor_times, times)
        self._processor_times = times
        return load_percent

    def read_memory_used(self) -> float:
        """Return the share of the memory that programs could not get if they asked for it now, in percent."""
        return float(self._source.virtual_memory().percent)

    def read_disk_rates(self) -> tuple[float, float]:
        """Return what was read from and written to all disks since the last reading, each in bytes/s.

        Raises:
            InstrumentError: this computer shows no disks, or a counter began anew.
        """
        read, written = self._read_rates("disk", self._read_disk_counts())
        return read, written

    def read_network_rates(self) -> tuple[float, float]:
        """Return what all network interfaces received and sent since the last reading, each in bytes/s.

        The loopback interface counts too: a server on this computer shows up.

        Raises:
            InstrumentError: this computer shows no network, or a counter began anew.
        """
        received, sent = self._read_rates("network", self._read_network_counts())
        return received, sent

    def read_temperature(self) -> float:
        """Return the temperature of the processor, or of what is nearest to it, in degC.

        Raises:
            InstrumentError: this computer shows no temperature.
        """
        temperature_degc = self._find_temperature()
        if temperature_degc is None:
            raise InstrumentError(
                f"this computer shows no temperature, neither to psutil nor in {self._thermal_folder}"
                " (virtual machines and containers often have none)"
            )
        return temperature_degc

    def read_all_values(self) -> dict[str, float]:
        """Return all that this computer has, in the units that the keys name.

        Returns:
            ``cpu_load_percent`` and ``memory_used_percent``; ``disk_read_bytes_per_s``, ``disk_written_bytes_per_s``,
            ``network_received_bytes_per_s``, ``network_sent_bytes_per_s`` and ``temperature_degc`` where the computer
            had them when this object was made. A quantity that fails is left out, with a warning the first time.
        """
        values: dict[str, float] = {}
        for names, read in self._readings().items():
            try:
                values.update(zip(names, read(), strict=True))
            except InstrumentError as error:
                level = logging.DEBUG if names in self._failing else logging.WARNING
                LOGGER.log(level, "no reading of %s: %s", " and ".join(names), error)
                self._failing.add(names)
            else:
                self._failing.discard(names)
        return values

    def quantities(self) -> tuple[str, ...]:
        """Return the keys that :meth:`read_all_values` gives on this computer."""
        return tuple(name for names in self._readings() for name in names)

    def _readings(self) -> dict[tuple[str, ...], Callable[[], tuple[float, ...]]]:
        readings: dict[tuple[str, ...], Callable[[], tuple[float, ...]]] = {
            ("cpu_load_percent",): lambda: (self.read_cpu_load(),),
            ("memory_used_percent",): lambda: (self.read_memory_used(),),
        }
        if "disk" in self._rates:
            readings["disk_read_bytes_per_s", "disk_written_bytes_per_s"] = self.read_disk_rates
        if "network" in self._rates:
            readings["network_received_bytes_per_s", "network_sent_bytes_per_s"] = self.read_network_rates
        if self._has_temperature:
            readings[("temperature_degc",)] = lambda: (self.read_temperature(),)
        return readings

    def _read_rates(self, name: str, counts: tuple[int, ...] | None) -> tuple[float, ...]:
        if counts is None or name not in self._rates:
            raise InstrumentError(f"this computer shows no {name} counters")
        return self._rates[name].update(self._monotonic(), counts)

    def _read_processor_times(self) -> dict[str, float]:
        # Not psutil.cpu_percent: what it compares with is shared by the whole program.
        times: dict[str, float] = self._source.cpu_times()._asdict()
        return times

    def _read_disk_counts(self) -> tuple[int, int] | None:
        try:
            # Without psutil's correction of counters that fall: what it compares with is shared by the whole program.
            counters = self._source.disk_io_counters(perdisk=True, nowrap=False)
        except (NotImplementedError, OSError):
            # Containers may hide both /proc/diskstats and /sys/block.
            LOGGER.debug("no disk counters", exc_info=True)
            return None
        disks = [disk for name, disk in counters.items() if self._is_disk(name)]
        return (sum(disk.read_bytes for disk in disks), sum(disk.write_bytes for disk in disks)) if disks else None

    def _is_disk(self, name: str) -> bool:
        """Return whether this is a disk: no partition, no volume on other disks, no disk in memory or in a file."""
        # Other systems count nothing else. On Linux, what is read from a volume would count twice or three times.
        return not self._disk_folder.is_dir() or (self._disk_folder / name.replace("/", "!") / "device").exists()

    def _read_network_counts(self) -> tuple[int, int] | None:
        try:
            counters = self._source.net_io_counters(nowrap=False)
        except OSError:
            LOGGER.debug("no network counters", exc_info=True)
            return None
        return None if counters is None else (counters.bytes_recv, counters.bytes_sent)

    def _find_temperature(self) -> float | None:
        # psutil has this function on Linux and FreeBSD only.
        read_sensors = getattr(self._source, "sensors_temperatures", None)
        sensors = {} if read_sensors is None else read_sensors()
        found = [name for name in (*PROCESSOR_SENSORS, *sorted(sensors)) if sensors.get(name)]
        if found:
            return float(sensors[found[0]][0].current)
        return self._read_thermal_zone()

    def _read_thermal_zone(self) -> float | None:
        for path in sorted(self._thermal_folder.glob("thermal_zone*/temp")):
            try:
                return int(path.read_text(encoding="ascii")) / 1000.0
            except (OSError, ValueError):
                # A zone whose driver sleeps answers with an error; another one may be awake.
                LOGGER.debug("%s has no temperature", path, exc_info=True)
        return None


def _psutil() -> Any:
    try:
        import psutil
    except ImportError as error:
        raise SettingsError("HostSensors needs psutil, install it with: pip install PyExpLabSys[cli]") from error
    return psutil
