"""Arguments and settings become one target, or one clear error."""

from pathlib import Path
from typing import Any

import pytest

from PyExpLabSys.database.target import DatabaseTarget, target_from_settings
from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import Settings


@pytest.fixture
def lab_settings() -> Settings:
    settings = Settings()
    settings.sql_server_host = ["node1", "node2:3307"]
    settings.sql_database = "cinfdata"
    settings.sql_username = "reader"
    settings.sql_password = "of the settings"
    return settings


def test_settings_alone_are_enough(lab_settings: Settings) -> None:
    lab_settings.sql_server_port = 3308
    lab_settings.sql_ssl_ca = "/etc/lab/ca.pem"
    lab_settings.sql_statement_timeout = 7.5
    assert target_from_settings() == DatabaseTarget(
        hosts=(("node1", 3308), ("node2", 3307)),
        database="cinfdata",
        username="reader",
        password="of the settings",
        ssl_ca="/etc/lab/ca.pem",
        statement_timeout_s=7.5,
    )


@pytest.mark.usefixtures("lab_settings")
def test_arguments_win() -> None:
    target = target_from_settings(
        username="dummy", password="secret", host="[fd00::1]:3310", port=1, database="other", dsn="lab"
    )
    assert target == DatabaseTarget(
        hosts=(("fd00::1", 3310),), database="other", username="dummy", password="secret", dsn="lab"
    )


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("lab", (("lab", 4000),)),
        ("lab:1", (("lab", 1),)),
        ("::1", (("::1", 4000),)),
        ("[::1]:2", (("::1", 2),)),
        (["a", "b:3"], (("a", 4000), ("b", 3))),
        ("a, b:3", (("a", 4000), ("b", 3))),
    ],
)
@pytest.mark.usefixtures("lab_settings")
def test_a_host_may_be_written_in_many_ways(host: str | list[str], hosts: tuple[tuple[str, int], ...]) -> None:
    assert target_from_settings(host=host, port=4000).hosts == hosts


@pytest.mark.parametrize("host", ["lab:x", "lab:0", "lab:65536", "", "a b", "[::1", "mysql://lab"])
@pytest.mark.usefixtures("lab_settings")
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="sql_server_host"):
        target_from_settings(host=host)


@pytest.mark.parametrize("key", ["sql_server_host", "sql_database", "sql_username"])
def test_what_is_missing_is_named_with_the_ways_to_set_it(key: str, lab_settings: Settings) -> None:
    setattr(lab_settings, key, None)
    with pytest.raises(SettingsError) as caught:
        target_from_settings()
    assert f"'{key}: ...'" in str(caught.value)
    assert f"PYEXPLABSYS_{key.upper()}" in str(caught.value)


def test_a_dsn_needs_neither_host_nor_database() -> None:
    assert target_from_settings(dsn="lab") == DatabaseTarget(dsn="lab")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///points.db", "points.db"),
        ("sqlite:////data/points.db", "/data/points.db"),
        ("sqlite:///~/points.db", "~/points.db"),
    ],
)
def test_the_url_chooses_a_file(url: str, path: str, lab_settings: Settings) -> None:
    lab_settings.sql_url = url
    assert target_from_settings().sqlite_path == Path(path).expanduser()
    assert target_from_settings(host="lab").sqlite_path is None
    assert target_from_settings(dsn="lab").sqlite_path is None


@pytest.mark.parametrize("url", ["mysql://lab/cinfdata", "sqlite://points.db", "sqlite:///", "sqlite:///:memory:"])
def test_no_other_url_is_understood(url: str, lab_settings: Settings) -> None:
    lab_settings.sql_url = url
    with pytest.raises(SettingsError, match=r"sqlite:////folder/file.db.*set sql_server_host"):
        target_from_settings()


def test_an_account_in_the_url_is_not_repeated(lab_settings: Settings) -> None:
    lab_settings.sql_url = "mysql://me:top%20secret@lab/cinfdata"
    with pytest.raises(SettingsError) as caught:
        target_from_settings()
    assert "secret" not in str(caught.value)


def test_names_tell_targets_apart_and_hold_no_account() -> None:
    account: Any = {"username": "dummy", "password": "secret"}
    names = [
        DatabaseTarget(hosts=(("lab", 3306), ("::1", 3307)), database="cinfdata", **account).name,
        DatabaseTarget(dsn="lab", database="cinfdata", **account).name,
        DatabaseTarget(dsn="lab", username="dummy", password="secret").name,
        DatabaseTarget(sqlite_path=Path("/data/points.db"), **account).name,
    ]
    assert names == [
        "mysql://lab:3306,[::1]:3307/cinfdata",
        "odbc:lab/cinfdata",
        "odbc:lab",
        "sqlite:////data/points.db",
    ]


def test_a_relative_file_has_an_absolute_name() -> None:
    assert DatabaseTarget(sqlite_path=Path("points.db")).name == f"sqlite:///{Path.cwd() / 'points.db'}"


def test_the_password_is_never_shown() -> None:
    assert "secret" not in repr(DatabaseTarget(hosts=(("lab", 3306),), username="dummy", password="secret"))


@pytest.mark.parametrize("timeouts", [{"connect_timeout_s": 0.0}, {"statement_timeout_s": -1.0}])
def test_a_timeout_of_nothing_is_refused(timeouts: Any) -> None:
    with pytest.raises(ValueError, match="above 0 s"):
        DatabaseTarget(**timeouts)
