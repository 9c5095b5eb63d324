"""From what somebody types as PORT to a driver that is connected to it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from inspect import Parameter
from typing import Any

import typer

from PyExpLabSys.cli._driver_catalog import info_of
from PyExpLabSys.cli._named_arguments import convert, parameters_of

#: ``10.0.0.7:5025``, ``furnace.lab:4001``; no device, URL or VISA resource looks like this.
HOST_AND_PORT = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
#: Names of the argument that says where an instrument is.
PORT_ARGUMENTS = ("port", "device", "bus", "i2cbus", "i2c_bus", "hostname", "host", "resource")


@contextmanager
def simulated(kind: Any, options: Mapping[str, object]) -> Iterator[Any]:
    """Give a driver that is connected to a new simulator of its instrument, in this process."""
    from PyExpLabSys.setups.drivers import plan_driver

    filled = dict(options)
    if "interface" in parameters_of(kind):  # what the simulator has: a raw socket has no settings
        filled.setdefault("interface", "lan")
    plan = plan_driver(kind, (), filled, None, simulate=True)
    with ExitStack() as stack:
        transport = plan.simulated_transport()
        if transport is not None:
            stack.callback(transport.close)
        yield stack.enter_context(plan.make(transport))


@contextmanager
def connected(kind: Any, port: str | None, options: Mapping[str, object]) -> Iterator[Any]:
    """Give a driver that is connected to its instrument, and close it at the end.

    Args:
        kind: The driver's class.
        port: A device, ``socket://HOST:PORT``, ``HOST:PORT``, a VISA resource or the number of an I2C bus; None for
            what needs none.
        options: Further arguments of its constructor; they win over what follows from the port.

    Raises:
        typer.BadParameter: this driver cannot be connected so.
    """
    parameters = parameters_of(kind)
    with ExitStack() as stack:
        arguments = {} if port is None else _arguments(kind, port, parameters, stack)
        arguments |= options
        missing = [name for name, each in parameters.items() if _is_needed(each) and name not in arguments]
        if missing and "transport" in arguments:  # where it is connected already, its port means nothing
            arguments |= dict.fromkeys(missing, "")
        elif missing:
            raise typer.BadParameter(f"{kind.__name__} needs {', '.join(missing)}: give --option {missing[0]}=VALUE")
        yield stack.enter_context(kind(**arguments))


def wants_port(kind: Any) -> bool:
    """Return whether a driver is for something that is connected to a port; the computer itself is not."""
    return "transport" in parameters_of(kind)


def _arguments(kind: Any, port: str, parameters: Mapping[str, Parameter], stack: ExitStack) -> dict[str, Any]:
    """Return the arguments of the constructor that a port leads to."""
    if "interface" in parameters:
        return _interface(port, parameters, stack)
    if "::" in port:
        from PyExpLabSys.transport.visa_channel import open_visa

        return {"transport": stack.enter_context(_closing(open_visa(port, settings=info_of(kind).serial)))}
    name = next((name for name in PORT_ARGUMENTS if name in parameters), None)
    if name is None:
        raise typer.BadParameter(f"{kind.__name__} is connected to no port: leave PORT out")
    address = HOST_AND_PORT.fullmatch(port.removeprefix("socket://"))
    if address is not None and "tcp_port" in parameters:
        return {name: address["host"].strip("[]"), "tcp_port": int(address["port"])}
    url = port if address is None else f"socket://{address[0]}"
    return {name: convert("PORT", url, parameters[name])}


def _interface(port: str, parameters: Mapping[str, Parameter], stack: ExitStack) -> dict[str, Any]:
    """Return the arguments of a driver for several kinds of wires, which is told by name which one it is."""
    from PyExpLabSys.transport.tcp_channel import open_tcp

    device = "device" if "device" in parameters else "connection_string"
    visa = "visa_string" if "visa_string" in parameters else "connection_string"
    address = HOST_AND_PORT.fullmatch(port.removeprefix("socket://"))
    if address is not None:
        transport = open_tcp(address["host"].strip("[]"), int(address["port"]))
        return {"interface": "lan", "transport": stack.enter_context(_closing(transport))}
    if "::" in port:
        return {"interface": "visa", visa: port}
    if port.startswith("/dev/usbtmc"):
        return {"interface": "file", device: port}
    if "/" in port or re.fullmatch(r"COM\d+", port, re.IGNORECASE):
        return {"interface": "serial", device: port}
    return {"interface": "lan", "hostname": port}


@contextmanager
def _closing(transport: Any) -> Iterator[Any]:
    try:
        yield transport
    finally:
        transport.close()


def _is_needed(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind is not Parameter.VAR_KEYWORD
