"""A simulated instrument on a serial port that Linux makes up: a pseudo-terminal behind a link with a stable name.

A pseudo-terminal can be set only once: a second program that sets a parity gets an error of the kernel. So each
opening gets a terminal of its own. The link leads to a fresh one before the first answer goes out to who opened the
last one, or as soon as the last one was closed again.
"""

import errno
import os
import select
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from PyExpLabSys.simulators.serving.base import Answer, ByteSimulator
from PyExpLabSys.simulators.serving.outbox import Outbox

#: How long in s until a terminal that is full is tried again.
FULL_S = 0.002
#: No answer is as long.
LONGEST_UNSENT_BYTES = 2**22


@dataclass(eq=False)
class Terminal:
    """One pseudo-terminal: our end of it, and what is known of the other one."""

    master: int
    path: str
    #: Whether the kernel has told that nobody has it open: the first time that means not yet, then no more.
    told_of: bool = False
    #: What there was no room for yet.
    unsent: bytes = b""


class PtyServer:
    """Serves one instrument as a serial port, from its own thread, while inside ``with``.

    Args:
        simulator: The instrument.
        link: The path that drivers open; it must not exist.
        baudrate: The speed of the instrument: it hears nothing of what is sent at another one. None: any.
    """

    def __init__(self, simulator: ByteSimulator, link: Path, *, baudrate: int | None = None) -> None:
        self.link = link
        self._simulator = simulator
        self._baudrate = baudrate
        # Held whenever terminals are made, used or closed.
        self._lock = threading.RLock()
        self._epoll = select.epoll()
        #: What was noticed on the side.
        self._events: list[tuple[int, int]] = []
        self._terminals: dict[int, Terminal] = {}
        self._offered: Terminal | None = None
        self._outbox: Outbox[Terminal] = Outbox()
        self._stopping = False
        self._wake_reader, self._wake_writer = os.pipe()
        self._epoll.register(self._wake_reader, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="simulated-pty")

    def __enter__(self) -> Self:
        if os.path.lexists(self.link):
            raise FileExistsError(errno.EEXIST, "a simulated port wants a new name", str(self.link))
        self.plug()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        os.write(self._wake_writer, b"\0")
        self._thread.join()
        self.unplug()
        self._epoll.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def plug(self) -> None:
        """Let the port appear."""
        with self._lock:
            if self._offered is None:
                self._offer_fresh()

    def unplug(self) -> None:
        """Let the port vanish as that of an adapter whose plug is pulled; what is on its way is lost."""
        with self._lock:
            self._outbox.clear()
            self._offered = None
            self.link.unlink(missing_ok=True)
            for terminal in list(self._terminals.values()):
                self._drop(terminal)

    def _offer_fresh(self) -> None:
        """Make a terminal and let the link lead to it; there is no moment without a link."""
        master, slave = os.openpty()
        self._offered = Terminal(master, os.ttyname(slave))
        # Closed again, so that we are told when whoever opens it has gone.
        os.close(slave)
        os.set_blocking(master, False)
        self._terminals[master] = self._offered
        # Edges only: as long as nobody has opened it, the kernel would say so all the time.
        self._epoll.register(master, select.EPOLLIN | select.EPOLLET)
        # The first edge says that nobody has opened it yet. Take it before anybody can.
        events = self._epoll.poll(0)
        self._offered.told_of = any(descriptor == master for descriptor, _ in events)
        self._events += [event for event in events if event[0] != master]
        new_link = self.link.with_name(f".{self.link.name}.new")
        new_link.symlink_to(self._offered.path)
        new_link.replace(self.link)

    def _run(self) -> None:
        while not self._stopping:
            wait_s = self._outbox.wait_s(time.monotonic())
            # Up to the next ms, or epoll would wake too early, again and again.
            events = self._epoll.poll(0 if self._events else None if wait_s is None else wait_s + 0.001)
            with self._lock:
                events += self._events
                self._events = []
                for descriptor, _ in events:
                    terminal = self._terminals.get(descriptor)
                    if terminal is not None:
                        self._read(terminal)
                for terminal, data in self._outbox.pop_due(time.monotonic()):
                    self._write(terminal, data)

    def _read(self, terminal: Terminal) -> None:
        """Take all that has come: of an edge we are told once."""
        while terminal.master in self._terminals:
            try:
                data = os.read(terminal.master, 4096)
            except BlockingIOError:  # somebody has it open, and says nothing more
                terminal.told_of = True
                return
            except OSError:  # EIO: nobody has it open
                self._note_closed(terminal)
                return
            terminal.told_of = True
            if terminal is self._offered:
                self._offer_fresh()
            if self._hears(terminal):
                now_s = time.monotonic()
                self._outbox.put(self._simulator.feed(data, now_s), terminal, now_s)

    def _note_closed(self, terminal: Terminal) -> None:
        if not terminal.told_of:
            terminal.told_of = True
            return
        if terminal is self._offered:
            self._offer_fresh()
        self._drop(terminal)

    def _write(self, terminal: Terminal, data: bytes | None) -> None:
        if data is None:
            self.unplug()
        elif terminal.master in self._terminals:
            self._send(terminal, data)

    def _send(self, terminal: Terminal, data: bytes) -> None:
        """Write what there is room for, and the rest when somebody has read that: a terminal holds some 4 kB."""
        waiting = bool(terminal.unsent)
        terminal.unsent += data
        if waiting and data:
            return
        try:
            written = os.write(terminal.master, terminal.unsent)
        except BlockingIOError:
            written = 0
        except OSError:  # nobody there any more
            written = len(terminal.unsent)
        terminal.unsent = terminal.unsent[written:]
        if len(terminal.unsent) > LONGEST_UNSENT_BYTES:  # nobody who reads: a wire does not wait for ever
            terminal.unsent = b""
        if terminal.unsent:
            self._outbox.put([Answer(FULL_S, b"")], terminal, time.monotonic())

    def _hears(self, terminal: Terminal) -> bool:
        if self._baudrate is None:
            return True
        import termios

        speed = termios.tcgetattr(terminal.master)[5]
        return bool(speed == getattr(termios, f"B{self._baudrate}"))

    def _drop(self, terminal: Terminal) -> None:
        del self._terminals[terminal.master]
        self._epoll.unregister(terminal.master)
        os.close(terminal.master)
