"""Times as whole microseconds: one rounding, used wherever a time meets the database.

A unix time in seconds as float64 is rounded half-even to the microsecond, exactly as if done with fractions.
Multiplying the float by 1e6 is not that: the product itself is rounded first, so 1700000945.2706954 s, which is a
little less than half a microsecond above ...270695, would become ...270696.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MICROSECONDS = 1_000_000
# Within these bounds microseconds fit an int64 (2**43 s are 278,000 years).
LIMIT_S = float(2**43)
# From 2**13 s on a float64's last bit is worth 2**-39 s or more; its fraction times 1e6 (which is 15625 * 2**6) is then
# a whole number below 2**53 times a power of two, so the product is exact and only rint() rounds.
EXACT_PRODUCT_FROM_S = float(2**13)


def to_microseconds(unixtime_s: float) -> int:
    """Return a unix time in microseconds, rounded half-even.

    Raises:
        ValueError: the time is not finite, or beyond 2**43 s.
    """
    if not -LIMIT_S <= unixtime_s <= LIMIT_S:
        raise ValueError(f"{unixtime_s} is not a unix time in seconds")
    numerator, denominator = float(unixtime_s).as_integer_ratio()
    whole, rest = divmod(numerator * MICROSECONDS, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2))


def microseconds_of(times: "NDArray[np.float64]") -> "NDArray[np.int64]":
    """Return unix times in microseconds, each the same as from :func:`to_microseconds`.

    Raises:
        ValueError: a time is not finite, or beyond 2**43 s; the message says which.
    """
    import numpy as np

    times = np.asarray(times, dtype=np.float64)
    magnitude = np.abs(times)
    bad = np.flatnonzero(~(magnitude <= LIMIT_S))
    if bad.size:
        raise ValueError(f"{times.flat[bad[0]]} (number {bad[0]}) is not a unix time in seconds")
    whole = np.floor(times)
    rounded: NDArray[np.int64] = whole.astype(np.int64) * MICROSECONDS
    rounded += np.rint((times - whole) * MICROSECONDS).astype(np.int64)
    for index in np.flatnonzero(magnitude < EXACT_PRODUCT_FROM_S):  # the first hours of 1970: hardly ever any
        rounded.flat[index] = to_microseconds(float(times.flat[index]))
    return rounded


def to_seconds(microseconds: int) -> float:
    """Return the float64 nearest to a time in microseconds, in seconds."""
    return microseconds / MICROSECONDS


def floor_to_digits(microseconds: int, digits: int) -> int:
    """Return what a column ``timestamp(digits)`` keeps of a time in microseconds: later digits are cut off.

    MariaDB cuts, MySQL rounds; times are cut here, before they are sent, so that both store the same.
    """
    step = _step(digits)
    return microseconds // step * step


def floor_all_to_digits(microseconds: "NDArray[np.int64]", digits: int) -> "NDArray[np.int64]":
    """Return the same as :func:`floor_to_digits` for each time of an array."""
    step = _step(digits)
    floored: NDArray[Any] = microseconds // step * step
    return floored


def seconds_text(microseconds: int, digits: int = 6) -> str:
    """Return a time in seconds as decimal text with so many digits, floored: ``1700000000.750000``."""
    floored = floor_to_digits(microseconds, digits)
    whole, fraction = divmod(abs(floored), MICROSECONDS)
    text = f"{'-' if floored < 0 else ''}{whole}"
    return f"{text}.{fraction:06d}"[: len(text) + 1 + digits] if digits else text


def _step(digits: int) -> int:
    if not 0 <= digits <= 6:
        raise ValueError(f"a time has 0 to 6 digits after the point, not {digits}")
    return int(10 ** (6 - digits))
