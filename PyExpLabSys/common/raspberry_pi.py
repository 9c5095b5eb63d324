"""Which Raspberry Pi a revision code stands for.

Source: "Raspberry Pi revision codes" in the documentation of Raspberry Pi computers (``raspberry-pi/revision-codes``).
"""

#: Codes of the first boards: (model, revision, MB of memory), by number.
OLD_STYLE: dict[int, tuple[str, str, int]] = {
    0x0002: ("B", "1.0", 256),
    0x0003: ("B", "1.0", 256),
    0x0004: ("B", "2.0", 256),
    0x0005: ("B", "2.0", 256),
    0x0006: ("B", "2.0", 256),
    0x0007: ("A", "2.0", 256),
    0x0008: ("A", "2.0", 256),
    0x0009: ("A", "2.0", 256),
    0x000D: ("B", "2.0", 512),
    0x000E: ("B", "2.0", 512),
    0x000F: ("B", "2.0", 512),
    0x0010: ("B+", "1.2", 512),
    0x0011: ("CM1", "1.0", 512),
    0x0012: ("A+", "1.1", 256),
    0x0013: ("B+", "1.2", 512),
    0x0014: ("CM1", "1.0", 512),
    0x0015: ("A+", "1.1", 256),
}
#: Models by bits 4 to 11 of a new-style code.
MODELS: dict[int, str] = {
    0x00: "A",
    0x01: "B",
    0x02: "A+",
    0x03: "B+",
    0x04: "2B",
    0x05: "Alpha",
    0x06: "CM1",
    0x08: "3B",
    0x09: "Zero",
    0x0A: "CM3",
    0x0C: "Zero W",
    0x0D: "3B+",
    0x0E: "3A+",
    0x10: "CM3+",
    0x11: "4B",
    0x12: "Zero 2 W",
    0x13: "400",
    0x14: "CM4",
    0x15: "CM4S",
    0x17: "5",
    0x18: "CM5",
    0x19: "500",
    0x1A: "CM5 Lite",
}
NEW_STYLE = 1 << 23
UNKNOWN = "Undefined revision"


def model(revision: str) -> str:
    """Return model, revision and memory behind the ``Revision`` of ``/proc/cpuinfo``, such as ``4B Rev 1.4, 4096 MB``.

    ``Undefined revision`` for a code that is none.
    """
    try:
        code = int(revision, 16)
    except ValueError:
        return UNKNOWN
    if code & NEW_STYLE:
        name = MODELS.get(code >> 4 & 0xFF)
        return UNKNOWN if name is None else f"{name} Rev 1.{code & 0xF}, {256 << (code >> 20 & 0x7)} MB"
    # A board whose warranty bit was set by overvolting has a 1000 before its code.
    old = OLD_STYLE.get(code & 0xFFFF)
    return UNKNOWN if old is None else f"{old[0]} Rev {old[1]}, {old[2]} MB"
