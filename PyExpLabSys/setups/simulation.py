"""Finds the simulator of an instrument: the module of :mod:`PyExpLabSys.simulators` with the name of its driver."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from PyExpLabSys.errors import SettingsError

SIMULATORS = "PyExpLabSys.simulators"


def simulated_transport(driver: Callable[..., object], arguments: Mapping[str, object]) -> Any:
    """Return a transport with the simulator of an instrument at its end.

    Args:
        driver: The driver's class.
        arguments: What its constructor is given; those that the simulator knows too, such as ``address``, it gets.

    Raises:
        SettingsError: There is no simulator for this driver.
    """
    module = _simulator_module(driver)
    known = _options(module)
    return module.simulate(**{name: value for name, value in arguments.items() if name in known})


def _simulator_module(driver: Callable[..., object]) -> ModuleType:
    name = f"{SIMULATORS}.{driver.__module__.rpartition('.')[2]}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise SettingsError(f"{driver.__qualname__} cannot be simulated: there is no module {name}") from error
    return module


def _options(module: ModuleType) -> set[str]:
    """Return the names of a simulator's options: those of ``simulate``, and of what it hands further ones on to."""
    simulated = [kind for name, kind in vars(module).items() if _is_simulator(name, kind, module)]
    options: set[str] = set()
    for function in (module.simulate, getattr(module, "device", None), *simulated):
        if function is None:
            continue
        parameters = inspect.signature(function).parameters.values()
        options |= {each.name for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD}
        if all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in parameters):
            break
    return options - {"clock"}


def _is_simulator(name: str, kind: object, module: ModuleType) -> bool:
    return isinstance(kind, type) and name.startswith("Simulated") and kind.__module__ == module.__name__
