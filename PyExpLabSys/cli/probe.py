"""Find out which instrument answers on a port, and at which speed."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from PyExpLabSys.cli._probing import Round


def command(
    port: Annotated[str, typer.Argument(help="/dev/ttyUSB0, COM3, socket://HOST:PORT or HOST:PORT.")],
    speed: Annotated[
        list[int] | None,
        typer.Option(metavar="N", min=1, help="Try only this speed, in baud. Repeatable. Default: all usual ones."),
    ] = None,
    driver: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Ask only this driver. Repeatable. Default: all.")
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="S", min=0.05, max=60.0, help="How long an answer may take, in s.")
    ] = 0.3,
) -> None:
    """Ask on a port, speed by speed, for every instrument that a driver can ask what it is.

    Only questions are asked that change nothing in the instruments that they are for. What an instrument of another
    maker makes of them, nobody knows: unplug what must not be disturbed.

    Each is asked twice: the first question may only end what was left of one to another instrument. A port on which
    nothing answers takes a minute.

    What is tried goes to standard error. The exit status is 1 when nothing that is known answers.

    Example: pyexplabsys probe /dev/ttyUSB0 --speed 9600 --speed 19200
    """
    from PyExpLabSys.cli._connecting import HOST_AND_PORT
    from PyExpLabSys.cli._probing import answers, is_network, rounds, told

    url = f"socket://{port}" if HOST_AND_PORT.fullmatch(port) else port
    asking, silent = _drivers(driver or [])
    strange: list[str] = []
    for asked in rounds(asking, speed or [], network=is_network(url)):
        for number, (name, identity, heard) in enumerate(answers(url, asked, wait)):
            if number == 0:
                _say(f"{told(asked.settings)}: ", end="")
            if identity is not None:
                _say(f"{name}: there it is")
                _show(url, asked, name, identity)
                return
            _say(f"{name}{' (?)' if heard else ''} ", end="")
            if heard:
                strange.append(f"{told(asked.settings)}, asked by {name}: {heard[:40]!r}")
        _say("-")
    _say(_conclusion(port, strange, silent))
    raise typer.Exit(1)


def _drivers(wanted: list[str]) -> tuple[list[str], list[str]]:
    """Return the drivers to ask, and those that cannot be asked."""
    from PyExpLabSys.cli._driver_catalog import find_driver
    from PyExpLabSys.cli._probing import drivers_that_ask

    for name in wanted:
        find_driver(name)
    asking, silent = drivers_that_ask()
    without = [name for name in wanted if name not in asking]
    if without:
        raise typer.BadParameter(f"{', '.join(without)}: no identification question. Those that have one: {asking}")
    return wanted or asking, silent


def _show(url: str, asked: "Round", name: str, identity: str) -> None:
    from PyExpLabSys.cli._driver_catalog import find_driver, method_to_try
    from PyExpLabSys.cli._named_arguments import parameters_of
    from PyExpLabSys.cli._probing import told

    kind = find_driver(name)
    parameters = parameters_of(kind)
    option = ""
    if asked.settings is not None and "baudrate" in parameters:
        option = f" --option baudrate={asked.settings.baudrate}"
    print(f"{name}, {told(asked.settings)}: {identity}")
    print(f"Try:  pyexplabsys read {name} {url} {method_to_try(kind)}{option}")


def _conclusion(port: str, strange: list[str], silent: list[str]) -> str:
    lines = [f"Nothing that a driver knows answered on {port}."]
    if strange:
        lines += ["Something came, though, that no driver understands:", *(f"    {each}" for each in strange[:8])]
    else:
        lines.append("Nothing came at all: is the instrument on, the cable the right one (crossed or straight)?")
    if silent:
        lines.append(f"Not asked, as they have no harmless question: {', '.join(silent)}.")
    return "\n".join(lines)


def _say(text: str, end: str = "\n") -> None:
    """Tell what is being done, where it is in nobody's way."""
    print(text, end=end, file=sys.stderr, flush=True)
