"""Clients of the UDP sockets: ask for values, send data and commands."""

import json
from collections.abc import Mapping
from typing import Any

from PyExpLabSys.common.signed_commands import CHALLENGE, SIGNED, is_signature, sign
from PyExpLabSys.common.socket_wire import OLD_DATA, PUSH_ACK, PUSH_ERROR, PUSH_EXCEP, PUSH_RET, UNKNOWN_COMMAND
from PyExpLabSys.common.udp_exchange import DEFAULT_TIMEOUT_S, exchange
from PyExpLabSys.errors import CommandRejectedError, ProtocolError, TransportTimeoutError

__all__ = ["DataPushClient", "DateDataPullClient"]


class DateDataPullClient:
    """Asks a pull socket for its values. Each codename is also an attribute, which asks.

    Args:
        host: Where the socket is.
        expected_socket_name: Its name; that of another one is an error.
        port: Its UDP port.
        exception_on_old_data: Whether old data are an error; else ``OLD_DATA`` stands in their place.
        timeout: How long to wait for an answer, in s; None: 5 s.

    Attributes:
        name: The name of the socket.
        codenames: What it has values of.
        codenames_set: The same, as a set.

    Raises:
        ValueError: It has another name.
        TimeoutError: It does not answer.
    """

    def __init__(
        self,
        host: str,
        expected_socket_name: str,
        port: int = 9000,
        exception_on_old_data: bool = True,
        timeout: float | None = None,
    ) -> None:
        self.host, self.port = host, port
        self.exception_on_old_data = exception_on_old_data
        self.timeout = DEFAULT_TIMEOUT_S if timeout is None else timeout
        self.name = self._ask("name")
        if self.name != expected_socket_name:
            raise ValueError(
                f'The name of the socket at {host}:{port} was not "{expected_socket_name}" as expected, '
                f'but "{self.name}"'
            )
        self.codenames: list[str] = self._ask_json("codenames_json")
        self.codenames_set = set(self.codenames)

    def get_field(self, name: str) -> Any:
        """Return the latest [x, y] of a codename.

        Raises:
            ValueError: The socket has no such codename, or its data are old.
            TimeoutError: The socket does not answer.
        """
        if name not in self.codenames_set:
            raise ValueError(f"The socket {self.name!r} has no codename {name!r}, only {', '.join(self.codenames)}")
        point = self._ask_json(f"{name}#json")
        if point == OLD_DATA and self.exception_on_old_data:
            raise ValueError("Old data")
        return point

    def get_all_fields(self) -> dict[str, Any]:
        """Return the latest [x, y] of each codename.

        Raises:
            ValueError: Data are old.
            TimeoutError: The socket does not answer.
        """
        points: dict[str, Any] = self._ask_json("json_wn")
        for name, point in points.items():
            if point == OLD_DATA and self.exception_on_old_data:
                raise ValueError(f'Old data, for field "{name}"')
        return points

    def get_status(self) -> dict[str, Any]:
        """Return how the computer and all sockets of the program do."""
        status: dict[str, Any] = self._ask_json("status")
        return status

    def __getattr__(self, name: str) -> Any:
        # Looked up in the dictionary: before it is there, this method would ask itself.
        if name in self.__dict__.get("codenames_set", ()):
            return self.get_field(name)
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}, and the socket no such codename")

    def _ask(self, request: str) -> str:
        return exchange(self.host, self.port, request.encode("utf-8"), self.timeout).decode("utf-8", errors="replace")

    def _ask_json(self, request: str) -> Any:
        reply = self._ask(request)
        if reply == UNKNOWN_COMMAND:
            raise ValueError(f"{self.host}:{self.port} does not know {request!r}")
        try:
            return json.loads(reply)
        except ValueError as error:
            raise ProtocolError(f"{self.host}:{self.port} answered {request!r} with {reply[:200]!r}") from error


class DataPushClient:
    """Sends data sets to a push socket, signed if there is a secret.

    Args:
        host: Where the socket is.
        expected_socket_name: Its name. What is signed is good for a socket of this name only.
        port: Its UDP port.
        secret: What client and socket share; None: nothing is signed.
        timeout: How long to wait for each answer, in s.
        attempts: How often a signed data set is sent until an answer comes; however often it arrives, it counts once.
            One that is not signed is sent once: the socket could not tell a repetition.
    """

    def __init__(
        self,
        host: str,
        expected_socket_name: str,
        port: int = 8500,
        *,
        secret: str | None = None,
        timeout: float = 1.0,
        attempts: int = 3,
    ) -> None:
        if attempts < 1:
            raise ValueError(f"attempts is {attempts}, at least 1 is needed")
        self.host, self.port, self.expected_socket_name = host, port, expected_socket_name
        self.timeout, self.attempts = timeout, attempts
        self._secret = secret

    def send(self, data: Mapping[str, Any]) -> str:
        """Send a data set and return what the socket says, without ``ACK#`` or ``RET#``.

        Raises:
            CommandRejectedError: The socket refuses it, or the callback failed.
            TimeoutError: No answer came; whether the data set arrived is unknown.
            ProtocolError: What answered is no such socket, or its signature is wrong.
        """
        request = f"json_wn#{json.dumps(dict(data))}"
        reply = self._exchange(request, 1) if self._secret is None else self._signed(request, self._secret)
        return self._accepted(reply)

    def _signed(self, request: str, secret: str) -> str:
        challenge = self._accepted(self._exchange(CHALLENGE, self.attempts))
        signature = sign(secret, "request", self.expected_socket_name, challenge, request)
        reply = self._exchange(f"{SIGNED}#{challenge}#{signature}#{request}", self.attempts)
        if not reply.startswith(f"{SIGNED}#"):
            return reply if reply.startswith(f"{PUSH_ERROR}#") else ""
        _, signature, text = reply.split("#", 2) if reply.count("#") > 1 else ("", "", "")
        if not is_signature(signature, sign(secret, "reply", self.expected_socket_name, challenge, text)):
            raise ProtocolError(f"{self.host}:{self.port} answered with a wrong signature: {reply[:200]!r}")
        return text

    def _exchange(self, request: str, attempts: int) -> str:
        for attempt in range(attempts):
            try:
                reply = exchange(self.host, self.port, request.encode("utf-8"), self.timeout)
            except TimeoutError as error:
                if attempt == attempts - 1:
                    raise TransportTimeoutError(f"{error} ({attempts} attempts)") from error
            else:
                return reply.decode("utf-8", errors="replace")
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _accepted(self, reply: str) -> str:
        kind, _, text = reply.partition("#")
        if kind in (PUSH_ERROR, PUSH_EXCEP):
            raise CommandRejectedError(f"{self.host}:{self.port} refuses: {text}")
        if kind not in (PUSH_ACK, PUSH_RET):
            raise ProtocolError(f"{self.host}:{self.port} is no push socket: it answered {reply[:200]!r}")
        return text
