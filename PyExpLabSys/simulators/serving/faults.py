"""Makes a simulated instrument fail on request."""

import random
import re
from collections.abc import Sequence
from enum import Enum

from PyExpLabSys.simulators.serving.base import Answer, ByteSimulator

#: What may end a message: control characters, or the text that MKS has for it. A wrong checksum stands before it.
END = re.compile(rb"(?:[\r\n\x03]|;FF)*\Z")


class Fault(Enum):
    """What can be wrong with an answer; the values are the names on the command line."""

    SILENCE = "silence"
    GARBAGE = "garbage"
    WRONG_ECHO = "wrong-echo"
    WRONG_CHECKSUM = "wrong-checksum"
    HALF_A_REPLY = "half-a-reply"
    LATE = "late"
    UNPLUGGED = "unplugged"


class FaultySimulator:
    """An instrument that answers as the one inside it does, until told to fail.

    Args:
        simulator: The instrument. It does what it is asked even if its answer is lost, as real ones do.
        seed: Where the chances and the noise come from; the same seed gives the same faults.
    """

    def __init__(self, simulator: ByteSimulator, *, seed: int = 0) -> None:
        self._simulator = simulator
        self._random = random.Random(seed)
        self._fault: Fault | None = None
        self._left: int | None = None
        self._chance = 1.0
        self._late_s = 0.0

    def inject(self, fault: Fault, *, times: int | None = 1, chance: float = 1.0, late_s: float = 0.0) -> None:
        """Fail from the next answer on, in place of what was injected before.

        Args:
            fault: How.
            times: How many answers; None: until :meth:`heal`.
            chance: The share of answers that fails, 0 to 1.
            late_s: How much later a late answer comes, in s.
        """
        self._fault, self._left, self._chance, self._late_s = fault, times, chance, late_s

    def heal(self) -> None:
        """Fail no more."""
        self._fault = None

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        """Return what the instrument answers, or what is left of it."""
        answers = self._simulator.feed(data, now_s)
        fault = self._take_fault() if answers else None
        return list(answers) if fault is None else self._spoil(fault, answers)

    def _take_fault(self) -> Fault | None:
        if self._fault is None or self._random.random() >= self._chance:
            return None
        fault = self._fault
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.heal()
        return fault

    def _spoil(self, fault: Fault, answers: Sequence[Answer]) -> list[Answer]:
        spoiled: list[Answer] = []
        for delay_s, data in answers:
            late_s = self._late_s if fault is Fault.LATE else 0.0
            left = b"" if data is None or fault is Fault.SILENCE else self._spoil_data(fault, data)
            if left:  # of half a byte nothing is left
                spoiled.append(Answer(delay_s + late_s, left))
            if data is None or fault is Fault.UNPLUGGED:
                spoiled.append(Answer(delay_s, None))
        return spoiled

    def _spoil_data(self, fault: Fault, data: bytes) -> bytes:
        match fault:
            case Fault.GARBAGE:
                return self._noise(data)
            case Fault.WRONG_ECHO:
                return flip_bit(data, 0)
            case Fault.WRONG_CHECKSUM:
                return flip_bit(data, max(0, _end_of_text(data) - 1))
            case Fault.HALF_A_REPLY | Fault.UNPLUGGED:
                return data[: len(data) // 2]
            case _:
                return data

    def _noise(self, data: bytes) -> bytes:
        """Return as many bytes of noise; what ends the message stays, so that it is taken for one."""
        end = _end_of_text(data)
        return self._random.randbytes(end) + data[end:]


def _end_of_text(data: bytes) -> int:
    """Return where that begins which ends a message."""
    return len(END.sub(b"", data, count=1))


def flip_bit(data: bytes, index: int) -> bytes:
    """Return bytes of which one has its lowest bit turned."""
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]
