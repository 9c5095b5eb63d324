"""Write the four files of a new driver, to fill in."""

import keyword
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Bus(StrEnum):
    """How the instrument is connected."""

    SERIAL = "serial"
    TCP = "tcp"
    MODBUS = "modbus"
    I2C = "i2c"


#: Where each file goes, from the checkout.
PLACES = {
    "driver.py.txt": "PyExpLabSys/drivers/{name}.py",
    "simulator.py.txt": "PyExpLabSys/simulators/{name}.py",
    "test.py.txt": "tests/drivers/test_{name}.py",
    "page.md.txt": "docs/instruments/{name}.md",
}
TEMPLATES = Path(__file__).with_name("_new_driver")
#: Those in one line; one in several comes first whatever its name.
IMPORT = re.compile(r"from (PyExpLabSys|tests)\.\S+ import \w")
MODULE_NAME = re.compile(r"[a-z][A-Za-z0-9]*(_[A-Za-z0-9]+)+")


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its module, maker_model: such as polyscience_4100.")],
    bus: Annotated[Bus, typer.Option(help="How the instrument is connected.")],
    folder: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="The checkout. Default: the one that you are in."),
    ] = None,
) -> None:
    """Write driver, simulator, tests and page of the docs for an instrument, to fill in.

    They are for an instrument that is made up, and work: keep them working, while you put in the commands of yours.
    CONTRIBUTING.md says how. A file that is there is never overwritten.

    Example: pyexplabsys new-driver polyscience_4100 --bus serial
    """
    if MODULE_NAME.fullmatch(name) is None or keyword.iskeyword(name):
        raise typer.BadParameter(f"{name!r} is no name of the form maker_model, such as polyscience_4100")
    checkout = _checkout(folder or Path.cwd())
    files = {checkout / place.format(name=name): _filled_in(bus, file, name) for file, place in PLACES.items()}
    there = [str(path.relative_to(checkout)) for path in files if path.exists()]
    if there:
        raise typer.BadParameter(f"{', '.join(there)} exists already; nothing was written")
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(checkout))
    print(f"\nRead:  pyexplabsys read {name} read_temperature --simulate")
    print(f"Test:  python -m pytest tests/drivers/test_{name}.py tests/drivers/test_house_rules.py -k {name}")
    print('Then make it the driver of your instrument: CONTRIBUTING.md, "A driver in one afternoon".')


def _checkout(folder: Path) -> Path:
    """Return the nearest folder above this one that is a checkout of PyExpLabSys."""
    for candidate in (folder.absolute(), *folder.absolute().parents):
        if all((candidate / place).parent.is_dir() for place in PLACES.values()):
            return candidate
    raise typer.BadParameter(
        f"{folder} is in no checkout of PyExpLabSys: clone the repository and go there, or name it with --folder"
    )


def _filled_in(bus: Bus, file: str, name: str) -> str:
    """Return a file for this driver, its imports in order."""
    template = TEMPLATES / bus / file
    if not template.exists():  # what does not depend on how the bytes travel
        template = TEMPLATES / Bus.SERIAL / file
    maker, _, model = name.partition("_")
    class_name = "".join(part[0].upper() + part[1:] for part in name.split("_"))
    words = {
        "maker_model": name,
        "MakerModel": class_name,
        "Maker Model": f"{maker.capitalize()} {model.replace('_', ' ')}",
        'maker="Maker"': f'maker="{maker.capitalize()}"',
        'model="Model"': f'model="{model.replace("_", " ")}"',
    }
    text = template.read_text(encoding="utf-8")
    for word, replacement in words.items():
        text = text.replace(word, replacement)
    return _sorted_imports(text) if file.endswith(".py.txt") else text


def _sorted_imports(text: str) -> str:
    """Return a text in which the imports of the project stand in order, whatever the new module is called."""
    lines = text.splitlines()
    positions = [number for number, line in enumerate(lines) if IMPORT.match(line)]
    ordered = sorted((lines[number] for number in positions), key=lambda line: line.split()[1])
    for number, line in zip(positions, ordered, strict=True):
        lines[number] = line
    return "\n".join(lines) + "\n"
