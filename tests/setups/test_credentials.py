"""Where the account of a setup comes from."""

from pathlib import Path

import pytest

from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import Settings
from PyExpLabSys.setups.credentials import Credentials, choose_database, find_credentials


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def test_arguments_win(tmp_path: Path) -> None:
    write(tmp_path / "credentials.py", "user, passwd = 'file', 'file'")
    assert find_credentials("ann", "secret", tmp_path) == Credentials("ann", "secret")


@pytest.mark.parametrize("text", ["user = 'ann'\npasswd = 'secret'", "username = 'ann'\npassword = 'secret'"])
@pytest.mark.parametrize("name", ["credentials.py", "credentials.toml"])
def test_then_the_file_beside_the_script(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path / name, text)
    assert find_credentials(None, None, tmp_path) == Credentials("ann", "secret")


def test_then_the_settings(tmp_path: Path) -> None:
    settings = Settings()
    settings.sql_server_host, settings.sql_database = "server", "cinfdata"
    settings.sql_username, settings.sql_password = "ann", "secret"
    target = choose_database(None, None, tmp_path)
    assert (target.username, target.password, target.name) == ("ann", "secret", "mysql://server:3306/cinfdata")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("credentials.py", "password = 'hunter2'\nraise ValueError(password)", "no Python that runs: ValueError"),
        ("credentials.py", "password = 'hunter2", "no Python that runs: SyntaxError"),
        ("credentials.toml", "password = hunter2", "no TOML"),
        ("credentials.toml", "password = 'hunter2'", "does not say username"),
        ("credentials.py", "user, passwd = 'ann', 1234", "does not say password"),
    ],
)
def test_a_wrong_file_is_named_and_its_secret_is_not(tmp_path: Path, name: str, text: str, message: str) -> None:
    write(tmp_path / name, text)
    with pytest.raises(SettingsError, match=message) as caught:
        find_credentials(None, None, tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_others_may_read_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "credentials.toml", "user = 'ann'\npasswd = 'secret'", 0o644)
    find_credentials(None, None, tmp_path)
    assert "chmod 600" in caplog.text


def test_the_password_is_never_shown() -> None:
    assert "secret" not in repr(Credentials("ann", "secret"))
