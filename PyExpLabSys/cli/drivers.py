"""List the drivers, or show what one of them can do."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PyExpLabSys.cli._driver_catalog import Entry

#: Wide enough for every column on a terminal that is narrower.
PAGE_WIDTH = 100


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One driver: omega_cni, or omega_cni.CNi3244_C24.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List all drivers: module, maker and model, buses, and what they measure.

    With a NAME: how it is made, what it measures, and its methods. Nothing is opened.

    Example: pyexplabsys drivers omega_cni
    """
    from PyExpLabSys.cli._driver_catalog import entries, find_driver

    if name is not None:
        described = _described(find_driver(name))
        print(json.dumps(described, indent=2) if as_json else _page(described))
        return
    rows = list(entries())
    if as_json:
        print(json.dumps([_entry(row) for row in rows], indent=2))
    elif sys.stdout.isatty():
        _show_table(rows)
    else:
        for row in rows:
            print("\t".join(_cells(row)))


def _entry(row: "Entry") -> dict[str, object]:
    if row.info is None:
        return {"driver": row.name, "error": row.error}
    return {
        "driver": row.name,
        "maker": row.info.maker,
        "model": row.info.model,
        "buses": list(row.info.buses),
        "quantities": dict(row.info.quantities),
    }


def _cells(row: "Entry") -> tuple[str, str, str, str]:
    if row.info is None:
        return row.name, row.error, "", ""
    quantities = ", ".join(f"{method} [{unit}]" for method, unit in row.info.quantities.items())
    return row.name, f"{row.info.maker} {row.info.model}", ", ".join(row.info.buses), quantities


def _show_table(rows: "list[Entry]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Driver", "Instrument", "Buses", "Measures")
    for row in rows:
        # As text: brackets around units are no markup.
        table.add_row(*map(Text, _cells(row)), style="red" if row.error else None)
    console = Console()
    console.print(table)
    console.print(Text("One of them: pyexplabsys drivers NAME"))


def _described(kind: Any) -> dict[str, Any]:
    from PyExpLabSys.cli._driver_catalog import info_of, methods, summary
    from PyExpLabSys.cli._named_arguments import parameters_of

    info = info_of(kind)
    return {
        "driver": kind.__module__.rpartition(".")[2],
        "class": kind.__name__,
        "summary": summary(kind),
        "maker": info.maker,
        "model": info.model,
        "buses": list(info.buses),
        "constructor": [_shown(parameter) for parameter in parameters_of(kind).values()],
        "quantities": dict(info.quantities),
        "methods": {
            f"{method}({', '.join(_shown(parameter) for parameter in parameters_of(function).values())})": summary(
                function
            )
            for method, function in methods(kind).items()
        },
    }


def _shown(parameter: Any) -> str:
    """Return a parameter as a signature has it, without types, which only programmers want to see here."""
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    return f"{stars}{parameter.name}" + ("" if parameter.default is parameter.empty else f"={parameter.default!r}")


def _page(described: dict[str, Any]) -> str:
    lines = [
        f"{described['maker']} {described['model']} ({', '.join(described['buses'])})",
        described["summary"],
        "",
        f"from PyExpLabSys.drivers.{described['driver']} import {described['class']}",
        f"{described['class']}({', '.join(described['constructor'])})",
        "",
        "Measures:",
        *(f"    {method}  [{unit}]" for method, unit in described["quantities"].items()),
        *([] if described["quantities"] else ["    what it is asked for; see the methods"]),
        "",
        "Methods:",
    ]
    for method, text in described["methods"].items():
        lines += [f"    {method}", f"        {text}"]
    return "\n".join(lines)
