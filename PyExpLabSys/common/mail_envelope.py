"""One mail, and handing it to its server."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate

#: The default port, as 0 says in :mod:`logging.handlers`.
ANY_PORT = 0


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Where a mail goes, and by which server.

    Attributes:
        secure: Arguments of STARTTLS (key file, certificate file), used with a user name; None: no encryption.
    """

    host: str
    port: int = ANY_PORT
    sender: str
    recipients: tuple[str, ...]
    subject: str
    timeout_s: float
    username: str | None = None
    password: str = field(default="", repr=False)
    secure: tuple[str, ...] | None = None


def send_mail(envelope: Envelope, text: str) -> None:
    """Hand one mail to its server.

    Raises:
        OSError, smtplib.SMTPException: the server cannot be reached, or refuses.
    """
    message = EmailMessage()
    message["From"] = envelope.sender
    message["To"] = ",".join(envelope.recipients)
    message["Subject"] = " ".join(envelope.subject.splitlines())
    message["Date"] = formatdate()
    message.set_content(text.encode("utf-8", "backslashreplace").decode("utf-8"))
    with smtplib.SMTP(envelope.host, envelope.port, timeout=envelope.timeout_s) as server:
        if envelope.username is not None:
            if envelope.secure is not None:
                server.starttls(context=_tls_context(envelope.secure))
            server.login(envelope.username, envelope.password)
        server.send_message(message, envelope.sender, list(envelope.recipients))


def _tls_context(secure: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if secure:
        key_file, certificate_file = (*secure, secure[0])[:2]
        context.load_cert_chain(certificate_file, key_file)
    return context
