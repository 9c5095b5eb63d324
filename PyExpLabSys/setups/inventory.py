"""What a setup consists of: its lines, its instruments, and what is read."""

from PyExpLabSys.setups.instruments import ManagedInstrument
from PyExpLabSys.setups.line import Line
from PyExpLabSys.setups.measurements import Measurement


class Inventory:
    """Grows while the script says what there is; then it is opened and closed as a whole."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._instruments: list[ManagedInstrument] = []
        self.measurements: list[Measurement] = []

    @property
    def codenames(self) -> list[str]:
        """All codenames, in the order in which they were given."""
        return [codename for each in self.measurements for codename in each.codenames]

    def add_line(self, line: Line) -> None:
        """Add a line."""
        self._lines.append(line)

    def add_instrument(self, instrument: ManagedInstrument) -> None:
        """Add an instrument."""
        self._instruments.append(instrument)

    def add_measurement(self, measurement: Measurement) -> None:
        """Add what is read.

        Raises:
            ValueError: It feeds no codename, or one that another one feeds.
        """
        if not measurement.codenames:
            raise ValueError("log_many wants at least one codename")
        twice = sorted(set(measurement.codenames).intersection(self.codenames))
        if twice:
            raise ValueError(f"{', '.join(twice)}: each codename of a setup is logged once")
        self.measurements.append(measurement)

    def enable(self, *, simulated: bool) -> None:
        """Let the instruments be opened when they are first called, or their simulators.

        Raises:
            SettingsError: An instrument has no simulator.
        """
        for instrument in self._instruments:
            instrument.enable(simulated=simulated)

    def finish(self) -> None:
        """Store what criteria hold, as there is no further reading."""
        for measurement in self.measurements:
            measurement.finish()

    def close(self) -> None:
        """Close all instruments and lines."""
        for instrument in self._instruments:
            instrument.close()
        for line in self._lines:
            line.close()
