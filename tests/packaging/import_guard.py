"""Import one module in a fresh interpreter and print whatever it did beyond that: ``python import_guard.py MODULE``.

Importing reads modules, which lie on Python's own paths. Anything else, a settings file, a socket, a program, a
thread, a handler for logging, is printed, one line each, with the place that did it.
"""

import importlib
import logging
import os
import sys
import sysconfig
import threading
from types import FrameType

NEVER = {
    "os.mkdir",
    "os.putenv",
    "os.remove",
    "os.rename",
    "os.system",
    "shutil.copyfile",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "sqlite3.connect",
    "subprocess.Popen",
}
PLACES = {os.path.realpath(path) for path in [*sysconfig.get_paths().values(), sys.base_prefix, *sys.path[1:]]}
KERNEL = ("/proc/", "/sys/")

seen: list[str] = []


def is_python(path: str) -> bool:
    real = os.path.realpath(path)
    return any(real == place or real.startswith(place + os.sep) for place in PLACES)


def note(event: str, args: tuple[object, ...]) -> None:
    if event == "open" and isinstance(args[0], str | bytes):
        path, flags = os.fsdecode(args[0]), args[2]
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR) != 0
        # Libraries ask the kernel about the processor (psutil does); that is no state of this computer's user.
        if not writes and (is_python(path) or path.startswith(KERNEL)):
            return
    elif event not in NEVER:
        return
    callers: list[str] = []
    frame: FrameType | None = sys._getframe(1)  # not the traceback module, which opens the sources
    while frame is not None:
        if not frame.f_code.co_filename.startswith("<frozen"):
            callers.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        frame = frame.f_back
    seen.append(f"{event} {args} at {' < '.join(callers)}")


def main(module: str) -> int:
    sys.addaudithook(note)
    importlib.import_module(module)
    seen.extend(f"thread {thread.name}" for thread in threading.enumerate() if thread is not threading.main_thread())
    handled = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("PyExpLabSys")]
    seen.extend(f"handler of {logger.name}" for logger in [logging.root, *handled] if logger.handlers)
    print("\n".join(seen))
    return 1 if seen else 0


if __name__ == "__main__":
    del sys.path[0]  # this folder
    sys.exit(main(sys.argv[1]))
