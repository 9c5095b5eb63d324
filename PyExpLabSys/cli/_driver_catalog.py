"""Which drivers there are, and what they say of themselves."""

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import typer

from PyExpLabSys.instrument import InstrumentInfo

DRIVERS = "PyExpLabSys.drivers"
#: Methods that are no business of somebody who wants a reading.
PLUMBING = frozenset({"close", "identify"})

#: A part of a name that is as long as this, such as a maker's, is enough to guess what was meant.
SHORTEST_PART = 3


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the list.

    Attributes:
        name: The module.
        info: What the driver says of its instrument; None if it cannot be loaded.
        error: Why not.
    """

    name: str
    info: InstrumentInfo | None = None
    error: str = ""


def driver_names() -> list[str]:
    """Return the names of all driver modules; nothing is imported for that but their folder."""
    folder = importlib.import_module(DRIVERS).__path__
    return sorted(module.name for module in pkgutil.iter_modules(folder) if not module.name.startswith("_"))


def entries() -> Iterator[Entry]:
    """Yield each driver; one that cannot be loaded is no reason to hide the others."""
    for name in driver_names():
        try:
            yield Entry(name=name, info=general_class(_module(name)).INFO)
        except Exception as error:  # noqa: BLE001 (a driver that somebody is writing may fail in any way)
            yield Entry(name=name, error=f"cannot be loaded: {type(error).__name__}: {error}")


def find_driver(name: str) -> Any:
    """Return the class that is meant by ``omega_cni`` or ``omega_cni.CNi3244_C24``.

    Raises:
        typer.BadParameter: there is none; the message has the closest names.
    """
    module_name, _, class_name = name.removesuffix(".py").partition(".")
    if module_name not in driver_names():
        raise typer.BadParameter(
            f"there is no driver {module_name!r}{_suggestion(module_name, driver_names())} All: pyexplabsys drivers"
        )
    module = _module(module_name)
    if not class_name:
        return general_class(module)
    classes = {kind.__name__: kind for kind in driver_classes(module)}
    if class_name not in classes:
        raise typer.BadParameter(f"the driver {module_name} has no class {class_name!r}, only {', '.join(classes)}")
    return classes[class_name]


def driver_classes(module: ModuleType) -> list[Any]:
    """Return the instruments that a module is for, in the order in which they stand there."""
    return [
        kind
        for name, kind in vars(module).items()
        if isinstance(kind, type)
        and kind.__module__ == module.__name__
        and not name.startswith("_")
        and isinstance(getattr(kind, "INFO", None), InstrumentInfo)
    ]


def general_class(module: ModuleType) -> Any:
    """Return the class of a module that says itself what it is for; others only fill in arguments.

    Raises:
        LookupError: there is none.
    """
    for kind in driver_classes(module):
        if "INFO" in vars(kind):
            return kind
    raise LookupError(f"{module.__name__} has no class with an INFO")


def methods(kind: type) -> dict[str, Callable[..., object]]:
    """Return what can be asked of an instrument: what INFO names first, then all else that is public."""
    found = {
        name: member
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and name not in PLUMBING
    }
    # In the order of the module, as its author thought it out, not that of the alphabet.
    ordered = sorted(found, key=lambda name: found[name].__code__.co_firstlineno)
    quantities = [name for name in info_of(kind).quantities if name in found]
    return {name: found[name] for name in [*quantities, *(name for name in ordered if name not in quantities)]}


def find_method(kind: type, name: str) -> Callable[..., object]:
    """Return a method of a driver.

    Raises:
        typer.BadParameter: it has none of this name; the message has those that there are.
    """
    there = methods(kind)
    if name not in there:
        raise typer.BadParameter(
            f"{kind.__name__} has no method {name!r}{_suggestion(name, list(there))} It has: {', '.join(there)}"
        )
    return there[name]


def method_to_try(kind: type) -> str:
    """Return a method that reads something and needs no argument, for an example."""
    there = methods(kind)
    readable = [name for name in there if name.startswith("read") and not _needs_arguments(there[name])]
    return next(iter([*readable, *there]))


def info_of(kind: Any) -> InstrumentInfo:
    """Return what a driver says of its instrument."""
    info: InstrumentInfo = kind.INFO
    return info


def summary(member: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(member) or "").partition("\n")[0]


def _needs_arguments(method: Callable[..., object]) -> bool:
    _, *parameters = inspect.signature(method).parameters.values()  # without self
    return any(
        each.default is each.empty and each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD} for each in parameters
    )


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{DRIVERS}.{name}")


def _suggestion(name: str, names: Sequence[str]) -> str:
    """Return the end of a sentence: a question with the names that are closest, a full stop if none is close."""
    lower = {each.lower(): each for each in names}
    close = [lower[each] for each in difflib.get_close_matches(name.lower(), lower, n=3)]
    if len(name) >= SHORTEST_PART:
        close += [each for each in names if name.lower() in each.lower() and each not in close]
    return f"; did you mean {' or '.join(close[:3])}?" if close else "."
