"""Serve a simulated instrument on a port."""

import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PyExpLabSys.simulators.serving.base import ByteSimulator
    from PyExpLabSys.simulators.serving.pty import PtyServer
    from PyExpLabSys.simulators.serving.tcp import TcpServer

#: An instrument that was unplugged by a fault is plugged in again after at most this long in s.
REPLUG_S = 5.0
LOCALHOST = "127.0.0.1"


def command(
    driver: Annotated[str, typer.Argument(help="The driver of the instrument, such as omega_cni.")],
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What the simulator is told, such as temperature_degc=20."),
    ] = None,
    tcp: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65535, help="On this TCP port of 127.0.0.1; 0: any free one."),
    ] = None,
    link: Annotated[
        Path | None, typer.Option(help="Name of the port to make. Default: in the folder for temporary files.")
    ] = None,
    speed: Annotated[
        int | None, typer.Option(min=1, help="Hear only what is sent at this speed in baud. Default: any.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Fail so: silence, garbage, wrong-echo, wrong-checksum, half-a-reply, late, unplugged. Repeatable.",
        ),
    ] = None,
    chance: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of answers that each fault spoils.")] = 0.2,
    late_s: Annotated[float, typer.Option(min=0.0, help="How much later a late answer comes, in s.")] = 3.0,
) -> None:
    """Serve a simulated instrument on a serial port that is made up, or on a TCP port, until Ctrl-C.

    Any number of programs may open the port, one after the other; its name stays the same.

    Example: pyexplabsys simulate omega_cni --fault late --chance 0.1
    """
    from PyExpLabSys.cli._driver_catalog import find_driver, method_to_try

    if tcp is not None and (link is not None or speed is not None):
        raise typer.BadParameter("--link and --speed are for a serial port, not for --tcp")
    kind = find_driver(driver)
    name = kind.__module__.rpartition(".")[2]
    simulator = _with_faults(_device(name, option or []), fault or [], chance, late_s)
    stopped = _stopped_by_a_signal()
    with _serve(simulator, name, tcp, link, speed) as server:
        port = _port_of(server)
        print(f"{name} is at {port}")
        print(f"Try:  pyexplabsys read {driver} {port} {method_to_try(kind)}")
        print("Ctrl-C ends it.", flush=True)
        while not stopped.wait(REPLUG_S):
            server.plug()


def _device(name: str, options: Sequence[str]) -> "ByteSimulator":
    """Return a new instrument.

    Raises:
        typer.BadParameter: it is not for a wire, or does not know these options.
    """
    import importlib

    from PyExpLabSys.cli._named_arguments import convert_all, refuse_unknown, split

    module_name = f"PyExpLabSys.simulators.{name}"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise typer.BadParameter(f"{name} has no simulator: there is no wire to put one on") from None
    parameters = _options_of(module)
    pairs = split(options)
    refuse_unknown(pairs, parameters, f"the simulator {name}")
    device: ByteSimulator = module.device(**convert_all(pairs, parameters))
    if not hasattr(device, "feed"):
        raise typer.BadParameter(
            f"{name} is not on a serial or TCP wire; without the instrument: pyexplabsys read {name} METHOD --simulate"
        )
    return device


def _options_of(module: Any) -> dict[str, Any]:
    """Return the options of ``device()``, with those of the class that it hands further ones on to."""
    from PyExpLabSys.cli._named_arguments import parameters_of

    classes = [
        kind
        for name, kind in vars(module).items()
        if name.startswith("Simulated") and kind.__module__ == module.__name__
    ]
    parameters: dict[str, Any] = {}
    for function in (module.device, *classes):
        parameters |= {
            name: each for name, each in parameters_of(function).items() if each.kind is not each.VAR_KEYWORD
        }
    return parameters


def _with_faults(simulator: "ByteSimulator", names: Sequence[str], chance: float, late_s: float) -> "ByteSimulator":
    """Return an instrument that has all of these faults, each by its own chance."""
    from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator

    known = {fault.value: fault for fault in Fault}
    for seed, name in enumerate(names):
        if name not in known:
            raise typer.BadParameter(f"there is no fault {name!r}, only {', '.join(known)}")
        faulty = FaultySimulator(simulator, seed=seed)
        faulty.inject(known[name], times=None, chance=chance, late_s=late_s)
        simulator = faulty
    return simulator


def _serve(
    simulator: "ByteSimulator", name: str, tcp: int | None, link: Path | None, speed: int | None
) -> "AbstractContextManager[PtyServer | TcpServer]":
    if tcp is not None:
        from PyExpLabSys.simulators.serving.tcp import TcpServer

        return TcpServer(simulator, host=LOCALHOST, port=tcp)
    if not sys.platform.startswith("linux"):
        raise typer.BadParameter("serial ports can be made up on Linux only; give --tcp 0")
    from PyExpLabSys.simulators.serving.pty import PtyServer

    return PtyServer(
        simulator, _free(Path(tempfile.gettempdir()) / f"pyexplabsys-{name}") if link is None else link, baudrate=speed
    )


def _free(path: Path) -> Path:
    """Return this path if it is free, else with a number; what a killed simulator left there is taken away."""
    candidate, number = path, 1
    while candidate.is_symlink() and candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    if candidate.is_symlink():
        candidate.unlink()
    return candidate


def _port_of(server: "PtyServer | TcpServer") -> str:
    from PyExpLabSys.simulators.serving.tcp import TcpServer

    return server.url if isinstance(server, TcpServer) else str(server.link)


def _stopped_by_a_signal() -> threading.Event:
    """Return what is set at Ctrl-C or when this program is asked to end, so that the port vanishes with it."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped
