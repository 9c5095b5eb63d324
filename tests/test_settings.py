"""Settings: where a value comes from, what a wrong one is told, and that a secret is shown nowhere."""

import copy
import logging
import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys import settings as module
from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import (
    KEYS,
    MissingSettingError,
    Settings,
    UnknownSettingError,
    parse_hosts,
    parse_user_settings,
    user_settings_path,
)

SECRET = "hunter2hunter2"
SHEET_DEFAULTS = {
    "util_log_max_emails_per_period": 5,
    "util_log_email_throttle_time": 86400,
    "util_log_backlog_limit": 250,
    "sql_server_port": 3306,
    "sql_connect_timeout": 10.0,
    "sql_statement_timeout": 15.0,
}


def write(text: str, mode: int = 0o600) -> Path:
    path = user_settings_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    Settings().reset()
    return path


def everything_about(error: BaseException) -> str:
    """Return what any log, traceback or debugger of exceptions would show of an error and those behind it."""
    texts = ["".join(traceback.format_exception(error))]
    seen: BaseException | None = error
    while seen is not None:
        texts += [repr(seen), str(seen.args), str(getattr(seen, "__dict__", ""))]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(texts)


# -- where a value comes from ------------------------------------------------------------------------------------------


def test_importing_reads_no_file(tmp_path: Path) -> None:
    broken = tmp_path / "PyExpLabSys" / "user_settings.yaml"
    broken.parent.mkdir()
    broken.write_text(": : :")
    script = (
        "import sys, PyExpLabSys.settings\n"
        "heavy = {'yaml', 'numpy', 'pymysql', 'typer', 'platformdirs'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
        "PyExpLabSys.settings.Settings(); print('imported')"
    )
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "imported\n"), result.stderr


@pytest.mark.parametrize(("name", "default"), SHEET_DEFAULTS.items())
def test_defaults_hold_without_a_file(name: str, default: object) -> None:
    value = getattr(Settings(), name)
    assert (value, type(value)) == (default, type(default))


def test_assignment_wins_over_environment_over_file_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    assert settings.sql_server_port == 3306
    write("sql_server_port: 3307")
    assert settings.sql_server_port == 3307
    monkeypatch.setenv("PYEXPLABSYS_SQL_SERVER_PORT", "3308")
    assert settings.sql_server_port == 3308
    settings.sql_server_port = 3309
    assert settings.sql_server_port == 3309
    del settings.sql_server_port
    assert settings.sql_server_port == 3308
    monkeypatch.setenv("PYEXPLABSYS_SQL_SERVER_PORT", "")
    assert settings.sql_server_port == 3307


def test_all_instances_share_one_state() -> None:
    Settings().sql_database = "cinfdata"
    assert Settings().sql_database == "cinfdata"
    assert copy.copy(Settings()).sql_database == "cinfdata"


def test_assigned_none_means_no_value_whatever_the_file_says() -> None:
    write("sql_url: sqlite:////a.db")
    Settings().sql_url = None
    assert Settings().get("sql_url", "nothing") == "nothing"
    with pytest.raises(MissingSettingError):
        _ = Settings().sql_url


def test_the_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("sql_database: one")
    assert Settings().sql_database == "one"
    path.write_text("sql_database: two")
    assert Settings().sql_database == "one"
    Settings().reset()
    assert Settings().sql_database == "two"


def test_another_path_is_another_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write("sql_database: one")
    assert Settings().sql_database == "one"
    other = tmp_path / "other"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(other))
    assert user_settings_path() == other / "PyExpLabSys" / "user_settings.yaml"
    assert Settings().get("sql_database") is None
    assigned = tmp_path / "mine.yaml"
    assigned.write_text("sql_database: three")
    monkeypatch.setattr(module, "USERSETTINGS_PATH", str(assigned))
    assert Settings().sql_database == "three"


@pytest.mark.parametrize("configured", ["", "relative/folder", None])
def test_without_a_usable_xdg_folder_the_file_is_below_home(
    monkeypatch: pytest.MonkeyPatch, configured: str | None
) -> None:
    if configured is None:
        monkeypatch.delenv("XDG_CONFIG_HOME")
    else:
        monkeypatch.setenv("XDG_CONFIG_HOME", configured)
    assert user_settings_path() == Path.home() / ".config" / "PyExpLabSys" / "user_settings.yaml"


def test_macos_keeps_the_documented_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_settings_path() == Path.home() / ".config" / "PyExpLabSys" / "user_settings.yaml"


def test_what_environment_gives_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("this is no settings file")
    monkeypatch.setenv("PYEXPLABSYS_SQL_DATABASE", "cinfdata")
    assert Settings().sql_database == "cinfdata"


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "sql_database:\n", "\ufeff"])
def test_a_file_without_values_is_no_settings(text: str) -> None:
    write(text)
    assert Settings().get("sql_database") is None
    assert Settings().util_log_backlog_limit == 250


# -- types -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("sql_server_host: db1", "db1"),
        ("sql_server_host: db1:3307", "db1:3307"),
        ("sql_server_host: [db1, 'db2:3307']", ("db1", "db2:3307")),
        ("sql_server_host:\n- db1\n- db2:3307\n", ("db1", "db2:3307")),
        ("sql_server_host: db1, db2:3307", ("db1", "db2:3307")),
        ("sql_password: 0123", "0123"),
        ("sql_password: yes", "yes"),
        ("sql_password: 1e3", "1e3"),
        ("sql_password: 2020-01-01", "2020-01-01"),
        ("sql_password: =", "="),
        ("sql_password: ''", ""),
        ("sql_password: '#&*!%@`'", "#&*!%@`"),
        ("sql_server_port: '3307'", 3307),
        ("sql_connect_timeout: 2", 2.0),
        ("rejected_directory: /var/lab/rejected", Path("/var/lab/rejected")),
        ("util_log_warning_email: a@b.org", "a@b.org"),
    ],
)
def test_values_come_out_in_their_type(line: str, value: object) -> None:
    write(line)
    key = line.partition(":")[0]
    read = getattr(Settings(), key)
    assert (read, type(read)) == (value, type(value))


def test_tilde_in_a_path_is_home() -> None:
    write("rejected_directory: ~/rejected")
    assert Settings().rejected_directory == Path.home() / "rejected"


def test_hosts_in_the_environment_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYEXPLABSYS_SQL_SERVER_HOST", "db1, db2:3307")
    assert Settings().sql_server_host == ("db1", "db2:3307")


NAMES = st.text(st.sampled_from("abcxyz019.-_"), min_size=1, max_size=20)
PORTS = st.integers(1, 65535)


@given(st.lists(st.tuples(NAMES, st.none() | PORTS, st.sampled_from(["", " "])), min_size=1, max_size=5), PORTS)
def test_hosts_keep_names_ports_and_order(hosts: list[tuple[str, int | None, str]], default: int) -> None:
    texts = [space + (name if port is None else f"{name}:{port}") + space for name, port, space in hosts]
    expected = tuple((name, default if port is None else port) for name, port, _ in hosts)
    assert parse_hosts(texts, default) == expected
    assert parse_hosts(",".join(texts), default) == expected


@given(st.text(max_size=30))
def test_any_text_is_hosts_or_a_value_error(text: str) -> None:
    try:
        hosts = parse_hosts(text)
    except ValueError:
        return
    assert len(hosts) == text.count(",") + 1
    for name, port in hosts:
        assert name
        assert not set(name) & set(" /@,[]")
        assert 1 <= port <= 65535


@given(st.ip_addresses(v=6), PORTS)
def test_ipv6_addresses_take_a_port_in_brackets(address: object, port: int) -> None:
    assert parse_hosts(f"{address}") == ((str(address), 3306),)
    assert parse_hosts(f"[{address}]") == ((str(address), 3306),)
    assert parse_hosts(f"[{address}]:{port}") == ((str(address), port),)


@pytest.mark.parametrize(
    "value", ["", "a b", "a:0", "a:65536", "a:b", "a,,b", "u:p@h", "a/b", "[::1", [], [""], ["a,b"]]
)
def test_wrong_hosts_are_refused(value: str | list[str]) -> None:
    with pytest.raises(ValueError, match="server"):
        parse_hosts(value)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ("sql_database: a\nsql_servr_host: b\n", 2, ["'sql_servr_host'", "Did you mean sql_server_host?"]),
        ("\n\nsql_server_port: many\n", 3, ["sql_server_port", "'many'", "a port number, 1 to 65535"]),
        ("sql_server_port: 65536", 1, ["'65536'"]),
        ("sql_server_port: 0", 1, ["'0'"]),
        ("sql_server_port: [1]", 1, ["sql_server_port"]),
        ("sql_server_port: true", 1, ["'true'"]),
        ("util_log_backlog_limit: -1", 1, ["'-1'", "0 or more"]),
        ("sql_connect_timeout: .inf", 1, ["sql_connect_timeout", "in s"]),
        ("sql_connect_timeout: inf", 1, ["sql_connect_timeout"]),
        ("sql_connect_timeout: nan", 1, ["sql_connect_timeout"]),
        ("sql_connect_timeout: 0", 1, ["sql_connect_timeout"]),
        ("sql_server_host:\n- a\n- b c\n", 2, ["sql_server_host", "name:port"]),
        ("sql_database: {a: b}", 1, ["sql_database", "a text"]),
        ("sql_database: [[a]]", 1, ["sql_database", "a text"]),
        ("sql_database: a\nsql_database: b\n", 2, ["sql_database", "second time"]),
        ("- a\n- b\n", 1, ["key: value"]),
        ("just words", 1, ["key: value"]),
        ("sql_database: a\n\tsql_username: b\n", 2, ["not valid YAML", "sql_username"]),
        ("sql_database: a\nsql_username: @b\n", 2, ["not valid YAML", "sql_username", "quotes"]),
        ("sql_database: !b c", 1, ["sql_database", "quotes"]),
        ("sql_database: a\n---\nsql_database: b\n", 2, ["not valid YAML"]),
        ("sql_database: a\nsql_username: \x07\n", 2, ["not valid YAML", "sql_username"]),
        ("? [a]\n: b\n", 1, ["key: value"]),
        ("sql_database: 'a\n", 2, ["not valid YAML"]),
    ],
)
def test_a_wrong_file_is_one_error_with_file_line_and_key(text: str, line: int, parts: list[str]) -> None:
    path = write(text)
    with pytest.raises(SettingsError) as caught:
        _ = Settings().sql_username
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}: ")
    for part in parts:
        assert part in message
    assert "\n" not in message
    # hasattr() must not hide a broken file.
    assert not isinstance(caught.value, AttributeError)


def test_a_broken_file_is_told_at_each_access_until_it_is_mended() -> None:
    path = write("sql_server_port: x")
    for _ in range(2):
        with pytest.raises(SettingsError, match="line 1"):
            Settings().get("sql_database")
    path.write_text("sql_database: a")
    assert Settings().sql_database == "a"


def test_a_file_that_is_not_utf8_is_told_with_its_line() -> None:
    path = write("")
    path.write_bytes(b"sql_database: a\nsql_username: caf\xe9\n")
    with pytest.raises(SettingsError, match=r"line 2: not UTF-8"):
        _ = Settings().sql_username


def test_a_folder_in_the_place_of_the_file_is_told() -> None:
    user_settings_path().mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"user_settings\.yaml: cannot be read: Is a directory"):
        _ = Settings().sql_username


def test_a_wrong_environment_value_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYEXPLABSYS_SQL_SERVER_PORT", "many")
    with pytest.raises(SettingsError, match=r"PYEXPLABSYS_SQL_SERVER_PORT.*'many', expected a port number"):
        _ = Settings().sql_server_port


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sql_server_port", 0),
        ("sql_server_port", True),
        ("sql_server_port", 3306.5),
        ("sql_connect_timeout", False),
        ("sql_database", 5),
        ("rejected_directory", ""),
        ("sql_server_host", [1]),
        ("sql_server_host", {"a"}),
    ],
)
def test_a_wrong_assignment_is_refused_and_changes_nothing(key: str, value: object) -> None:
    before = Settings().get(key)
    with pytest.raises(SettingsError, match=key):
        setattr(Settings(), key, value)
    assert Settings().get(key) == before


def test_a_required_key_without_value_names_key_file_and_variable() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = Settings().sql_server_host
    assert isinstance(caught.value, MissingSettingError)
    assert isinstance(caught.value, SettingsError)
    for part in ("sql_server_host", str(user_settings_path()), "PYEXPLABSYS_SQL_SERVER_HOST", "pyexplabsys init"):
        assert part in str(caught.value)
    assert not hasattr(Settings(), "sql_server_host")
    assert Settings().get("sql_server_host", "fallback") == "fallback"


def test_unknown_keys_are_attribute_errors_that_list_the_known_ones() -> None:
    settings = Settings()
    with pytest.raises(AttributeError, match=r"Did you mean sql_server_host\?.*util_log_backlog_limit") as caught:
        _ = settings.sql_server_hst
    assert isinstance(caught.value, SettingsError)
    with pytest.raises(UnknownSettingError, match="'sql_hots'"):
        settings.sql_hots = "a"
    with pytest.raises(UnknownSettingError):
        settings.get("nonsense")
    with pytest.raises(UnknownSettingError):
        del settings.nonsense


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"sql_password: &{SECRET}",
        f"sql_password: *{SECRET}",
        f"sql_password: !{SECRET}",
        f"sql_password: @{SECRET}",
        f"sql_password: `{SECRET}",
        f"sql_password: %{SECRET}: {SECRET}",
        f"sql_password: '{SECRET}",
        f"sql_password: [{SECRET}]",
        f"sql_password: {{{SECRET}: {SECRET}}}",
        f"sql_password: {SECRET}\n\tx: {SECRET}",
        f"sql_password: \x07{SECRET}",
        f"sql_password {SECRET}: x",
        f"sql_password={SECRET}",
        f"sql_password: a: {SECRET}",
        f"sql_password: x\nsql_password: {SECRET}",
        f"sql_server_host: root:{SECRET}@db",
        f"sql_server_host: [a, 'root:{SECRET}@db']",
    ],
)
def test_no_error_about_a_file_shows_a_secret(text: str) -> None:
    write(text)
    with pytest.raises(SettingsError) as caught:
        _ = Settings().sql_database
    assert SECRET not in everything_about(caught.value)


def test_no_error_about_an_assignment_shows_a_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings().sql_password = SECRET.encode()
    assert SECRET not in everything_about(caught.value)


def test_secrets_are_stars_in_print_and_repr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(f"sql_password: {SECRET}\nsql_url: mysql://root:{SECRET}@db/cinfdata\nsql_database: cinfdata\n")
    monkeypatch.setenv("PYEXPLABSYS_COMMON_SQL_READER_PASSWORD", SECRET)
    settings = Settings()
    assert settings.sql_password == settings.common_sql_reader_password == SECRET
    settings.print_settings()
    output = capsys.readouterr().out
    assert SECRET not in output + repr(settings) + str(settings)
    assert output.count("***") == 3


def test_print_settings_shows_each_key_with_default_value_and_source(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("sql_server_port: 3307")
    monkeypatch.setenv("PYEXPLABSYS_SQL_DATABASE", "cinfdata")
    Settings().util_log_mail_host = "mail"
    Settings().print_settings()
    header, rule, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["Key", "Default", "User", "From"]
    assert set(rule) == {"="}
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert list(rows) == Settings().settings_names == [key.name for key in KEYS]
    assert rows["sql_server_port"] == ["3306", "3307", "user", "file"]
    assert rows["sql_database"] == ["'cinfdata'", "environment"]
    assert rows["util_log_mail_host"] == ["'mail'", "assigned"]
    assert rows["util_log_backlog_limit"] == ["250", "default"]


def test_a_secret_that_others_may_read_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    path = write(f"sql_password: {SECRET}", mode=0o640)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert Settings().sql_password == SECRET
            Settings().reset()
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert "chmod 600" in record.getMessage()
    assert SECRET not in record.getMessage()


@pytest.mark.parametrize(("text", "mode"), [("sql_password: x", 0o600), ("sql_database: x", 0o644)])
def test_there_is_no_warning_without_need(text: str, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    write(text, mode)
    assert Settings().get("sql_username") is None
    assert not caplog.records


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_threads_see_whole_values() -> None:
    write("sql_database: first")
    allowed, wrong = {"first", "second", "third"}, []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for _ in range(200):
            if number % 2:
                Settings().sql_database = ("second", "third")[number % 4 == 1]
                Settings().reset()
            elif Settings().sql_database not in allowed:
                wrong.append(Settings().sql_database)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_every_key_says_what_it_is_and_its_default_is_of_its_type() -> None:
    for key in KEYS:
        assert key.description
        assert key.convert(key.default, "default") == key.default
        assert key.variable == "PYEXPLABSYS_" + key.name.upper()
    assert {key.name for key in KEYS if key.secret} == {
        "sql_password",
        "common_sql_reader_password",
        "socket_secret",
    }
    assert set(Settings().settings_names) <= set(dir(Settings()))


@given(st.dictionaries(st.sampled_from(["sql_database", "sql_username", "sql_password"]), st.text(max_size=20)))
def test_whatever_yaml_writes_is_read_back(values: dict[str, str]) -> None:
    import yaml

    assert parse_user_settings(yaml.safe_dump(values), Path("file")) == values
