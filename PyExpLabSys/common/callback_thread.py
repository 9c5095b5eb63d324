"""A thread that calls a function with what comes out of a queue."""

import logging
import threading
from collections.abc import Callable
from queue import Empty
from typing import Any

LOGGER = logging.getLogger(__name__)

#: How long the thread waits for something to come, before it looks whether it shall end, in s.
LOOK_S = 0.5
#: How long ``stop`` waits for a call that is at work, in s.
STOP_TIMEOUT_S = 5.0


class CallBackThread(threading.Thread):
    """Calls a function with each item of a queue, in order; a daemon thread.

    An exception of the function is logged, and the next item is handled.

    Args:
        queue: Where the items come from.
        callback: What is called with each.
    """

    def __init__(self, queue: Any, callback: Callable[[Any], Any]) -> None:
        super().__init__(name="callbacks of a push socket", daemon=True)
        self._queue, self._callback = queue, callback
        self._stopping = threading.Event()

    def run(self) -> None:
        """Call until stopped."""
        while not self._stopping.is_set():
            try:
                item = self._queue.get(timeout=LOOK_S)
            except Empty:
                continue
            self._call(item)

    def stop(self) -> None:
        """End the thread within about a second; a call that is at work is waited for 5 s.

        What is still in the queue is not called any more: who stops means it.
        """
        self._stopping.set()
        if self.is_alive() and self is not threading.current_thread():
            self.join(STOP_TIMEOUT_S)
        if left := self._queue.qsize():
            LOGGER.warning("stopped with %d commands in the queue, which were acknowledged and not carried out", left)

    def _call(self, item: Any) -> None:
        try:
            self._callback(item)
        # SystemExit as well: in a thread it would end this thread only, without a word.
        except (Exception, SystemExit):
            LOGGER.exception("the callback failed with %r; the next one is handled", item)
