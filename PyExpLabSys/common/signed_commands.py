"""Commands signed with a shared secret (HMAC-SHA256), so that nobody else can give or repeat them.

The client asks the socket for a ``challenge`` and gets ``RET#<challenge>``. It then sends
``signed#<challenge>#<signature>#<request>``, where the request is one of the old ones, and gets
``signed#<signature>#<reply>``. A challenge serves for one request within 30 s; the same datagram sent again is answered
with the same reply and not carried out again, so a client that got no answer may repeat it. No clocks are compared.

The signatures are in hexadecimal digits, of the UTF-8 bytes of these parts with line feeds between:

- of a request: ``request``, the name of the socket, the challenge, the request;
- of a reply: ``reply``, the name of the socket, the challenge, the reply.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PyExpLabSys.common.socket_wire import RequestRefused

SIGNED = "signed"
CHALLENGE = "challenge"
LIFETIME_S = 30.0
#: So many signed requests are kept within the lifetime of their challenges; only who knows the secret makes any.
MOST_KEPT = 10_000
SHORTEST_SECRET = 16


def sign(secret: str, kind: str, socket_name: str, challenge: str, text: str) -> str:
    """Return the signature of a ``request`` or a ``reply``."""
    message = "\n".join((kind, socket_name, challenge, text))
    return _tag(secret.encode("utf-8"), message)


def is_signature(signature: str, expected: str) -> bool:
    """Return whether a signature is the expected one, in a time that tells nothing about it."""
    return hmac.compare_digest(signature.encode("utf-8", errors="replace"), expected.encode("ascii"))


@dataclass(frozen=True)
class SignedRequest:
    """A request with a valid signature.

    Attributes:
        challenge: What it answers.
        text: The request itself.
        earlier_reply: What was answered when it came before; None: it is new.
    """

    challenge: str
    text: str
    earlier_reply: str | None


@dataclass
class Signatures:
    """The socket's side: gives out challenges, and checks what comes back.

    Challenges are not kept: each holds when it was made, and a tag that only this process can make. So nobody can fill
    the memory by asking for them.

    Attributes:
        secret: What socket and clients share, 16 characters or more.
        socket_name: The name of the socket, so that a request for another one with the same secret is none for this.
        monotonic: The clock, in s.

    Raises:
        ValueError: The secret is too short.
    """

    secret: str = field(repr=False)
    socket_name: str
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _used: dict[str, tuple[float, str, str | None]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < SHORTEST_SECRET:
            raise ValueError(
                f"a secret of {len(self.secret)} characters can be guessed: it needs {SHORTEST_SECRET} or more, such as"
                f" python -c 'import secrets; print(secrets.token_hex())' prints"
            )

    def new_challenge(self) -> str:
        """Return a challenge that is good for one request."""
        stamp = f"{int(self.monotonic() * 1000):x}.{secrets.token_hex(8)}"
        return f"{stamp}.{_tag(self._key, stamp)}"

    def open(self, challenge: str, signature: str, text: str) -> SignedRequest:
        """Check a signed request; it counts as used from now on.

        Raises:
            RequestRefused: The challenge is not ours, too old, or used for another request; or the signature is wrong.
        """
        made_s = self._made_s(challenge)
        if not is_signature(signature, sign(self.secret, "request", self.socket_name, challenge, text)):
            raise RequestRefused("The signature is wrong")
        self._forget_expired()
        if challenge in self._used:
            _, used_for, reply = self._used[challenge]
            if used_for != text:
                raise RequestRefused("The challenge was used for another request")
            if reply is None:
                raise RequestRefused("The request came before, and there is no reply to it")
            return SignedRequest(challenge, text, reply)
        if len(self._used) >= MOST_KEPT:
            raise RequestRefused(f"More than {MOST_KEPT} signed requests in {LIFETIME_S} s")
        self._used[challenge] = (made_s, text, None)
        return SignedRequest(challenge, text, None)

    def close(self, request: SignedRequest, reply: str) -> str:
        """Note the reply to a request, and return it signed."""
        made_s, text, _ = self._used.get(request.challenge, (self.monotonic(), request.text, None))
        self._used[request.challenge] = (made_s, text, reply)
        signature = sign(self.secret, "reply", self.socket_name, request.challenge, reply)
        return f"{SIGNED}#{signature}#{reply}"

    def _made_s(self, challenge: str) -> float:
        stamp, _, tag = challenge.rpartition(".")
        if not is_signature(tag, _tag(self._key, stamp)):
            raise RequestRefused("The challenge is unknown, ask for a new one")
        made_s = int(stamp.partition(".")[0], 16) / 1000
        if self.monotonic() - made_s > LIFETIME_S:
            raise RequestRefused(f"The challenge is older than {LIFETIME_S} s, ask for a new one")
        return made_s

    def _forget_expired(self) -> None:
        # Twice the lifetime, so that no rounding forgets one that is still good.
        oldest_s = self.monotonic() - 2 * LIFETIME_S
        expired = [challenge for challenge, (made_s, _, _) in self._used.items() if made_s < oldest_s]
        for challenge in expired:
            del self._used[challenge]


def _tag(key: bytes, message: str) -> str:
    return hmac.new(key, message.encode("utf-8", errors="surrogatepass"), hashlib.sha256).hexdigest()
