"""What simulated SCPI instruments have in common: parser, status registers, error queue; and one that has no more.

Source: SCPI-1999, volume 1 chapters 6 (headers, long and short forms, several commands in a line), volume 2 chapter 21
(error numbers and their queue); IEEE 488.2-1992, sections 10 and 11 (common commands and registers).
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from PyExpLabSys.simulators.serving.base import Answer, ByteSimulator, MessageSimulator
from PyExpLabSys.simulators.serving.memory import in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.framing import until_any

#: What a command does: gets its parameters and the time in s, returns the reply to a query.
Command = Callable[[list[str], float], str | None]

TEXTS = {
    -101: "Invalid character",
    -102: "Syntax error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -121: "Invalid character in number",
    -211: "Trigger ignored",
    -213: "Init ignored",
    -221: "Settings conflict",
    -222: "Data out of range",
    -224: "Illegal parameter value",
    -230: "Data stale",
    -350: "Queue overflow",
}
#: Which bit of the event status register an error sets, by its hundreds: query, device, execution, command.
EVENT_BITS = {4: 4, 3: 8, 2: 16, 1: 32}
POWER_ON = 128


class Refusal(Exception):
    """A command is not carried out, for the reason with this number."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class SimulatedSCPI:
    """An instrument that has the common commands and an error queue; others derive from it and add their own.

    Args:
        identity: The reply to ``*IDN?``.
        reply_ending: How replies end.
        queue_depth: How many errors have room.
        keithley: Whether an empty queue is ``0`` and not ``+0``.
    """

    def __init__(
        self,
        *,
        identity: str = "KEITHLEY INSTRUMENTS INC.,MODEL 2000,0597913,A20 /A02",
        reply_ending: str = "\n",
        queue_depth: int = 20,
        keithley: bool = True,
    ) -> None:
        self.identity = identity
        self._ending = reply_ending
        self._depth = queue_depth
        self._no_error = "0" if keithley else "+0"
        #: Until when in s it does nothing else; what is sent meanwhile waits.
        self.busy_until_s = 0.0
        self._errors: deque[int] = deque()
        self._event_status = POWER_ON
        self._event_enable = self._service_enable = 0
        self._commands = {
            _pattern(header): command for header, command in {**self._common(), **self.commands()}.items()
        }

    def commands(self) -> Mapping[str, Command]:
        """Return the instrument's own commands, by headers as manuals write them: ``[SENSe:]VOLTage[:DC]:NPLC?``."""
        return {}

    def reset(self) -> None:
        """Bring the instrument's own settings to those of the factory."""

    def operation_condition(self, now_s: float) -> int:  # noqa: ARG002 (for those where something goes on)
        """Return the bits of the operation condition register at a time in s."""
        return 0

    def handle(self, request: bytes, now_s: float) -> bytes:
        """Return the reply to a line of commands at a time in s, nothing if none of them is a query."""
        line = request.strip(b"\r\n").decode("latin-1")
        if not line.isascii():
            self.note_error(-101)
            return b""
        replies = []
        path = ""
        for part in split(line, ";"):
            header, _, data = part.strip().partition(" ")
            if not header:
                continue
            # A header goes on where the one before ended, unless it begins with a colon or is a common one.
            whole = header if header[0] in ":*" else path + header
            if header[0] != "*":
                path = whole[: whole.rfind(":") + 1]
            try:
                reply = self._run(whole.removeprefix(":"), [item.strip() for item in split(data, ",")], now_s)
            except Refusal as refusal:
                # The rest of a line in which a command is wrong is not carried out.
                self.note_error(refusal.code)
                break
            if reply is not None:
                replies.append(reply)
        return (";".join(replies) + self._ending).encode("ascii") if replies else b""

    def note_error(self, code: int) -> None:
        """Put an error into the queue, as also happens without a command: hardware, panel."""
        self._event_status |= EVENT_BITS.get(-code // 100, 8)
        if len(self._errors) < self._depth:
            self._errors.append(code)
        else:
            self._errors[-1] = -350

    def _run(self, header: str, data: list[str], now_s: float) -> str | None:
        for pattern, command in self._commands.items():
            if pattern.fullmatch(header):
                return command([] if data == [""] else data, now_s)
        raise Refusal(-113)

    def _common(self) -> dict[str, Command]:
        return {
            "*IDN?": lambda _data, _now_s: self.identity,
            "*RST": lambda _data, _now_s: self.reset(),
            "*CLS": lambda _data, _now_s: self._clear(),
            "*ESR?": lambda _data, _now_s: self._take_event_status(),
            "*ESE": lambda data, _now_s: self._enable("_event_enable", data),
            "*ESE?": lambda _data, _now_s: str(self._event_enable),
            "*SRE": lambda data, _now_s: self._enable("_service_enable", data),
            "*SRE?": lambda _data, _now_s: str(self._service_enable),
            "*STB?": lambda _data, _now_s: str(self._status_byte()),
            "*OPC": lambda _data, _now_s: self._complete(),
            "*OPC?": lambda _data, _now_s: "1",
            "*TST?": lambda _data, _now_s: "0",
            "*WAI": lambda _data, _now_s: None,
            "SYSTem:ERRor[:NEXT]?": lambda _data, _now_s: self._next_error(),
            "STATus:QUEue[:NEXT]?": lambda _data, _now_s: self._next_error(),
            "STATus:OPERation:CONDition?": lambda _data, now_s: f"{self.operation_condition(now_s):+d}",
            "ABORt": lambda _data, now_s: self.abort(now_s),
        }

    def abort(self, now_s: float) -> None:
        """Stop what goes on at a time in s."""

    def _clear(self) -> None:
        self._errors.clear()
        self._event_status = 0

    def _complete(self) -> None:
        self._event_status |= 1

    def _take_event_status(self) -> str:
        status, self._event_status = self._event_status, 0
        return str(status)

    def _enable(self, register: str, data: list[str]) -> None:
        bits = number(data)
        if not 0 <= bits <= 0xFF:
            raise Refusal(-222)
        setattr(self, register, int(bits))

    def _status_byte(self) -> int:
        summary = 4 * bool(self._errors) | 32 * bool(self._event_status & self._event_enable)
        return summary | 64 * bool(summary & self._service_enable)

    def _next_error(self) -> str:
        if not self._errors:
            return f'{self._no_error},"No error"'
        code = self._errors.popleft()
        return f'{code:+d},"{TEXTS.get(code, "Device error")}"'


def number(data: list[str], low: float = float("-inf"), high: float = float("inf")) -> float:
    """Return the only parameter, a number between two others."""
    if len(data) != 1:
        raise Refusal(-108 if data else -109)
    try:
        value = float(data[0])
    except ValueError:
        raise Refusal(-121) from None
    if not low <= value <= high:
        raise Refusal(-222)
    return value


def keyword(data: list[str], *allowed: str) -> str:
    """Return the only parameter, one of these words, in its short form."""
    if len(data) != 1:
        raise Refusal(-108 if data else -109)
    for word in allowed:
        if _pattern(word).fullmatch(data[0]):
            return "".join(character for character in word if not character.islower())
    raise Refusal(-224)


def split(text: str, separator: str) -> Iterator[str]:
    """Return the parts of a text; what stands in quotes or parentheses is not divided."""
    yield from re.split(rf"""{separator}(?=(?:[^"']|"[^"]*"|'[^']*')*$)(?![^(]*\))""", text)


def _pattern(header: str) -> re.Pattern[str]:
    """Return what matches a header: each word long or short, in capitals or not, words in brackets there or not."""
    pattern = re.sub(r"\*|\?", lambda match: "\\" + match[0], header).replace("[", "(?:").replace("]", ")?")
    pattern = re.sub(r"([A-Z]+)([a-z]+)", r"\1(?:\2)?", pattern)
    return re.compile(pattern, re.IGNORECASE)


class _Served:
    """An instrument on a wire: it takes line after line, the next one when it is done with the one before."""

    def __init__(self, instrument: SimulatedSCPI) -> None:
        self._instrument = instrument
        self._ready_s: list[float] = []
        # A carriage return, a line feed or both end a line.
        self._lines = MessageSimulator(self._handle, until_any(b"\n", b"\r"))

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        """Return the replies, each when it is ready."""
        self._ready_s.clear()
        answers = self._lines.feed(data, now_s)
        return [
            Answer(max(0.0, ready_s - now_s), answer.data)
            for ready_s, answer in zip(self._ready_s, answers, strict=True)
        ]

    def _handle(self, request: bytes, now_s: float) -> bytes:
        reply = self._instrument.handle(request, max(now_s, self._instrument.busy_until_s))
        if reply:
            self._ready_s.append(self._instrument.busy_until_s)
        return reply


def serve(instrument: SimulatedSCPI) -> ByteSimulator:
    """Return an instrument for any wire."""
    return _Served(instrument)


def device(**options: Any) -> ByteSimulator:
    """Return a new instrument for any wire; the options are the arguments of :class:`SimulatedSCPI`."""
    return serve(SimulatedSCPI(**options))


def simulate(*, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ByteTransport:
    """Return a transport with a new instrument at its end; the options are those of :func:`device`."""
    return in_memory(device(**options), clock=clock, name="simulated scpi")
