"""What every driver module keeps to, as functions: each returns what is wrong, nothing if all is well."""

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from PyExpLabSys.instrument import Instrument, InstrumentInfo, InstrumentOn

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "PyExpLabSys" / "drivers"
#: The computer itself has no wire: nothing to encode, to simulate or to hand in.
WITHOUT_WIRE = {"host_sensors"}
#: What a function that encodes or decodes has no business with.
IMPURE = {"self", "cls", "transport", "time", "datetime", "random", "socket", "serial", "open", "threading", "os"}

#: Arguments that mean something even if a transport is given.
ARGUMENTS = {"interface": "lan"}


def driver_names() -> list[str]:
    """Return the names of all driver modules."""
    return sorted(path.stem for path in DRIVERS.glob("*.py") if not path.stem.startswith("_"))


def driver_classes(module: ModuleType) -> list[type[InstrumentOn]]:
    """Return the instruments that a module is for."""
    return [
        member
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, InstrumentOn) and member.__module__ == module.__name__ and not name.startswith("_")
    ]


def source(module: ModuleType) -> Iterator[str]:
    """The module's docstring says which manual, of which maker, it follows."""
    if re.search(r"^Source: \S", module.__doc__ or "", re.MULTILINE) is None:
        yield "its docstring has no line that begins with 'Source: ', naming the manual"


def pure_functions(module: ModuleType) -> Iterator[str]:
    """What goes over the wire is made and understood by functions that know no wire, clock or thread."""
    functions = {
        node.name: node
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.FunctionDef) and re.match(r"encode|decode", node.name)
    }
    if not functions:
        yield "it has no function at module level whose name begins with encode or decode"
    for name, node in functions.items():
        used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        used |= {argument.arg for argument in node.args.args + node.args.kwonlyargs}
        if used & IMPURE:
            yield f"{name} uses {', '.join(sorted(used & IMPURE))}: it is not pure"


def asks_and_decodes_in_one(module: ModuleType) -> Iterator[str]:
    """A garbled reply must leave the line out of step: ``_ask`` does that, ``decode(self._exchange())`` does not."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.Call) or not re.match(r"\w*decode", ast.unparse(node.func)):
            continue
        arguments = [ast.unparse(argument) for argument in node.args]
        if any("._exchange(" in argument for argument in arguments):
            yield f"line {node.lineno}: write self._ask(request, framing, decode)"


def classes(module: ModuleType) -> Iterator[str]:
    """There is an instrument, it says what it is, what it measures exists, and late answers have an end."""
    found = driver_classes(module)
    if not found:
        yield "it has no class that derives from Instrument or InstrumentOn"
    for cls in found:
        info = getattr(cls, "INFO", None)
        if not isinstance(info, InstrumentInfo):
            yield f"{cls.__name__}.INFO is missing"
            continue
        for method in info.quantities:
            if not callable(getattr(cls, method, None)):
                yield f"{cls.__name__}.INFO names the quantity {method}, which is no method"
        if not (info.maker and info.model and info.buses):
            yield f"{cls.__name__}.INFO lacks maker, model or buses"
        if issubclass(cls, Instrument) and not cls.LATE_S:
            yield f"{cls.__name__}.LATE_S is not set: how late can an answer come?"


def constructors(module: ModuleType) -> Iterator[str]:
    """Each constructor's arguments are documented, and it takes a transport, by keyword only."""
    for cls in driver_classes(module):
        parameters = list(inspect.signature(cls).parameters.values())
        transport = next((parameter for parameter in parameters if parameter.name == "transport"), None)
        if transport is None or transport.kind is not transport.KEYWORD_ONLY or transport.default is not None:
            yield f"{cls.__name__} has no keyword-only argument transport=None"
        texts = "\n".join(
            str(text)
            for base in cls.__mro__[:-1]
            for text in (base.__doc__, getattr(vars(base).get("__init__"), "__doc__", ""))
        )
        for parameter in parameters:
            if re.search(rf"\b{parameter.name}\b", texts) is None:
                yield f"{cls.__name__}: no docstring says what the argument {parameter.name} is"


def files(module: ModuleType) -> Iterator[str]:
    """There are tests and a page of the same name."""
    name = module.__name__.rpartition(".")[2]
    for path in (ROOT / "tests" / "drivers" / f"test_{name}.py", ROOT / "docs" / "instruments" / f"{name}.md"):
        if not path.is_file():
            yield f"{path.relative_to(ROOT)} is missing"


def simulator(module: ModuleType) -> Iterator[str]:
    """There is a simulator of the same name, which gives a transport when asked for nothing special."""
    name = module.__name__.rpartition(".")[2]
    path = ROOT / "PyExpLabSys" / "simulators" / f"{name}.py"
    if not path.is_file():
        yield f"{path.relative_to(ROOT)} is missing"
        return
    simulated = importlib.import_module(f"PyExpLabSys.simulators.{name}")
    yield from source(simulated)
    for function in ("simulate", "device"):
        if not callable(getattr(simulated, function, None)):
            yield f"{path.relative_to(ROOT)} has no function {function}()"


def with_closes(module: ModuleType) -> Iterator[str]:
    """Each class closes in ``with`` what it opened itself, and leaves open what it was given."""
    name = module.__name__.rpartition(".")[2]
    simulated = importlib.import_module(f"PyExpLabSys.simulators.{name}")
    for cls in driver_classes(module):
        for owns in (True, False):
            transport = simulated.simulate()
            make: Callable[..., InstrumentOn] = cls
            instrument = make(*_arguments(cls), transport=transport)
            instrument._owns = owns
            with instrument:
                pass
            if transport.closed is not owns:
                yield f"with {cls.__name__}: the transport is {'open' if owns else 'closed'} afterwards"
            transport.close()


def _arguments(cls: type) -> list[object]:
    """Return something for each argument without a default; with a transport given, a port means nothing."""
    needed = [
        parameter
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    return [ARGUMENTS.get(parameter.name, 1 if "int" in str(parameter.annotation) else "") for parameter in needed]
