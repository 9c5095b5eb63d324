"""A folder for the data of test servers, gone with the process that made it, however that ends."""

import atexit
import functools
import os
import subprocess
import tempfile
from pathlib import Path

# Unlike /tmp, /var/tmp is never in memory; and it is short: the path of a Unix socket may have 107 bytes.
BASE_FOLDER = os.environ.get("TMPDIR", "/var/tmp")
PID_FILE = "process"
CLEAN_TIMEOUT_S = 60.0
# Reading ends when the process that holds the other end of the pipe closes it or dies, be it by SIGKILL. A server that
# was just killed may still be writing, so that one removal may fail.
CLEANER = f"""
read -r _
for file in "$1"/*/{PID_FILE}; do
    [ -e "$file" ] && kill -9 "$(cat "$file")"
done
for attempt in 1 2 3 4 5; do
    rm -rf "$1" && break
    sleep 0.2
done
"""


@functools.cache
def work_folder() -> Path:
    """Return this process's folder; in the end, the servers whose pids stand in ``*/process`` are killed."""
    folder = Path(tempfile.mkdtemp(prefix="mdb-", dir=BASE_FOLDER))
    cleaner = subprocess.Popen(
        ["/bin/sh", "-c", CLEANER, "cleaner", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Out of reach of a Ctrl-C.
        process_group=0,
    )
    atexit.register(_clean, cleaner, os.getpid())
    return folder


def _clean(cleaner: "subprocess.Popen[bytes]", owner_pid: int) -> None:
    if os.getpid() == owner_pid:  # not a process that was forked from it
        cleaner.communicate(timeout=CLEAN_TIMEOUT_S)
