"""A Raspberry Pi with a BME280 on its I2C bus: the air in the laboratory."""

from PyExpLabSys.drivers.bosch_bme280 import BoschBME280
from PyExpLabSys.drivers.host_sensors import HostSensors
from PyExpLabSys.setups import Interval, Setup


def main() -> None:
    setup = Setup("weather_station")
    air = setup.instrument(BoschBME280)
    readings = {
        "weather_station_temperature": "temperature",
        "weather_station_humidity": "humidity",
        "weather_station_air_pressure": "air_pressure",
    }
    setup.log_many(readings, air.read_all_values, every=10.0)
    pi = setup.instrument(HostSensors)
    setup.log("weather_station_cpu_load", pi.read_cpu_load, every=10.0, criterion=Interval(60.0))
    setup.run()


if __name__ == "__main__":
    main()
