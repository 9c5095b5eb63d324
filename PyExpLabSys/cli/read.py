"""Take a reading from an instrument."""

import inspect
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer


def command(
    driver: Annotated[str, typer.Argument(help="Such as omega_cni; all: pyexplabsys drivers.")],
    port_and_method: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PORT METHOD",
            help="PORT: /dev/ttyUSB0, COM3, socket://HOST:PORT, HOST:PORT, a VISA resource or the number of an I2C bus;"
            " leave it out with --simulate. METHOD: such as read_temperature.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An argument of the driver's constructor, or else of the method."),
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Read a simulated instrument instead; PORT means nothing.")
    ] = False,
    every: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Read again and again, once in so many s.")
    ] = None,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="How often; default: until Ctrl-C.")] = None,
) -> None:
    """Take one reading, or with --every and --count several, and print it with its unit.

    Example: pyexplabsys read omega_cni /dev/ttyUSB0 read_temperature --option baudrate=9600

    Without an instrument: pyexplabsys read omega_cni read_temperature --simulate
    """
    from PyExpLabSys.cli._connecting import connected, simulated, wants_port
    from PyExpLabSys.cli._driver_catalog import find_driver, find_method, info_of, methods

    kind = find_driver(driver)
    needs_port = wants_port(kind) and not simulate
    port, method = _port_and_method(port_and_method or [], needs_port, list(methods(kind)))
    function = find_method(kind, method)
    for_driver, for_method = _arguments(kind, function, option or [], method)
    opening: AbstractContextManager[Any] = (
        connected(kind, port, for_driver) if needs_port or not simulate else simulated(kind, for_driver)
    )
    with opening as instrument:

        def read() -> str:
            return _shown(getattr(instrument, method)(**for_method), info_of(kind).quantities.get(method, ""))

        if every is None and count is None:
            print(read())
        elif not _series(read, 1.0 if every is None else every, count):
            raise typer.Exit(1)


def _port_and_method(words: Sequence[str], needs_port: bool, methods: Sequence[str]) -> tuple[str | None, str]:
    if len(words) == 2:
        return (words[0] if needs_port else None), words[1]
    if len(words) == 1 and not needs_port:
        return None, words[0]
    wanted = "PORT and METHOD" if needs_port else "METHOD"
    raise typer.BadParameter(f"after the driver come {wanted}. Methods: {', '.join(methods)}")


def _arguments(
    kind: Any, function: Callable[..., object], options: Sequence[str], method: str
) -> tuple[dict[str, object], dict[str, object]]:
    """Return the arguments of the constructor, and those of the method."""
    from PyExpLabSys.cli._named_arguments import convert_all, parameters_of, refuse_unknown, split

    of_driver = {name: each for name, each in parameters_of(kind).items() if name != "transport"}
    of_method = {name: each for name, each in parameters_of(function).items() if name not in of_driver}
    pairs = split(options)
    refuse_unknown(pairs, of_driver | of_method, f"{kind.__name__} with {method}")
    given = convert_all(pairs, of_method)
    missing = [name for name, each in of_method.items() if _is_needed(each) and name not in given]
    if missing:
        raise typer.BadParameter(f"{method} needs {', '.join(missing)}: give --option {missing[0]}=VALUE")
    return convert_all(pairs, of_driver), given


def _is_needed(parameter: inspect.Parameter) -> bool:
    variable = {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    return parameter.default is parameter.empty and parameter.kind not in variable


def _series(read: Callable[[], str], every_s: float, count: int | None) -> bool:
    """Print readings with their times, on a schedule without drift; return whether all of them were good."""
    from PyExpLabSys.errors import InstrumentError

    start_s = due_s = time.monotonic()
    taken, good = 0, True
    while count is None or taken < count:
        time.sleep(max(0.0, due_s - time.monotonic()))
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            print(now, read(), flush=True)
        except InstrumentError as error:
            # One bad reading is what somebody who watches an instrument wants to see, and what comes after it.
            print(f"{now} no reading: {error}", file=sys.stderr, flush=True)
            good = False
        taken += 1
        due_s = _next_due_s(start_s, every_s, time.monotonic())
    return good


def _next_due_s(start_s: float, every_s: float, now_s: float) -> float:
    """Return the next time of a schedule; times that passed during a slow reading are left out, not made up for."""
    if every_s == 0.0:
        return now_s
    return start_s + (math.floor((now_s - start_s) / every_s) + 1) * every_s


def _shown(value: object, unit: str) -> str:
    """Return a reading for people: numbers as they are, several of them in a line."""
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {each}" for name, each in value.items())
    elif isinstance(value, (list, tuple)):
        text = ", ".join(map(str, value))
    else:
        text = "done" if value is None else str(value)
    if not unit:
        return text
    return f"{text} ({unit})" if " " in unit else f"{text} {unit}"
