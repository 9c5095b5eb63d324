"""The records of a point log: 24 bytes each, little-endian, the same in memory and on disk.

======  ==========  ============================================================
offset  type        meaning
======  ==========  ============================================================
0       u8          kind; 0 is never valid, so empty storage is never a record
1       u8          flags
2       u16         local id of the codename, in order of registration
4       u32         check over the record and its sequence number, where the
                    storage outlives the process; memory leaves it 0
8       float64     unix time in s
16      float64     value
======  ==========  ============================================================
"""

import struct
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RECORD_BYTES = 24
RECORD = struct.Struct("<Qdd")
"""The first eight bytes as one number (see :func:`head_of`; the check is its upper half), time and value."""

KIND_POINT = 1

FLAG_STAMPED_BY_US = 1
"""The time stamp is a reading of this computer's clock: it may be corrected when that clock was wrong."""

CODENAMES_MAX = 1 << 16


def head_of(codename_id: int, flags: int = 0) -> int:
    """Return the first bytes of a point's record as one number, with a check of 0."""
    return KIND_POINT | flags << 8 | codename_id << 16


@cache
def record_dtype() -> "np.dtype[np.void]":
    """Return the numpy type of one record."""
    # numpy costs a fifth of a second on a small computer, so it is imported when points are first moved.
    import numpy as np

    return np.dtype(
        [("kind", "u1"), ("flags", "u1"), ("codename", "<u2"), ("check", "<u4"), ("time", "<f8"), ("value", "<f8")]
    )
