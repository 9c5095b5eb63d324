"""The script that a scientist writes: which instruments, which codenames, how often, and ``run()``.

::

    from PyExpLabSys.drivers.omega_cni import ISeries
    from PyExpLabSys.setups import Deviation, Setup


    def main() -> None:
        setup = Setup("furnace")
        oven = setup.instrument(ISeries, "/dev/serial/by-id/usb-oven")
        setup.log("furnace_temperature", oven.read_temperature, every=1.0, criterion=Deviation(absolute=0.5))
        setup.run()


    if __name__ == "__main__":
        main()
"""

from PyExpLabSys.common.error_bound import ErrorBound
from PyExpLabSys.setups.components import Component, ComponentStatus, Gap, Reading
from PyExpLabSys.setups.criteria import Always, Criterion, Deviation, Interval, LateCriterion, Selector
from PyExpLabSys.setups.line import Line
from PyExpLabSys.setups.setup import Setup

__all__ = [
    "Always",
    "Component",
    "ComponentStatus",
    "Criterion",
    "Deviation",
    "ErrorBound",
    "Gap",
    "Interval",
    "LateCriterion",
    "Line",
    "Reading",
    "Selector",
    "Setup",
]
