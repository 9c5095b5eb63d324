"""Sockets to which others send data and commands, over UDP."""

import copy
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from queue import Full, Queue
from typing import Any

from PyExpLabSys.common import command_audit, push_requests
from PyExpLabSys.common.callback_thread import CallBackThread
from PyExpLabSys.common.push_requests import PushUDPHandler
from PyExpLabSys.common.signed_commands import Signatures
from PyExpLabSys.common.socket_access import AllowList
from PyExpLabSys.common.socket_ports import refuse_served
from PyExpLabSys.common.socket_server import UdpServer
from PyExpLabSys.common.socket_wire import RequestRefused
from PyExpLabSys.settings import Settings

LOGGER = logging.getLogger(__name__)

ACTIONS = ["store_last", "enqueue", "callback_async", "callback_direct"]
RETURN_FORMATS = ("json", "raw", "string")
#: So many data sets wait in a queue that the socket makes itself; further ones are answered with an error.
QUEUE_SIZE = 10_000


class DataPushSocket(UdpServer):
    """Takes data sets, as dictionaries, from others.

    Whatever the action is, the latest data set is in ``last``, and all of them merged in ``updated``.

    Args:
        name: The name that it answers to ``name``.
        port: The UDP port, 0 for any free one.
        action: What becomes of a data set besides. ``store_last``: nothing; ``enqueue``: it is put into ``queue``;
            ``callback_async``: ``callback`` is called with it, by a thread of its own; ``callback_direct``: the socket
            calls ``callback`` with it, and what that returns is the reply.
        queue: Where data sets wait, with ``put_nowait``; None: a queue of the socket's own.
        callback: What is called with each data set.
        return_format: How the reply of ``callback_direct`` is written: ``json``, ``raw`` or ``string``.
        check_activity: Whether the status tells that nothing happens any longer.
        activity_timeout: After how many seconds.
        interface: The address to listen on; empty: all of this computer's.
        allow_from: The networks whose data sets are taken, such as ``10.0.1.0/24``; empty: nobody's. None: those of
            the setting ``socket_allow_from``, else the networks that this computer is attached to.
        secret: What signed requests are signed with, see :mod:`~PyExpLabSys.common.signed_commands`; they are taken
            from everywhere. None: the setting ``socket_secret``; without one there are no signed requests.
        signed_only: Whether data sets that are not signed are refused, whoever sends them.

    Raises:
        ValueError: The port is served by this process, or the arguments do not fit together.
        PortStillReserved: Another program has the port.
    """

    TYPE = "push"

    def __init__(
        self,
        name: str,
        port: int = 8500,
        action: str = "store_last",
        queue: Any = None,
        callback: Callable[[dict[str, Any]], Any] | None = None,
        return_format: str = "json",
        check_activity: bool = False,
        activity_timeout: float = 900,
        *,
        interface: str = "",
        allow_from: Iterable[str] | None = None,
        secret: str | None = None,
        signed_only: bool = False,
    ) -> None:
        refuse_served(port)
        _check(action, queue, callback, return_format)
        settings = Settings()
        secret = settings.get("socket_secret") if secret is None else secret
        if signed_only and secret is None:
            raise ValueError("signed_only needs a secret: as an argument, or in the setting socket_secret")
        self.allow_list = AllowList(settings.get("socket_allow_from") if allow_from is None else allow_from)
        self.signatures = None if secret is None else Signatures(secret, name)
        self.signed_only = signed_only
        self._action, self._callback, self.return_format = action, callback, return_format
        self._last: tuple[float | None, dict[str, Any] | None] = (None, None)
        self._updated: tuple[float | None, dict[str, Any]] = (None, {})
        self._queue = queue
        if queue is None and action in ("enqueue", "callback_async"):
            self._queue = Queue(QUEUE_SIZE)
        self._callback_thread: CallBackThread | None = None
        if action == "callback_async" and callback is not None:
            self._callback_thread = CallBackThread(self._queue, callback)
        command_audit.use_configured_file()
        super().__init__(name, port, PushUDPHandler(self), check_activity, activity_timeout, interface)

    @property
    def queue(self) -> Any:
        """Where the data sets wait; None with the actions ``store_last`` and ``callback_direct``."""
        return self._queue

    @property
    def last(self) -> tuple[float | None, dict[str, Any] | None]:
        """The unix time in s of the latest data set, and a copy of it; None and None before the first."""
        time_s, data = self._last
        return time_s, copy.deepcopy(data)

    @property
    def updated(self) -> tuple[float | None, dict[str, Any]]:
        """The unix time in s of the latest data set, and a copy of all of them merged."""
        time_s, data = self._updated
        return time_s, copy.deepcopy(data)

    def set_last_to_none(self) -> None:
        """Forget the latest data set."""
        self._last = (None, None)

    def clear_updated(self) -> None:
        """Forget the merged data sets."""
        self._updated = (None, {})

    def start(self) -> None:
        """Start to answer, and to call back."""
        if self._callback_thread is not None:
            self._callback_thread.start()
        super().start()

    def stop(self) -> None:
        """End the threads and free the port."""
        super().stop()
        if self._callback_thread is not None:
            self._callback_thread.stop()

    def take(self, data: Mapping[str, Any]) -> str:
        """Do with a data set what the action says, and return the reply.

        Raises:
            RequestRefused: The queue is full. The data set is taken nowhere.
        """
        reply = push_requests.acknowledgement(data)
        now_s = time.time()
        # Copies before anything is done: whoever gets one may change it.
        last, updated, handed_on = (copy.deepcopy(dict(data)) for _ in range(3))
        if self._queue is not None:
            self._enqueue(handed_on)
        self._last = (now_s, last)
        self._updated = (now_s, self._updated[1] | updated)
        self.poke()
        if self._action == "callback_direct" and self._callback is not None:
            return push_requests.call_back(self._callback, handed_on, self.return_format)
        return reply

    def state(self) -> dict[str, Any]:
        """Return the entry of this port in :data:`DATA`."""
        (last_time, last), (updated_time, updated) = self.last, self.updated
        state = super().state() | {"action": self._action, "last": last, "last_time": last_time}
        state |= {"updated": updated, "updated_time": updated_time}
        if self._queue is not None:
            state["queue"] = self._queue
        if self._callback is not None:
            state["callback"] = self._callback
        if self._action == "callback_direct":
            state["return_format"] = self.return_format
        return state

    def _enqueue(self, data: dict[str, Any]) -> None:
        try:
            self._queue.put_nowait(data)
        except Full:
            if self._repeats.count("full"):
                LOGGER.warning("%s on port %d: nobody empties the queue, it is full", self.socket_name, self.port)
            raise RequestRefused("The queue is full, the data set was not taken") from None


def _check(action: str, queue: Any, callback: Any, return_format: str) -> None:
    calls_back = action in ("callback_async", "callback_direct")
    if action not in ACTIONS:
        raise ValueError(f"Unknown action '{action}'. Must be one of: {ACTIONS}")
    if queue is not None and action != "enqueue":
        raise ValueError("The 'queue' argument can only be used when the action is 'enqueue'")
    if callback is not None and not calls_back:
        raise ValueError(
            "The 'callback' argument can only be used when the action is 'callback_async' or 'callback_direct'"
        )
    if calls_back and not callable(callback):
        raise ValueError(f"Value for callback: '{callback}' is not callable")
    if return_format not in RETURN_FORMATS:
        raise ValueError("The 'return_format' argument may only be one of the 'json', 'raw' or 'string' values")
