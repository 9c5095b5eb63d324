"""The temperature of a thermocouple from its voltage, under the name that lab scripts import.

:class:`PyExpLabSys.auxiliary.thermocouples.Thermocouple` does it, and also the other way.
"""

from typing import TYPE_CHECKING, overload

from PyExpLabSys.auxiliary.thermocouples import Thermocouple

if TYPE_CHECKING:
    from PyExpLabSys.auxiliary.thermocouples import Floats, Numbers


@overload
def TC_Calculator(V: float, No: int = 1, tctype: str = "K", *, reference_degc: float = 0.0) -> float: ...  # noqa: N803
@overload
def TC_Calculator(
    V: "Numbers",  # noqa: N803
    No: int = 1,  # noqa: N803
    tctype: str = "K",
    *,
    reference_degc: float = 0.0,
) -> "Floats": ...
def TC_Calculator(  # noqa: N802 - the published name, and those of its arguments
    V: "float | Numbers",  # noqa: N803
    No: int = 1,  # noqa: N803
    tctype: str = "K",
    *,
    reference_degc: float = 0.0,
) -> "float | Floats":
    """Return the temperature in degC of a thermocouple, or of several of one type in series.

    Args:
        V: Measured voltage in mV, one or many.
        No: Number of junctions in series that share it.
        tctype: Letter of the type: B, E, J, K, N, R, S or T.
        reference_degc: Temperature of the reference junctions in degC.

    Raises:
        ValueError: no such type, no junction, or a voltage that the type does not reach.
    """
    import numpy as np

    if No < 1:
        raise ValueError(f"{No} junctions have no voltage; expected 1 or more")
    return Thermocouple(tctype).temperature(np.asarray(V, dtype=np.float64) / No, reference_degc)
