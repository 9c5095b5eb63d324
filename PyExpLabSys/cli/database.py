"""Make a setup's tables, register codenames, and check what a lab's tables lack.

Which database: the options, else the settings (pyexplabsys init writes them). The password is never an option, where
others could read it: it comes from the settings, from PYEXPLABSYS_SQL_PASSWORD, or is asked for.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from PyExpLabSys.cli._database_options import Database, Host, Port, SetupName, Username, open_database
from PyExpLabSys.database import codenames, schema
from PyExpLabSys.database.check import check as check_tables
from PyExpLabSys.database.findings import Finding

app = typer.Typer(no_args_is_help=True)
codename_app = typer.Typer(no_args_is_help=True, help="The names under which scripts log.")
app.add_typer(codename_app, name="codename")


@app.command()
def create(
    setup: SetupName,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
) -> None:
    """Make the tables of a setup that are not there; those that are stay as they are.

    Example: pyexplabsys database create --setup reactor_3
    """
    with open_database(host, port, database, username) as connection:
        executed = schema.create_tables(connection, setup)
        for statement in executed:
            print(f"{statement};")
        print(
            f"{connection.server}: " + (f"{len(executed)} statements executed" if executed else "all tables are there")
        )


@app.command()
def check(
    setup: SetupName,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: a JSON list of all findings.")] = False,
) -> None:
    """Say what is missing, old or running out in a setup's tables, and the statement that would mend it.

    Nothing is changed. Exit status 1 when something is severe: data are lost, now or soon.

    Example: pyexplabsys database check --setup reactor_3
    """
    with open_database(host, port, database, username) as connection:
        findings = check_tables(connection, setup)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    if any(finding.severity == "severe" for finding in findings):
        raise typer.Exit(1)


@codename_app.command("add")
def add_codename(
    codename: Annotated[str, typer.Argument(help="Such as reactor_3_pressure.")],
    unit: Annotated[str, typer.Option(help="Unit of its values, such as mbar.")] = "",
    description: Annotated[str, typer.Option(help="What is measured, and where.")] = "",
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
) -> None:
    """Register a codename.

    Example: pyexplabsys database codename add reactor_3_pressure --unit mbar --description "Inlet of reactor 3"
    """
    with open_database(host, port, database, username) as connection:
        print(f"{codename} has id {codenames.add(connection, codename, unit, description)} in {connection.server}")


@codename_app.command("list")
def list_codenames(host: Host = None, port: Port = None, database: Database = None, username: Username = None) -> None:
    """List all codenames: id, name, unit and description, separated by tabs.

    Example: pyexplabsys database codename list | grep pressure
    """
    with open_database(host, port, database, username, reading=True) as connection:
        for entry in codenames.listing(connection):
            print(entry.id, entry.codename, entry.unit, entry.description, sep="\t")


def _show(findings: Sequence[Finding]) -> None:
    for finding in findings:
        print(f"{finding.severity}: {finding.where}: {finding.what}")
        if finding.mend is not None:
            print("    " + f"{finding.mend};".replace("\n", "\n    "))
    if not findings:
        print("nothing to mend")
