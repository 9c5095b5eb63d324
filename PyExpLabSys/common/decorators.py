"""Decorators that lab scripts import."""

import functools
import logging
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

LOGGER = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Instance = TypeVar("Instance")
_Method = Callable[Concatenate[Instance, Parameters], Result]


def execute_on_exception(
    method_name: str,
) -> Callable[[_Method[Instance, Parameters, Result]], _Method[Instance, Parameters, Result]]:
    """Decorate a method so that another one of its object is called when it raises, also at Ctrl-C.

    The exception goes on to the caller. If the other method raises too, that is logged.

    Args:
        method_name: The method to call, without arguments: one that switches off, for example.
    """

    def decorate(method: _Method[Instance, Parameters, Result]) -> _Method[Instance, Parameters, Result]:
        @functools.wraps(method)
        def guarded(self: Instance, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            try:
                return method(self, *args, **kwargs)
            except BaseException:
                _call_and_log(self, method_name)
                raise

        return guarded

    return decorate


def _call_and_log(instance: Any, method_name: str) -> None:
    """Call a method; if it raises, that is logged, since another exception is on its way."""
    try:
        getattr(instance, method_name)()
    except Exception:  # any failure: the exception that led here is the one to tell
        LOGGER.exception("%s of %r failed too", method_name, instance)
