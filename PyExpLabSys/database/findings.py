"""What a look at a lab's database can find."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["severe", "warning", "note"]

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is missing, old or running out.

    Attributes:
        severity: ``severe``: data are lost, now or soon; ``warning``: works, with a weakness; ``note``: good to know.
        where: The table or server.
        what: What is the matter, and what it means.
        mend: The statement that would mend it, for a person to judge and run; None where there is none.
    """

    severity: Severity
    where: str
    what: str
    mend: str | None = None


def severity_of(time_left_s: float) -> Severity:
    """Return how bad it is that something ends in a time: severe below one year, a warning below five."""
    if time_left_s < YEAR_S:
        return "severe"
    return "warning" if time_left_s < 5 * YEAR_S else "note"
