"""The setup of the demo: three simulated instruments on three buses, and this computer.

:func:`demo_setup` is what a script in ``machine_config`` looks like, but for the simulators at the ends of the wires.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PyExpLabSys.drivers.bosch_bme280 import BoschBME280
from PyExpLabSys.drivers.host_sensors import HostSensors
from PyExpLabSys.drivers.mks_925_pirani import Mks925
from PyExpLabSys.drivers.omega_cn7800 import CN7800
from PyExpLabSys.setups import Setup
from PyExpLabSys.simulators import bosch_bme280, mks_925_pirani, omega_cn7800

PERIOD_S = 0.5
#: Fast enough to see the furnace settle at each set point, and the pump reach its final pressure, within the demo.
FURNACE_TIME_CONSTANT_S, PUMP_TIME_CONSTANT_S = 2.5, 1.5
PROGRAM_DEGC = (200.0, 400.0, 100.0)
STEP_S = 10.0


@dataclass(frozen=True)
class Description:
    """What the database says of a codename."""

    unit: str
    text: str


DESCRIPTIONS: Mapping[str, Description] = {
    "demo_furnace_temperature": Description("degC", "Temperature of the furnace"),
    "demo_furnace_setpoint": Description("degC", "Where the furnace is to go"),
    "demo_vacuum_pressure": Description("mbar", "Pressure in the vacuum chamber"),
    "demo_air_temperature": Description("degC", "Temperature of the air"),
    "demo_air_humidity": Description("%", "Relative humidity of the air"),
    "demo_cpu_load": Description("%", "Busy share of all processors"),
    "demo_memory_used": Description("%", "Share of the memory in use"),
    "demo_disk_read": Description("B/s", "Read from all disks"),
    "demo_disk_written": Description("B/s", "Written to all disks"),
    "demo_network_received": Description("B/s", "Received by all network interfaces"),
    "demo_network_sent": Description("B/s", "Sent by all network interfaces"),
    "demo_cpu_temperature": Description("degC", "Temperature of the processor"),
}
#: Which codename gets which reading of the computer; each has some of them.
COMPUTER = {
    "demo_cpu_load": "cpu_load_percent",
    "demo_memory_used": "memory_used_percent",
    "demo_disk_read": "disk_read_bytes_per_s",
    "demo_disk_written": "disk_written_bytes_per_s",
    "demo_network_received": "network_received_bytes_per_s",
    "demo_network_sent": "network_sent_bytes_per_s",
    "demo_cpu_temperature": "temperature_degc",
}


def demo_setup(computer: HostSensors) -> Setup:
    """Return the setup.

    Args:
        computer: Its rates are means since its last reading: it should be at least a period old when the setup starts.

    Raises:
        SettingsError: A package that an instrument needs is not installed.
    """
    setup = Setup("demo")
    # Modbus RTU. From the factory the controller takes no set point.
    furnace = setup.instrument(
        CN7800,
        "simulated RS-485",
        transport=omega_cn7800.simulate(time_constant_s=FURNACE_TIME_CONSTANT_S),
        prepare=CN7800.allow_writing,
    )
    # ASCII on RS-232. From the factory the gauge shows Torr.
    gauge = setup.instrument(
        Mks925,
        "simulated RS-232",
        transport=mks_925_pirani.simulate(time_constant_s=PUMP_TIME_CONSTANT_S),
        prepare=lambda gauge: gauge.change_unit("MBAR"),
    )
    # I2C.
    air = setup.instrument(BoschBME280, transport=bosch_bme280.simulate())
    setup.log("demo_furnace_temperature", furnace.read_temperature, every=PERIOD_S)
    setup.log("demo_furnace_setpoint", FurnaceProgram(furnace).follow, every=PERIOD_S)
    setup.log("demo_vacuum_pressure", gauge.read_pressure, every=PERIOD_S)
    of_air = {"demo_air_temperature": "temperature", "demo_air_humidity": "humidity"}
    setup.log_many(of_air, air.read_all_values, every=PERIOD_S)
    of_computer = {codename: key for codename, key in COMPUTER.items() if key in computer.quantities()}
    setup.log_many(of_computer, computer.read_all_values, every=PERIOD_S)
    return setup


class FurnaceProgram:
    """Steps the set point of a furnace, over and over.

    Args:
        furnace: Which one.
        monotonic: The clock in s.
    """

    def __init__(self, furnace: CN7800, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._furnace, self._monotonic = furnace, monotonic
        self._began_s: float | None = None

    def follow(self) -> float:
        """Set what is due, and return the set point that the controller has then, in degC."""
        now_s = self._monotonic()
        if self._began_s is None:
            self._began_s = now_s
        step = int((now_s - self._began_s) // STEP_S) % len(PROGRAM_DEGC)
        self._furnace.write_setpoint(PROGRAM_DEGC[step])
        return self._furnace.read_setpoint()
