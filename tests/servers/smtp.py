"""A mail server on 127.0.0.1 that speaks as much SMTP as it takes to receive, and can hang or refuse."""

import email
import email.policy
import socketserver
import threading
import time
from email.message import EmailMessage
from types import TracebackType

WITHIN_S = 20.0


class MailServer(socketserver.ThreadingTCPServer):
    """Receives mails; as a context it runs in a thread of its own.

    Attributes:
        mails: What came, in order.
        refuses: Answer recipients with an error of this code; 0: take them.
        speaks: Cleared, it accepts connections and says nothing until it is set.
        recipients: To whom, for each of them.
        connected: Set by the first connection.
    """

    daemon_threads = False
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuses = 0
        self.speaks, self.connected = threading.Event(), threading.Event()
        self.speaks.set()
        self.changed = threading.Condition()
        self.port = int(self.server_address[1])
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="mail-server")

    def __enter__(self) -> "MailServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.speaks.set()
        self.shutdown()
        self._thread.join(WITHIN_S)
        self.server_close()

    def wait_for(self, count: int) -> list[EmailMessage]:
        """Return the mails when so many have come."""
        deadline = time.monotonic() + WITHIN_S
        with self.changed:
            self.changed.wait_for(lambda: len(self.mails) >= count, max(0.0, deadline - time.monotonic()))
            assert len(self.mails) >= count, f"{len(self.mails)} of {count} mails came in {WITHIN_S} s"
            return list(self.mails)

    def texts(self, count: int) -> list[str]:
        """Return the texts of mails when so many have come."""
        return [mail.get_content() for mail in self.wait_for(count)]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that gave up."""


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.server.connected.set()
        self.server.speaks.wait(WITHIN_S)
        recipients: list[str] = []
        self._answer(220, "lab mail")
        while command := self.rfile.readline():
            word = command.split(b":")[0].strip().upper()
            if word == b"RCPT TO":
                recipients.append(command.decode().split("<")[1].split(">")[0])
            if word == b"DATA":
                self._answer(354, "go on")
                self._receive(recipients)
            code = self.server.refuses if word == b"RCPT TO" and self.server.refuses else 250
            self._answer(221 if word == b"QUIT" else code, "so be it")
            if word == b"QUIT":
                return

    def _receive(self, recipients: list[str]) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            assert line, "the client went away within a mail"
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        with self.server.changed:
            self.server.mails.append(mail)
            self.server.recipients.append(recipients)
            self.server.changed.notify_all()

    def _answer(self, code: int, text: str) -> None:
        self.wfile.write(f"{code} {text}\r\n".encode())
