"""A private MariaDB server: on a free port of 127.0.0.1, with data of its own, gone afterwards."""

import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pymysql

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.work_folder import PID_FILE, work_folder

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.05
CONNECT_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_S = 60.0
LOG_TAIL_LINES = 40
# Debian keeps servers in /usr/sbin, which is not in an ordinary user's path.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
# Both the template and the servers; another size of the log would be written anew at each start.
COMMON_OPTIONS = ("--innodb-log-file-size=16M", "--innodb-buffer-pool-size=32M")
LEAN_OPTIONS = (
    "--skip-log-bin",
    "--skip-name-resolve",
    "--performance-schema=OFF",
    "--key-buffer-size=8M",
    "--max-connections=200",
    "--local-infile=OFF",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
)


class ServerFailure(Exception):
    """A test server could not be made, started or stopped."""


def program(name: str) -> str:
    """Return the path of one of MariaDB's programs, or raise ServerFailure saying what to install."""
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        raise ServerFailure(f"{name} not found: install mariadb-server (apt-get install mariadb-server)")
    return path


@functools.cache
def template_folder() -> Path:
    """Return a freshly installed data folder, made once a process (it takes a second or more)."""
    install = program("mariadb-install-db")
    folder = work_folder() / "template"
    folder.mkdir()
    data_folder = folder / "data"
    command = [
        install,
        "--no-defaults",
        f"--datadir={data_folder}",
        f"--tmpdir={folder}",
        "--skip-test-db",
        "--skip-name-resolve",
        # Root is the user who runs the tests, known by the Unix socket: no password, and nothing for others on TCP.
        "--auth-root-authentication-method=socket",
        f"--auth-root-socket-user={_system_user()}",
        *COMMON_OPTIONS,
        *_as_root(),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)
    if result.returncode != 0 or not (data_folder / "mysql").is_dir():
        raise ServerFailure(f"mariadb-install-db ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return data_folder


def _system_user() -> str:
    """Return the name of the user who runs this; environment variables may say otherwise under sudo."""
    return pwd.getpwuid(os.geteuid()).pw_name


def _as_root() -> list[str]:
    """Return the option without which mariadbd refuses to run as root."""
    return ["--user=root"] if os.geteuid() == 0 else []


class MariaDB:
    """One mariadbd of its own; a context manager that starts it and removes every trace.

    Args:
        options: Further options of mariadbd, such as ``--local-infile=ON``; they win over the lean ones.
        environment: Further environment variables, such as ``{"TZ": "Europe/Copenhagen"}``: the server's time zone
            is the one of its system, as in labs.

    Attributes:
        host: Always 127.0.0.1.
        port: The TCP port, the same for the whole life of this object.
        socket_path: The Unix socket, through which :meth:`sql` talks.
        log_path: The server's error log.
    """

    def __init__(self, options: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        self.host = LOOPBACK
        self.port = free_port()
        self._options = tuple(options)
        self._environment = dict(environment or {})
        self._mariadbd = program("mariadbd")
        template = template_folder()
        self.folder = Path(tempfile.mkdtemp(dir=work_folder()))
        self.socket_path = self.folder / "s"
        self.log_path = self.folder / "error.log"
        self._process: subprocess.Popen[bytes] | None = None
        subprocess.run(["cp", "-a", "--reflink=auto", template, self.folder / "data"], check=True)

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    def start(self) -> None:
        """Start the server and return once it answers.

        Raises:
            ServerFailure: It ended or did not answer in time; the message ends with the tail of its log.
        """
        if self._process is not None:
            raise ServerFailure("this server was started already")
        # Its own process group: Ctrl-C in a terminal is for pytest, which then stops the server itself.
        self._process = subprocess.Popen(
            self._command(),
            env=os.environ | self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        (self.folder / PID_FILE).write_text(str(self._process.pid))
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._ends_within(POLL_S):
                self._fail(f"mariadbd ended with {self._running().returncode} before it answered")
            if time.monotonic() > deadline:
                self._fail(f"mariadbd did not answer within {START_TIMEOUT_S} s")

    def stop(self) -> None:
        """Shut the server down in an orderly way (SIGTERM) and wait for its end."""
        self._running().send_signal(signal.SIGTERM)
        self.resume()
        if not self._ends_within(STOP_TIMEOUT_S):
            self._fail(f"mariadbd did not end within {STOP_TIMEOUT_S} s of SIGTERM")
        self._forget_process()

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL) and wait until its process is gone."""
        self._running().kill()
        self._running().wait(STOP_TIMEOUT_S)
        self._forget_process()

    def restart(self) -> None:
        """Stop the server if it runs, and start it with the same port and data."""
        if self._process is not None:
            self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server (SIGSTOP): connections stay open, nothing is answered; returns once it is frozen."""
        self._running().send_signal(signal.SIGSTOP)
        # Until this returns, its threads may still answer. The status is left for others to collect.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def sql(
        self, text: str, database: str | None = None, parameters: Sequence[object] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run one statement as the server's root on a new connection, commit it, and return its rows."""
        with self._connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(text, parameters)
            return list(cursor.fetchall())

    def log_tail(self) -> str:
        """Return the last lines of the server's log."""
        if not self.log_path.exists():
            return "(the server wrote no log)"
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])

    def close(self) -> None:
        """End the server, whatever state it is in, and remove its data; may be called again."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "MariaDB":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def _command(self) -> list[str]:
        return [
            self._mariadbd,
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={self.folder}",
            f"--socket={self.socket_path}",
            f"--pid-file={self.folder / 'pid'}",
            f"--log-error={self.log_path}",
            f"--port={self.port}",
            f"--bind-address={self.host}",
            *COMMON_OPTIONS,
            *LEAN_OPTIONS,
            *_as_root(),
            *self._options,
        ]

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise ServerFailure("this server does not run: start() it first")
        return self._process

    def _connect(self, database: str | None) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        connection = pymysql.connect(
            user=_system_user(),
            database=database,
            autocommit=True,
            charset="utf8mb4",
            read_timeout=STATEMENT_TIMEOUT_S,
            defer_connect=True,
        )
        # Given a path, pymysql leaves its socket open when nobody listens there.
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_TIMEOUT_S)
            sock.connect(str(self.socket_path))
        except OSError:
            sock.close()
            raise
        connection.connect(sock)
        return connection

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except (OSError, pymysql.err.OperationalError):
            return False
        return True

    def _forget_process(self) -> None:
        (self.folder / PID_FILE).unlink()
        self._process = None

    def _ends_within(self, seconds: float) -> bool:
        try:
            self._running().wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _fail(self, what: str) -> None:
        """Kill the server if it still runs, and raise ServerFailure with the tail of its log."""
        self.kill()
        raise ServerFailure(f"{what}; the end of its log:\n{self.log_tail()}")
