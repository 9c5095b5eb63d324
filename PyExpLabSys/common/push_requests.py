"""The wire side of a push socket: which requests there are, who may make them, and what is replied."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from PyExpLabSys.common import command_audit
from PyExpLabSys.common import socket_wire as wire
from PyExpLabSys.common.repeats import Repeats
from PyExpLabSys.common.signed_commands import CHALLENGE, SIGNED, Signatures
from PyExpLabSys.common.socket_access import AllowList
from PyExpLabSys.common.socket_ports import status_text
from PyExpLabSys.common.socket_server import Address
from PyExpLabSys.common.socket_wire import (
    LARGEST_DATAGRAM,
    PUSH_ACK,
    PUSH_ERROR,
    PUSH_EXCEP,
    PUSH_RET,
    UNKNOWN_COMMAND,
    RequestRefused,
)

LOGGER = logging.getLogger(__name__)

#: What ``commands`` answers.
COMMANDS = ["json_wn#", "raw_wn#", "name", "status", "commands"]
SIGNED_COMMANDS = ["challenge", "signed#"]
#: How many bytes come before a signed reply: ``signed#``, 64 digits, ``#``.
SIGNATURE_BYTES = len(SIGNED) + 66


class PushSide(Protocol):
    """What the wire side needs of a push socket."""

    socket_name: str
    port: int
    signatures: Signatures | None
    signed_only: bool
    allow_list: AllowList

    def take(self, data: Mapping[str, Any]) -> str:
        """Do with a data set what the socket's action says, and return the reply."""
        ...


def acknowledgement(data: Mapping[str, Any]) -> str:
    """Return the reply that a data set was taken."""
    return f"{PUSH_ACK}#{data}"


def call_back(callback: Callable[[dict[str, Any]], Any], data: dict[str, Any], return_format: str) -> str:
    """Call a function with a data set, and return what it returns, or raises, as a reply."""
    try:
        return f"{PUSH_RET}#{wire.format_returned(callback(data), return_format)}"
    # SystemExit as well: in the socket's thread it would end the socket only, without a word.
    except (Exception, SystemExit) as error:
        LOGGER.exception("the callback, or the form of what it returned, failed with %r", data)
        return f"{PUSH_EXCEP}#{error}"


def parse(text: str) -> dict[str, Any]:
    """Return the data set of a request.

    Raises:
        RequestRefused: It has none, or a wrong one.
    """
    command, mark, data_text = text.partition("#")
    if mark and command == "json_wn":
        return wire.parse_json(data_text)
    if mark and command == "raw_wn" and "#" not in data_text:
        return wire.parse_raw(data_text)
    raise RequestRefused(UNKNOWN_COMMAND)


def fit(reply: bytes, most: int) -> bytes:
    """Return a reply in at most so many bytes."""
    if len(reply) > most and reply.startswith(f"{PUSH_RET}#".encode("ascii")):
        return wire.encode(f"{PUSH_EXCEP}#Carried out, but the reply of {len(reply)} bytes is too large for UDP")
    # The beginning of any other one says it all. A data set was taken: a client that hears nothing would send it again.
    return reply[:most].decode("utf-8", errors="ignore").encode("utf-8")


class PushUDPHandler:
    """What is answered to which request.

    Args:
        server: The socket that it answers for.
    """

    def __init__(self, server: PushSide) -> None:
        self._server = server
        self._repeats = Repeats()
        self._commands = COMMANDS if server.signatures is None else COMMANDS + SIGNED_COMMANDS

    def answer(self, request: bytes, sender: Address) -> bytes:
        """Return the reply to a request."""
        try:
            text = request.decode("utf-8")
        except UnicodeDecodeError:
            return self._error(UNKNOWN_COMMAND)
        signatures = self._server.signatures
        if signatures is not None and text.startswith(f"{SIGNED}#"):
            return wire.encode(self._signed(signatures, text, sender))
        if signatures is not None and text == CHALLENGE:
            return wire.encode(f"{PUSH_RET}#{signatures.new_challenge()}")
        reply = self._question(text)
        return wire.encode(self._data(text, sender, is_signed=False) if reply is None else reply)

    def on_fault(self) -> bytes:
        """Return the reply to what cannot be answered."""
        return self._error("The request failed, the log of the socket's program says why")

    def on_too_large(self, reply: bytes, most: int) -> bytes:
        """Return what is said in place of a reply that no datagram can carry."""
        return fit(reply, most)

    def _question(self, text: str) -> str | None:
        """Return the reply to what only asks, None if it is something else; everybody may ask."""
        if text == "name":
            return f"{PUSH_RET}#{self._server.socket_name}"
        if text == "commands":
            return f"{PUSH_RET}#{wire.json_text(self._commands)}"
        return status_text() if text == "status" else None

    def _signed(self, signatures: Signatures, text: str, sender: Address) -> str:
        # Parts that are not there are empty, and then the challenge is none.
        _, challenge, signature, request_text = (*text.split("#", 3), "", "", "")[:4]
        try:
            request = signatures.open(challenge, signature, request_text)
        except RequestRefused as refusal:
            reply = f"{PUSH_ERROR}#{refusal}"
            self._record(text, sender, reply, is_signed=False, is_refused=True)
            return reply
        if request.earlier_reply is not None:
            return signatures.close(request, request.earlier_reply)
        question = self._question(request.text)
        reply = self._data(request.text, sender, is_signed=True) if question is None else question
        # Before it is signed: what is cut off later would make the signature a wrong one.
        return signatures.close(request, fit(wire.encode(reply), LARGEST_DATAGRAM - SIGNATURE_BYTES).decode("utf-8"))

    def _data(self, text: str, sender: Address, *, is_signed: bool) -> str:
        try:
            data = parse(text)
        except RequestRefused as wrong:
            return f"{PUSH_ERROR}#{wrong}"
        if not is_signed and (refusal := self._refusal(sender)):
            self._record(text, sender, refusal, is_signed=False, is_refused=True)
            return f"{PUSH_ERROR}#{refusal}"
        try:
            reply = self._server.take(data)
        except RequestRefused as full:
            reply = f"{PUSH_ERROR}#{full}"
        self._record(text, sender, reply, is_signed=is_signed)
        return reply

    def _refusal(self, sender: Address) -> str | None:
        if self._server.signed_only:
            return "Only signed commands are taken here"
        if not self._server.allow_list.allows(sender[0]):
            return f"Commands from {sender[0]} are not allowed here"
        return None

    def _record(self, text: str, sender: Address, outcome: str, *, is_signed: bool, is_refused: bool = False) -> None:
        if is_refused:
            times = self._repeats.count(sender[0])
            if not times:
                return
            LOGGER.warning(
                "%s on port %d refused %s (%d times): %s; the argument allow_from or the setting socket_allow_from "
                "names the networks whose commands are taken",
                self._server.socket_name,
                self._server.port,
                sender[0],
                times,
                outcome,
            )
        command_audit.record(
            server=f"{self._server.socket_name}:{self._server.port}",
            sender=f"{sender[0]}:{sender[1]}",
            command=text,
            outcome=outcome,
            is_signed=is_signed,
            is_refused=is_refused,
        )

    @staticmethod
    def _error(text: str) -> bytes:
        return wire.encode(f"{PUSH_ERROR}#{text}")
