"""Arguments of drivers and simulators from the command line: ``name=value``, converted as the signature wants it."""

import ast
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import typer

TRUE, FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a function or a constructor, with annotations that are types wherever they can be."""
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:  # an annotation whose import stands under TYPE_CHECKING
        signature = inspect.signature(function)
    return {name: parameter for name, parameter in signature.parameters.items() if name != "self"}


def split(options: Sequence[str]) -> dict[str, str]:
    """Return names and values, still as text.

    Raises:
        typer.BadParameter: one has no equals sign, or comes twice.
    """
    pairs: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{option!r} is not of the form name=value, as in --option baudrate=19200")
        if name in pairs:
            raise typer.BadParameter(f"{name!r} is given twice")
        pairs[name] = value
    return pairs


def convert_all(pairs: Mapping[str, str], parameters: Mapping[str, inspect.Parameter]) -> dict[str, object]:
    """Return the values of those arguments that are among the parameters."""
    return {name: convert(name, text, parameters[name]) for name, text in pairs.items() if name in parameters}


def refuse_unknown(pairs: Mapping[str, str], known: Mapping[str, inspect.Parameter], what: str) -> None:
    """Raise typer.BadParameter if an argument is none of these."""
    for name in pairs:
        if name not in known:
            raise typer.BadParameter(f"{what} takes no {name!r}, only: {', '.join(known) or 'no option at all'}")


def convert(name: str, text: str, parameter: inspect.Parameter) -> object:
    """Return the value that a text stands for.

    Raises:
        typer.BadParameter: it is none of the type that the parameter is annotated with.
    """
    wanted = parameter.annotation
    if wanted is parameter.empty:
        wanted = type(parameter.default) if parameter.default not in {parameter.empty, None} else Any
    try:
        return _convert(text, wanted)
    except (ValueError, SyntaxError):
        raise typer.BadParameter(f"{name}={text}: {text!r} is no {_told(wanted)}") from None


def _convert(text: str, wanted: Any) -> object:
    """Return a text as a type, or raise ValueError."""
    origin = typing.get_origin(wanted)
    if origin in {typing.Union, types.UnionType}:
        return _convert_union(text, typing.get_args(wanted))
    if origin is typing.Literal:
        return _one({str(choice): choice for choice in typing.get_args(wanted)}, text)
    if origin is not None and issubclass(origin, Sequence):
        return _convert_sequence(text, origin, typing.get_args(wanted))
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return _one({str(member.value): member for member in wanted}, text)
    simple: dict[Any, Callable[[str], object]] = {bool: _bool, int: _int, float: float, str: str, Path: Path}
    make = simple.get(wanted)
    return ast.literal_eval(text) if make is None else make(text)


def _convert_union(text: str, kinds: Sequence[Any]) -> object:
    """The most special kind that fits wins: numbers before text."""
    if type(None) in kinds and text.lower() == "none":
        return None
    order = {bool: 0, int: 1, float: 2, str: 4}
    for kind in sorted((kind for kind in kinds if kind is not type(None)), key=lambda kind: order.get(kind, 3)):
        try:
            return _convert(text, kind)
        except (ValueError, SyntaxError):
            continue
    raise ValueError(text)


def _convert_sequence(text: str, origin: type, kinds: Sequence[Any]) -> object:
    """A text with commas is a list or tuple; all of its parts are of the first kind that is named."""
    parts = [_convert(part.strip(), kinds[0] if kinds else str) for part in text.split(",") if part.strip()]
    return tuple(parts) if origin is tuple else parts


def _one(choices: Mapping[str, object], text: str) -> object:
    if text not in choices:
        raise ValueError(text)
    return choices[text]


def _bool(text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise ValueError(text)
    return text.lower() in TRUE


def _int(text: str) -> int:
    return int(text, 0)


def _told(wanted: Any) -> str:
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return " or ".join(str(member.value) for member in wanted)
    return wanted.__name__ if isinstance(wanted, type) and typing.get_origin(wanted) is None else str(wanted)
