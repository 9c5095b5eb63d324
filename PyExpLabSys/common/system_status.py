"""How this computer does: what the sockets answer to ``status``, for those who watch over many computers.

Nothing here asks the network, and what cannot be found out is None.
"""

import logging
import os
import platform
import shlex
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import PyExpLabSys
from PyExpLabSys.common import raspberry_pi

LOGGER = logging.getLogger(__name__)

PACKAGE = Path(PyExpLabSys.__file__).resolve().parent
#: What apt writes when it fetches lists or installs something.
APT_CACHE = ("var/cache/apt/pkgcache.bin", "var/lib/apt/lists", "var/cache/apt")
UNKNOWN_MAC_ADDRESS = "MAC ADDRESS UNKNOWN"
ROUTE_IS_UP = 1


class SystemStatus:
    """Facts about this computer; each is a method.

    Args:
        machinename: The name under which it goes; None: its host name.
        root: Where the file system begins (for tests).
        repository: The checkout that this package is in.
        machines: The folder with a folder for each computer; None: ``~/machines``.
        system: The operating system, as :data:`sys.platform` has it.
    """

    def __init__(
        self,
        machinename: str | None = None,
        *,
        root: Path = Path("/"),
        repository: Path = PACKAGE.parent,
        machines: Path | None = None,
        system: str = sys.platform,
    ) -> None:
        self._machine = socket.gethostname() if machinename is None else machinename
        self._root, self._repository, self._system = root, repository, system
        # os.path.expanduser, not Path.home(): an account without home has a status too.
        self._machines = Path(os.path.expanduser("~/machines")) if machines is None else machines  # noqa: PTH111

    def complete_status(self) -> dict[str, Any]:
        """Return all items by name; elsewhere than on Linux only those of Python and git."""
        everywhere: list[Callable[[], Any]] = [
            self.last_git_fetch_unixtime,
            self.number_of_python_threads,
            self.python_version,
        ]
        on_linux: list[Callable[[], Any]] = [
            self.filesystem_usage,
            self.last_apt_cache_change_unixtime,
            self.load_average,
            self.mac_address,
            self.machine_name,
            self.max_python_mem_usage_bytes,
            self.os_version,
            self.purpose,
            self.rpi_model,
            self.rpi_temperature,
            self.sd_card_serial,
            self.uptime,
        ]
        items = everywhere + on_linux if self._system == "linux" else everywhere
        return {item.__name__: item() for item in sorted(items, key=lambda item: item.__name__)}

    def filesystem_usage(self) -> dict[str, int] | None:
        """Return size and free space of the file system that this package is on, in bytes."""
        if not hasattr(os, "statvfs"):
            return None
        usage = os.statvfs(PACKAGE)
        return {"total_bytes": usage.f_frsize * usage.f_blocks, "free_bytes": usage.f_frsize * usage.f_bavail}

    def last_apt_cache_change_unixtime(self) -> float | None:
        """Return when apt last fetched its lists or installed something, as unix time in s."""
        return _newest(self._root / path for path in APT_CACHE)

    def last_git_fetch_unixtime(self) -> dict[str, float | None]:
        """Return when git last fetched this package and the folder of machines, as unix times in s."""
        return {
            "PyExpLabSys": _newest([self._repository / ".git/FETCH_HEAD"]),
            "machines": _newest([self._machines / ".git/FETCH_HEAD"]),
        }

    def load_average(self) -> dict[str, float] | None:
        """Return the mean number of processes that wanted to run, over 1, 5 and 15 minutes."""
        text = self._read("proc/loadavg")
        return None if text is None else dict(zip(("1m", "5m", "15m"), map(float, text.split()[:3]), strict=True))

    def mac_address(self) -> str:
        """Return the address of the network card that the default route goes over, else of the first real one."""
        cards = self._root / "sys/class/net"
        names = [self._default_card()]
        if cards.is_dir():
            names += sorted(card.name for card in cards.iterdir() if (card / "device").exists())
        for name in filter(None, names):
            if address := self._read(f"sys/class/net/{name}/address"):
                return address
        return UNKNOWN_MAC_ADDRESS

    def machine_name(self) -> str:
        """Return the name of this computer."""
        return self._machine

    def max_python_mem_usage_bytes(self) -> int | None:
        """Return the most memory that this program has used, in bytes."""
        try:
            import resource
        except ImportError:
            return None
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Bytes on macOS, KiB elsewhere (man 2 getrusage).
        return most if self._system == "darwin" else most * 1024

    def number_of_python_threads(self) -> int:
        """Return how many threads this program has."""
        return threading.active_count()

    def os_version(self) -> str | None:
        """Return the version of the operating system, such as ``12 (bookworm)``."""
        for line in (self._read("etc/os-release") or "").splitlines():
            name, _, value = line.partition("=")
            if name == "VERSION":
                return " ".join(shlex.split(value)) if value.count('"') != 1 else value.strip('"')
        return None

    def purpose(self) -> dict[str, str | None]:
        """Return what this computer is for: id, purpose and long description, from its ``PURPOSE`` file."""
        try:
            text = (self._machines / self._machine / "PURPOSE").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return {"id": None, "purpose": None, "long_description": None}
        return parse_purpose(text)

    def python_version(self) -> str:
        """Return the version of Python."""
        return platform.python_version()

    def rpi_model(self) -> str | None:
        """Return which Raspberry Pi this is; None: it is none."""
        for line in (self._read("proc/cpuinfo") or "").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "Revision":
                return raspberry_pi.model(value.strip())
        return None

    def rpi_temperature(self) -> float | None:
        """Return the temperature of the processor in degC; None where there is an I2C bus.

        Reading it has crashed computers with an old firmware and an I2C bus in use.
        """
        if any((self._root / "dev").glob("i2c*")):
            return None
        text = self._read("sys/class/thermal/thermal_zone0/temp")
        return None if text is None else float(text) / 1000

    def sd_card_serial(self) -> str | None:
        """Return the identification of the SD card."""
        return self._read("sys/block/mmcblk0/device/cid")

    def uptime(self) -> dict[str, float] | None:
        """Return for how long this computer has run, and its processors had nothing to do, in s."""
        text = self._read("proc/uptime")
        return None if text is None else dict(zip(("uptime_sec", "idle_sec"), map(float, text.split()), strict=True))

    def _read(self, path: str) -> str | None:
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError as error:
            LOGGER.debug("not on this computer: %s", error)
            return None

    def _default_card(self) -> str | None:
        for line in (self._read("proc/net/route") or "").splitlines()[1:]:
            card, destination, _, flags, *_, mask, _, _, _ = line.split()
            if destination == mask == "00000000" and int(flags, 16) & ROUTE_IS_UP:
                return card
        return None


def parse_purpose(text: str) -> dict[str, str | None]:
    """Return id, purpose and long description of a ``PURPOSE`` file.

    The first line is ``id: ...``, the second ``purpose: ...``, what follows is the long description; each may be
    missing.
    """
    lines = text.strip().splitlines()
    found: dict[str, str | None] = {"id": None, "purpose": None}
    for name in found:
        if lines and lines[0].startswith(f"{name}:"):
            found[name] = lines.pop(0).partition(":")[2].strip()
    return found | {"long_description": "\n".join(lines).strip() or None}


def _newest(paths: Iterable[Path]) -> float | None:
    """Return the latest change of these, as unix time in s; None if there are none."""
    times = []
    for path in paths:
        try:
            times.append(path.stat().st_mtime)
        except OSError as error:
            LOGGER.debug("not on this computer: %s", error)
    return max(times, default=None)
