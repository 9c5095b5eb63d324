"""A vacuum chamber: pressures from the roughing line to ultra-high vacuum."""

from PyExpLabSys.drivers.mks_925_pirani import Mks925
from PyExpLabSys.drivers.pfeiffer import TPG262
from PyExpLabSys.drivers.xgs600 import XGS600Driver
from PyExpLabSys.setups import Deviation, Setup

# A point for each tenth of a decade, and one every ten minutes in any case.
CHANGED = Deviation(logarithmic=0.1, max_silence_s=600.0)


def main() -> None:
    setup = Setup("vacuum_chamber")
    roughing = setup.instrument(Mks925, "/dev/serial/by-id/usb-chamber-roughing")
    load_lock = setup.instrument(TPG262, "/dev/serial/by-id/usb-chamber-load-lock")
    gauges = setup.instrument(XGS600Driver, "/dev/serial/by-id/usb-chamber-gauges")
    setup.log("vacuum_chamber_roughing_pressure", roughing.read_pressure, every=1.0, criterion=CHANGED)
    setup.log("vacuum_chamber_load_lock_pressure", load_lock.read_pressure, every=1.0, criterion=CHANGED)
    # The gauges of an XGS-600 are read at once; each has its place, counted from 0.
    places = {"vacuum_chamber_pressure": 0, "vacuum_chamber_foreline_pressure": 1}
    setup.log_many(places, gauges.read_all_pressures, every=1.0, criterion=CHANGED)
    setup.run()


if __name__ == "__main__":
    main()
