"""Where a message ends: a framing is asked again each time that bytes have come.

A framing is a function of what has come so far. It returns the length of the first message in it, ``None`` if that is
not complete, and raises :class:`~PyExpLabSys.errors.ProtocolError` if it can never become one.
"""

from collections.abc import Callable

from PyExpLabSys.errors import ProtocolError

Framing = Callable[[bytes], int | None]


def until(terminator: bytes) -> Framing:
    r"""A message ends with this terminator, ``b"\r"`` or several bytes, which belongs to it."""
    if not terminator:
        raise ValueError("an empty terminator ends nothing")

    def length(buffer: bytes) -> int | None:
        position = buffer.find(terminator)
        return None if position < 0 else position + len(terminator)

    return length


def until_any(*terminators: bytes) -> Framing:
    """A message ends with the first of several terminators that comes: data end with one, refusals with another."""
    framings = [until(terminator) for terminator in terminators]
    if not framings:
        raise ValueError("until_any wants at least one terminator")

    def length(buffer: bytes) -> int | None:
        return min((end for framing in framings if (end := framing(buffer)) is not None), default=None)

    return length


def exactly(count: int) -> Framing:
    """A message has this many bytes."""
    if count < 1:
        raise ValueError(f"a message of {count} bytes is none")

    def length(buffer: bytes) -> int | None:
        return count if len(buffer) >= count else None

    return length


def counted(header: int, total: Callable[[bytes], int], *, longest: int = 4096) -> Framing:
    """A message says itself how long it is.

    Args:
        header: How many bytes must have come before the length is known.
        total: Returns the length of the whole message, header included, from these first bytes.
        longest: A message that claims to be longer than this, or shorter than its header, is noise.
    """
    if header < 1:
        raise ValueError(f"a header of {header} bytes tells no length")

    def length(buffer: bytes) -> int | None:
        if len(buffer) < header:
            return None
        claimed = total(buffer[:header])
        if not header <= claimed <= longest:
            raise ProtocolError(f"{buffer[:header]!r} claims a message of {claimed} bytes")
        return claimed if len(buffer) >= claimed else None

    return length
