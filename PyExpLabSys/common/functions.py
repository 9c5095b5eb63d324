"""Functions that lab scripts import."""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

LOGGER = logging.getLogger(__name__)


class Runnable(Protocol):
    """A program as an object: ``run`` works until it is done or raises, ``stop`` frees what it holds."""

    def run(self) -> None:
        """Work."""

    def stop(self) -> None:
        """Free instruments, ports and threads."""


def loop_class_on_exceptions(
    cls: type[Runnable],
    exceptions: type[Exception] | Sequence[type[Exception]] | None = None,
    wait_between_loops: float = 600,
    **kwargs: Any,
) -> None:
    """Make an object of a class and run it; after one of these exceptions stop it, wait, and begin with a new one.

    It returns when ``run`` does, or at Ctrl-C. Another exception stops the object, too, and goes on to the caller.

    Args:
        cls: A class with the methods ``run`` and ``stop``.
        exceptions: After which to begin again, of the constructor too; None: after none, ``run`` is called once.
        wait_between_loops: Time to wait before that, in s.
        **kwargs: Arguments of the class.

    Raises:
        TypeError: what was given are no such class, exceptions or time.
    """
    expected = _checked(cls, exceptions, wait_between_loops)
    while True:
        try:
            if _ran(cls, expected, kwargs):
                return
            time.sleep(wait_between_loops)
        except KeyboardInterrupt:
            LOGGER.info("%s ends: interrupted", cls.__name__)
            return


def _ran(cls: type[Runnable], expected: tuple[type[Exception], ...], kwargs: dict[str, Any]) -> bool:
    """Return whether an object ran to its end; False: one of the expected exceptions came."""
    try:
        instance = cls(**kwargs)
    except expected:
        LOGGER.exception("%s cannot be made", cls.__name__)
        return False
    try:
        instance.run()
    except expected:
        LOGGER.exception("%s failed", cls.__name__)
        _stop(instance)
        return False
    except BaseException:
        _stop(instance)
        raise
    return True


def _stop(instance: Runnable) -> None:
    """Stop an object that has failed; that it fails to stop as well is logged."""
    try:
        instance.stop()
    except Exception:  # it is given up in any case
        LOGGER.exception("%s did not stop", type(instance).__name__)


def _checked(cls: object, exceptions: object, wait_s: object) -> tuple[type[Exception], ...]:
    """Return the exceptions as a tuple; TypeError for a wrong argument."""
    if not isinstance(cls, type) or not all(callable(getattr(cls, method, None)) for method in ("run", "stop")):
        raise TypeError(f"expected a class with the methods run and stop, got {cls!r}")
    if isinstance(wait_s, bool) or not isinstance(wait_s, int | float) or not 0.0 <= wait_s < math.inf:
        raise TypeError(f"wait_between_loops is {wait_s!r}, expected a time in s")
    several = () if exceptions is None else (exceptions,) if isinstance(exceptions, type) else exceptions
    if not isinstance(several, Sequence) or isinstance(several, str):
        raise TypeError(f"exceptions is {exceptions!r}, expected an exception class or several")
    for one in several:
        if not (isinstance(one, type) and issubclass(one, Exception)):
            raise TypeError(f"{one!r} among the exceptions is no exception class")
    return tuple(several)
