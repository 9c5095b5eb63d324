"""A tube furnace: the temperatures of three zones on an RS-485 line, the flows of two gases on another."""

from PyExpLabSys.drivers.bronkhorst import Bronkhorst
from PyExpLabSys.drivers.omega_cn7800 import CN7800
from PyExpLabSys.setups import Deviation, Setup


def main() -> None:
    setup = Setup("furnace")
    heaters = setup.line("/dev/serial/by-id/usb-furnace-heaters", baudrate=9600, parity="E")
    for zone, address in {"inlet": 1, "middle": 2, "outlet": 3}.items():
        heater = setup.instrument(CN7800, line=heaters, address=address)
        setup.log(f"furnace_{zone}_temperature", heater.read_temperature, every=1.0, criterion=Deviation(absolute=0.5))
    gases = setup.line("/dev/serial/by-id/usb-furnace-gases", baudrate=38400)
    for gas, node in {"argon": 3, "hydrogen": 4}.items():
        controller = setup.instrument(Bronkhorst, line=gases, node=node)
        setup.log(f"furnace_{gas}_flow", controller.read_flow, every=1.0, criterion=Deviation(absolute=0.05))
    setup.run()


if __name__ == "__main__":
    main()
