"""``pyexplabsys init``: from a few answers to settings, tables and a script that logs."""

import ast
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from PyExpLabSys import cli
from PyExpLabSys.cli import _first_logger, _user_file
from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import Settings, parse_user_settings, user_settings_path
from tests.servers.lab import LabDatabase

SECRET = "hunter2: #hunter2"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)


def init(*arguments: object, answers: str | None = None) -> Result:
    return CliRunner().invoke(cli._build(["init"]), ["init", *map(str, arguments)], input=answers)


def main(*arguments: object) -> int:
    return cli.main(["init", *map(str, arguments)])


def file_settings() -> dict[str, object]:
    return dict(yaml.safe_load(user_settings_path().read_text()))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- the embedded database ---------------------------------------------------------------------------------------------


def test_answers_alone_make_a_setup_on_the_embedded_database(tmp_path: Path) -> None:
    database = tmp_path / "data" / "lab.db"
    result = init(answers=f"\n{database}\noven\ny\n")
    assert result.exit_code == 0, result.output
    assert file_settings() == {"sql_url": f"sqlite:///{database}"}
    assert Path("logger.py").read_text() == _first_logger.logger_script("oven", "logger.py")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT codename, unit FROM dateplots_descriptions").fetchall()
        assert connection.execute("SELECT count(*) FROM dateplots_oven").fetchall() == [(0,)]
    connection.close()
    assert sorted(rows) == sorted((item.codename("oven"), item.unit) for item in _first_logger.HOST_READINGS)
    assert "python logger.py" in result.output
    assert str(user_settings_path()) in result.output


def test_with_yes_nothing_is_asked(tmp_path: Path) -> None:
    result = init("--sqlite", tmp_path / "lab.db", "--setup", "oven", "--yes")
    assert result.exit_code == 0, result.output
    again = init("--sqlite", tmp_path / "lab.db", "--setup", "oven", "--yes")
    assert again.exit_code == 0, again.output
    assert "is left as it is" in again.output


def test_declining_the_tables_tells_the_commands_instead(tmp_path: Path) -> None:
    result = init("--sqlite", tmp_path / "lab.db", "--setup", "oven", answers="n\n")
    assert result.exit_code == 0, result.output
    assert "pyexplabsys database create --setup oven" in result.output
    assert "pyexplabsys database codename add oven_cpu_load --unit % --description '" in result.output


def test_a_wrong_setup_name_is_asked_for_again(tmp_path: Path) -> None:
    result = init("--sqlite", tmp_path / "lab.db", answers="my oven\nmy_oven\ny\n")
    assert result.exit_code == 0, result.output
    assert "'my oven' is no name for a setup" in result.output
    assert '"dateplots_my_oven"' in Path("logger.py").read_text()


@pytest.mark.parametrize("setup", ["", "my oven", "oven;", "øvn", "descriptions", "x" * 60, "a`b", "a\n"])
def test_a_wrong_setup_name_in_an_option_stops_before_anything_is_written(
    setup: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("--sqlite", tmp_path / "lab.db", "--setup", setup, "--yes") == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert not user_settings_path().exists()
    assert not (tmp_path / "lab.db").exists()
    assert not Path("logger.py").exists()


def test_server_and_file_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--server", "db", "--sqlite", "lab.db") == 2
    assert "exclude each other" in capsys.readouterr().err


# -- the server --------------------------------------------------------------------------------------------------------


def server_options(lab: LabDatabase) -> list[object]:
    return ["--server", lab.host, "--port", lab.port, "--database", lab.name, "--username", lab.username]


@pytest.mark.server
def test_a_server_gets_tables_and_codenames(
    lab_database: LabDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYEXPLABSYS_SQL_PASSWORD", lab_database.password)
    assert main(*server_options(lab_database), "--setup", "oven", "--yes") == 0
    output = capsys.readouterr()
    assert lab_database.password not in output.out + output.err
    assert file_settings() == {
        "sql_server_host": lab_database.host,
        "sql_server_port": lab_database.port,
        "sql_database": lab_database.name,
        "sql_username": lab_database.username,
        "sql_password": lab_database.password,
    }
    assert "dateplots_oven and its codenames are ready" in output.out


@pytest.mark.server
def test_a_wrong_password_stops_and_is_not_shown(
    lab_database: LabDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYEXPLABSYS_SQL_PASSWORD", SECRET)
    assert cli.main(["--debug", "init", *map(str, server_options(lab_database)), "--setup", "oven", "--yes"]) == 1
    output = capsys.readouterr()
    assert "denied" in output.err
    assert SECRET not in output.out + output.err
    assert not user_settings_path().exists()
    assert cli.main(["--version"]) == 0


def unreachable() -> list[object]:
    return ["--server", "127.0.0.1", "--port", 1, "--database", "cinfdata", "--username", "oven", "--setup", "oven"]


def test_without_connection_a_person_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYEXPLABSYS_SQL_PASSWORD", SECRET)
    refused = init(*unreachable(), answers="n\n")
    assert refused.exit_code == 1
    assert "no connection: " in refused.output
    assert not user_settings_path().exists()
    accepted = init(*unreachable(), answers="y\n")
    assert accepted.exit_code == 0, accepted.output
    assert SECRET not in refused.output + accepted.output
    assert file_settings()["sql_password"] == SECRET
    assert "pyexplabsys database create --setup oven" in accepted.output


def test_no_check_connects_to_nothing_and_password_comes_from_the_input() -> None:
    result = init(*unreachable(), "--no-check", "--password-stdin", "--yes", answers=SECRET + "\n")
    assert result.exit_code == 0, result.output
    assert file_settings()["sql_password"] == SECRET
    assert SECRET not in result.output
    assert SECRET not in Path("logger.py").read_text()


def test_the_password_is_asked_for_and_not_echoed() -> None:
    result = init(*unreachable(), "--no-check", answers=SECRET + "\n")
    assert result.exit_code == 0, result.output
    assert file_settings()["sql_password"] == SECRET
    assert SECRET not in result.output


def test_a_missing_answer_with_yes_names_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--server", "db", "--setup", "oven", "--yes") == 1
    assert "--username" in capsys.readouterr().err
    assert main("--server", "db", "--setup", "oven", "--username", "u", "--yes") == 1
    assert "PYEXPLABSYS_SQL_PASSWORD" in capsys.readouterr().err


def test_there_is_no_option_for_the_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--password", SECRET) == 2
    assert SECRET not in capsys.readouterr().err


def test_several_servers_become_a_list() -> None:
    options = [
        "--server",
        "a:3307, b:3308",
        "--database",
        "d",
        "--username",
        "u",
        "--setup",
        "s",
        "--no-check",
        "--yes",
    ]
    result = init(*options, "--password-stdin", answers="x\n")
    assert result.exit_code == 0, result.output
    assert Settings().sql_server_host == ("a:3307", "b:3308")


@pytest.mark.parametrize("server", ["a b", "user@host", "a:0", "a,,b"])
def test_a_wrong_server_is_refused(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--server", server, "--setup", "oven", "--yes") == 1
    assert "is not a server" in capsys.readouterr().err


# -- the user's file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_the_file_is_private_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    before = os.umask(umask)
    try:
        _user_file.write_private(path, "sql_password: x\n")
    finally:
        os.umask(before)
    assert mode_of(path) == 0o600
    assert path.read_text() == "sql_password: x\n"
    assert [entry.name for entry in tmp_path.iterdir() if entry.suffix == ".yaml"] == ["settings.yaml"]


def test_a_file_that_others_could_read_becomes_private() -> None:
    path = user_settings_path()
    path.parent.mkdir(parents=True)
    path.write_text("sql_username: u\n")
    path.chmod(0o644)
    _user_file.write_private(path, "sql_password: x\n")
    assert mode_of(path) == 0o600


def test_a_linked_file_stays_linked(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_text("")
    link.symlink_to(real)
    _user_file.write_private(link, "a: b\n")
    assert link.is_symlink()
    assert real.read_text() == "a: b\n"


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "only" / "settings.yaml"
    _user_file.write_private(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _user_file.write_private(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


OLD_FILE = """\
# The lab's settings
util_log_mail_host: mail  # asked IT
sql_server_host:
  - old1
  - old2:3307
# the account
sql_username: u
sql_password: old-hunter2
"""


def existing(text: str = OLD_FILE) -> Path:
    path = user_settings_path()
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_other_keys_and_comments_stay_and_a_change_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    path = existing()
    monkeypatch.setenv("PYEXPLABSYS_SQL_PASSWORD", SECRET)
    options = ["--server", "new", "--port", 3306, "--database", "d", "--username", "u", "--setup", "s", "--no-check"]
    declined = init(*options, answers="n\n")
    assert declined.exit_code == 1
    assert path.read_text() == OLD_FILE
    assert "sql_server_host is ('old1', 'old2:3307')" in declined.output
    assert "sql_username is" not in declined.output
    agreed = init(*options, answers="y\n")
    assert agreed.exit_code == 0, agreed.output
    for output in (declined.output, agreed.output):
        assert SECRET not in output
        assert "old-hunter2" not in output
    assert path.read_text() == (
        "# The lab's settings\nutil_log_mail_host: mail  # asked IT\nsql_server_host: new\n# the account\n"
        f"sql_username: u\nsql_password: '{SECRET}'\nsql_server_port: 3306\nsql_database: d\n"
    )


def test_a_server_takes_the_place_of_the_embedded_database(tmp_path: Path) -> None:
    existing(f"sql_url: sqlite:///{tmp_path}/lab.db\n")
    options = ["--server", "new", "--port", 3306, "--database", "d", "--username", "u", "--setup", "s", "--no-check"]
    result = init(*options, "--password-stdin", "--yes", answers="x\n")
    assert result.exit_code == 0, result.output
    assert "sql_url" not in file_settings()


def test_a_broken_file_is_told_and_left(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = existing("sql_password: @hunter2\n")
    assert main("--sqlite", tmp_path / "lab.db", "--setup", "s", "--yes") == 1
    error = capsys.readouterr().err
    assert f"{path}, line 1" in error
    assert "hunter2" not in error
    assert path.read_text() == "sql_password: @hunter2\n"


def test_a_file_in_one_pair_of_braces_is_left_to_its_owner() -> None:
    with pytest.raises(SettingsError, match="one key on each line"):
        _user_file.changed("{sql_username: u}", {"sql_database": "d"}, Path("file"))


KEYS = ["sql_database", "sql_username", "sql_password", "sql_server_host"]
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
HOSTS = st.lists(st.from_regex("[a-z]{1,5}(:1[0-9]{3})?", fullmatch=True), min_size=2, max_size=3, unique=True)
VALUES = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS[:3], TEXTS) | {"sql_server_host": HOSTS})
CHANGES = st.fixed_dictionaries(
    {}, optional={key: TEXTS | st.none() for key in KEYS[:3]} | {"sql_server_host": HOSTS | st.none()}
)


@given(VALUES, CHANGES, st.booleans(), st.lists(st.sampled_from(["# note", ""]), min_size=5, max_size=5))
def test_any_change_of_any_file_keeps_the_rest(
    values: dict[str, object], changes: dict[str, str | int | list[str] | None], block: bool, notes: list[str]
) -> None:
    lines = [notes[0]]
    for (key, value), note in zip(values.items(), notes[1:], strict=False):
        flow = None if not block else False
        lines += [yaml.safe_dump({key: value}, default_flow_style=flow if isinstance(value, list) else False), note]
    text = "\n".join(lines)
    new = _user_file.changed(text, changes, Path("file"))
    expected = parse_user_settings(text, Path("file")) | changes
    given_hosts = expected.get("sql_server_host")
    if isinstance(given_hosts, list):
        expected["sql_server_host"] = tuple(given_hosts)
    assert parse_user_settings(new, Path("file")) == {key: v for key, v in expected.items() if v is not None}
    assert new.count("# note") == text.count("# note")


# -- the script --------------------------------------------------------------------------------------------------------


def test_an_existing_script_is_never_overwritten(tmp_path: Path) -> None:
    Path("logger.py").write_text("mine")
    result = init("--sqlite", tmp_path / "lab.db", "--setup", "oven", "--yes")
    assert result.exit_code == 0, result.output
    assert Path("logger.py").read_text() == "mine"
    other = init("--sqlite", tmp_path / "lab.db", "--setup", "oven", "--yes", "--output", "oven.py")
    assert other.exit_code == 0, other.output
    assert "``python oven.py``" in Path("oven.py").read_text()


def test_output_may_be_a_folder(tmp_path: Path) -> None:
    result = init("--sqlite", tmp_path / "lab.db", "--setup", "oven", "--yes", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    ast.parse((tmp_path / "logger.py").read_text())


def test_the_script_is_as_tidy_as_the_rest(tmp_path: Path) -> None:
    script = tmp_path / "logger.py"
    script.write_text(_first_logger.logger_script("oven", "logger.py"))
    for command in (["check", "--ignore", "T20,D103,INP001"], ["format", "--check"]):
        config = Path(__file__).parents[2] / "pyproject.toml"
        ruff = [sys.executable, "-m", "ruff", command[0], "--config", str(config), *command[1:], str(script)]
        result = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


def test_the_script_logs_this_computer(tmp_path: Path) -> None:
    database = tmp_path / "lab.db"
    assert init("--sqlite", database, "--setup", "oven", "--yes").exit_code == 0
    process = subprocess.Popen(
        [sys.executable, "-u", "logger.py"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "logging every 10 s, Ctrl-C ends\n"
    deadline = time.monotonic() + 60.0
    while not stored_codenames(database) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "everything is in the database\n"), error
    names = {item.codename("oven") for item in _first_logger.HOST_READINGS}
    assert {"oven_cpu_load", "oven_memory_used"} <= stored_codenames(database) <= names


def test_what_is_missing_is_one_line(tmp_path: Path) -> None:
    database = tmp_path / "lab.db"
    assert init("--sqlite", database, "--setup", "oven", "--yes").exit_code == 0
    connection = sqlite3.connect(database)
    connection.execute("DROP TABLE dateplots_oven")
    connection.close()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(
        [sys.executable, "logger.py"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: there is no table 'dateplots_oven' in ")
    assert result.stderr.endswith(" create it with: pyexplabsys database create --setup oven\n")
    assert result.stderr.count("\n") == 1


def stored_codenames(database: Path) -> set[str]:
    connection = sqlite3.connect(database)
    try:
        sql = "SELECT DISTINCT codename FROM dateplots_oven JOIN dateplots_descriptions AS d ON type = d.id"
        return {codename for (codename,) in connection.execute(sql)}
    finally:
        connection.close()
