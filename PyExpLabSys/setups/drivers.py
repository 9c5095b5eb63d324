"""How to make a driver: its class and the arguments that the script gave, checked before anything is opened."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PyExpLabSys.setups.line import Line
from PyExpLabSys.setups.simulation import simulated_transport

ADDRESSES = ("address", "node", "slave_address")
NO_PORT = "simulated"


@dataclass(frozen=True)
class DriverPlan:
    """A driver that can be made, again and again.

    Attributes:
        kind: Its class.
        name: What messages call the instrument: ``CN7800 on /dev/ttyUSB0, address 3``.
        bound: The arguments of its constructor.
        given: Those that the script gave.
        takes_transport: Whether it talks through a transport; the computer itself does not.
        wants_modbus: Whether that is a :class:`~PyExpLabSys.transport.modbus.ModbusTransport`.
    """

    kind: Callable[..., Any]
    name: str
    bound: inspect.BoundArguments
    given: dict[str, object]
    takes_transport: bool
    wants_modbus: bool

    def make(self, transport: object) -> Any:
        """Return a new driver, on a transport, or, with None, on the port that its arguments name."""
        keywords = dict(self.bound.kwargs)
        if transport is not None:
            keywords["transport"] = transport
        return self.kind(*self.bound.args, **keywords)

    def simulated_transport(self) -> Any:
        """Return a transport with the simulator of this instrument; None if it has no transport at all."""
        return simulated_transport(self.kind, self.given) if self.takes_transport else None


def plan_driver(
    kind: Callable[..., Any],
    arguments: tuple[object, ...],
    keywords: dict[str, Any],
    line: Line | None,
    *,
    simulate: bool,
) -> DriverPlan:
    """Return how to make a driver.

    Raises:
        TypeError: The class does not take these arguments.
        ValueError: It cannot be on a line, or the port was given as well.
    """
    name = getattr(kind, "__qualname__", repr(kind))
    signature = inspect.signature(kind)
    parameters = signature.parameters
    if line is not None:
        _check_line(name, arguments, keywords, parameters)
    filled = dict(keywords)
    if line is not None or simulate:
        filled |= _missing_ports(parameters, len(arguments), keywords, NO_PORT if line is None else line.url)
    try:
        bound = signature.bind(*arguments, **filled)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; its arguments are {', '.join(parameters)}") from None
    transport = parameters.get("transport")
    return DriverPlan(
        kind=kind,
        name=name + _where(bound.arguments, line),
        bound=bound,
        given=dict(signature.bind_partial(*arguments, **keywords).arguments),
        takes_transport=transport is not None,
        # As text: the annotation may be a string, and its module need not be imported for others.
        wants_modbus=transport is not None and "ModbusTransport" in str(transport.annotation),
    )


def _check_line(name: str, arguments: tuple[object, ...], keywords: dict[str, Any], parameters: Any) -> None:
    if "transport" not in parameters:
        raise ValueError(f"{name} takes no transport, so it cannot be on a line")
    if arguments or "port" in keywords:
        raise ValueError(f"{name} is on a line, which is its port: give all other arguments by name, such as address=3")


def _missing_ports(parameters: Any, positional: int, keywords: dict[str, Any], port: str) -> dict[str, object]:
    """Return a value for each argument that must be given and was not: with a transport, ports are ignored."""
    names = list(parameters)[positional:]
    return {
        name: port
        for name in names
        if name not in keywords
        and parameters[name].default is inspect.Parameter.empty
        and parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    }


def _where(arguments: dict[str, Any], line: Line | None) -> str:
    port = (
        line.url
        if line is not None
        else next(
            (value for name, value in arguments.items() if name in {"port", "resource", "hostname", "host", "device"}),
            None,
        )
    )
    where = [] if port is None else [f" on {port}"]
    where += [f" {name} {arguments[name]}" for name in ADDRESSES if name in arguments]
    return ",".join(where)
