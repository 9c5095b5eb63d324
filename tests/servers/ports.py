"""Free TCP ports on the loopback address."""

import random
import socket

LOOPBACK = "127.0.0.1"
ATTEMPTS = 200


def bind_free_port() -> socket.socket:
    """Return a socket that is bound to a free port of 127.0.0.1 and does not listen yet.

    The port lies below the range from which Linux takes the ports of outgoing connections. Inside it, a client that
    keeps connecting to a server that is down could be given that server's port, and then even talk to itself.
    """
    for _attempt in range(ATTEMPTS):
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # SystemRandom: hypothesis seeds the shared generator, and then two processes would ask for the same port.
            bound.bind((LOOPBACK, random.SystemRandom().randrange(10_000, 32_000)))
        except OSError:
            bound.close()
        else:
            return bound
    raise RuntimeError(f"no free port found on {LOOPBACK} in {ATTEMPTS} attempts")


def free_port() -> int:
    """Return the number of a port of 127.0.0.1 that nobody uses at this moment."""
    with bind_free_port() as bound:
        port: int = bound.getsockname()[1]
        return port
