"""A simulated Pfeiffer TPG 262 with two gauges on a chamber that is being pumped.

Source: Pfeiffer's manual of the TPG 261/262, chapter on the serial interface: handshake, mnemonics, error word.
"""

import math
from collections.abc import Callable
from typing import Any

from PyExpLabSys.simulators.serving.base import ByteSimulator, MessageSimulator
from PyExpLabSys.simulators.serving.memory import in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.framing import exactly, until_any

ACKNOWLEDGED = b"\x06\r\n"
REFUSED = b"\x15\r\n"
ENQUIRY = b"\x05"
END = b"\x03"

NO_ERROR, SYNTAX_ERROR, PARAMETER_ERROR = "0000", "0001", "0010"
NO_SENSOR = "noSEn"
#: Range in mbar of each kind of gauge; the kinds marked True can be switched off.
GAUGES = {
    "TPR": (5e-4, 1000.0, False),
    "PCR": (5e-4, 1500.0, False),
    "IKR9": (2e-9, 1e-2, True),
    "IKR11": (1e-11, 1e-2, True),
    "PKR": (5e-9, 1000.0, True),
    "PBR": (5e-10, 1000.0, True),
    "IMR": (2e-6, 1000.0, True),
}
#: How many of each unit are 1 mbar.
UNITS = (1.0, 0.750062, 100.0)


class SimulatedTPG26x:
    """One controller; the pressure at both of its gauges falls towards a base pressure.

    Args:
        gauges: Kinds of gauge 1 and 2, ``noSEn`` where there is none.
        pressures_mbar: At these gauges, at the start.
        base_mbar: What the pumps reach.
        time_constant_s: How fast they do.
        firmware: What it calls its program.
    """

    def __init__(
        self,
        *,
        gauges: tuple[str, str] = ("PKR", NO_SENSOR),
        pressures_mbar: tuple[float, float] = (1.23e-3, 5e-2),
        base_mbar: float = 1e-7,
        time_constant_s: float = 30.0,
        firmware: str = "010100",
    ) -> None:
        self.gauges = gauges
        self.firmware = firmware
        self.base_mbar = base_mbar
        self.time_constant_s = time_constant_s
        self.unit = 0
        # 2 on, 1 off, 0 for those that cannot be switched.
        self.switched = [2 if kind in GAUGES and GAUGES[kind][2] else 0 for kind in gauges]
        self.error = NO_ERROR
        self.echoes = False
        self._pressures_mbar = list(pressures_mbar)
        self._time_s: float | None = None
        self._data: Callable[[], str] = self._take_error

    def framing(self, buffer: bytes) -> int | None:
        """Return where a message to it ends: with CR, or as one of the two characters that stand alone."""
        return (exactly(1) if self.echoes else until_any(b"\r", ENQUIRY, END))(buffer)

    def handle(self, request: bytes, now_s: float) -> bytes:
        """Return the answer to one message that goes over the wire at a time in s."""
        self._pass_time(now_s)
        if request.endswith(END):
            self.echoes = False
            self._data = self._take_error
            return b""
        if self.echoes:
            return request
        if request.endswith(ENQUIRY):
            data = self._data()
            return data.encode("ascii") + b"\r\n" if data else b""
        # A line feed behind the carriage return stands before the next message.
        line = request.decode("latin-1").strip("\r\n")
        return self._obey(line) if line else b""

    def _obey(self, line: str) -> bytes:
        mnemonic, *parameters = line.split(",")
        known: dict[str, Callable[[], str]] = {
            "PNR": lambda: self.firmware,
            "PR1": lambda: self._reading(0),
            "PR2": lambda: self._reading(1),
            "PRX": lambda: f"{self._reading(0)},{self._reading(1)}",
            "TID": lambda: ",".join(self.gauges),
            "UNI": lambda: str(self.unit),
            "SEN": lambda: f"{self.switched[0]},{self.switched[1]}",
            "ERR": self._take_error,
            "RST": self._begin_to_echo,
        }
        if mnemonic not in known:
            return self._refuse(SYNTAX_ERROR)
        if parameters and not self._set(mnemonic, [parameter.strip() for parameter in parameters]):
            return self._refuse(PARAMETER_ERROR)
        self._data = known[mnemonic]
        return ACKNOWLEDGED

    def _refuse(self, error: str) -> bytes:
        self.error = error
        self._data = self._take_error
        return REFUSED

    def _set(self, mnemonic: str, parameters: list[str]) -> bool:
        """Take the parameters of a mnemonic; return whether they make sense."""
        if mnemonic == "UNI" and parameters in (["0"], ["1"], ["2"]):
            self.unit = int(parameters[0])
            return True
        if mnemonic == "SEN" and len(parameters) == 2 and set(parameters) <= {"0", "1", "2"}:
            for gauge, wanted in enumerate(map(int, parameters)):
                self.switched[gauge] = wanted if wanted and self.switched[gauge] else self.switched[gauge]
            return True
        return False

    def _take_error(self) -> str:
        error, self.error = self.error, NO_ERROR
        return error

    def _begin_to_echo(self) -> str:
        self.echoes = True
        return ""  # no line: from now on all is sent back

    def _reading(self, gauge: int) -> str:
        """Return status and pressure; gauges of a logarithmic scale have two decimals, and two zeros behind them."""
        status, pressure_mbar = self._measure(gauge)
        mantissa, exponent = f"{pressure_mbar * UNITS[self.unit]:.2E}".split("E")
        return f"{status},+{mantissa}00E{exponent}"

    def _measure(self, gauge: int) -> tuple[int, float]:
        kind, pressure_mbar = self.gauges[gauge], self._pressures_mbar[gauge]
        if kind == NO_SENSOR:
            return 5, 2e-2
        if kind not in GAUGES:
            return 6, 2e-2
        if self.switched[gauge] == 1:
            return 4, 2e-2
        lowest, highest, _ = GAUGES[kind]
        status = 1 if pressure_mbar < lowest else 2 if pressure_mbar > highest else 0
        return status, min(max(pressure_mbar, lowest), highest)

    def _pass_time(self, now_s: float) -> None:
        if self._time_s is not None:
            left = math.exp(-(now_s - self._time_s) / self.time_constant_s)
            self._pressures_mbar = [
                self.base_mbar + (pressure_mbar - self.base_mbar) * left for pressure_mbar in self._pressures_mbar
            ]
        self._time_s = now_s


def device(*, delay_s: float = 0.0, **options: Any) -> ByteSimulator:
    """Return a new controller for any wire.

    Args:
        delay_s: How long it takes before it answers, in s.
        options: The arguments of :class:`SimulatedTPG26x`.
    """
    controller = SimulatedTPG26x(**options)
    return MessageSimulator(controller.handle, controller.framing, delay_s=delay_s)


def simulate(*, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ByteTransport:
    """Return a transport with a new controller at its end; the options are those of :func:`device`."""
    return in_memory(device(**options), clock=clock, name="simulated pfeiffer")
