"""The status of the computer, from recorded trees of /proc, /sys and /etc; each item that was wrong, and right now."""

import os
import resource
import socket
import threading
from pathlib import Path

import pytest

from PyExpLabSys.common import raspberry_pi
from PyExpLabSys.common.system_status import SystemStatus, parse_purpose

ROUTES = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "wlan0\t0001000A\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"
    "wlan0\t00000000\t0101000A\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
)
KEYS_ON_LINUX = [
    *("filesystem_usage", "last_apt_cache_change_unixtime", "last_git_fetch_unixtime", "load_average", "mac_address"),
    *("machine_name", "max_python_mem_usage_bytes", "number_of_python_threads", "os_version", "purpose"),
    *("python_version", "rpi_model", "rpi_temperature", "sd_card_serial", "uptime"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A Raspberry Pi with a wired and a wireless card, which runs for 3 hours."""
    files = {
        "proc/uptime": "10800.25 40000.5\n",
        "proc/loadavg": "0.25 0.50 0.75 1/234 5678\n",
        "proc/cpuinfo": "processor\t: 0\n\nHardware\t: BCM2835\nRevision\t: c03114\nSerial\t\t: 1000\n",
        "proc/net/route": ROUTES,
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION="12 (bookworm)"\n',
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/block/mmcblk0/device/cid": "035344535733324780aabbccdd012300\n",
        "sys/class/net/eth0/address": "dc:a6:32:00:00:01\n",
        "sys/class/net/eth0/device/uevent": "",
        "sys/class/net/wlan0/address": "dc:a6:32:00:00:02\n",
        "sys/class/net/wlan0/device/uevent": "",
        "sys/class/net/lo/address": "00:00:00:00:00:00\n",
        "var/cache/apt/pkgcache.bin": "",
        "repository/.git/FETCH_HEAD": "",
        "machines/.git/FETCH_HEAD": "",
        "machines/rasppi12/PURPOSE": "id: furnace\npurpose: Logs the furnace\nIt stands\nin room 7\n",
    }
    for name, text in files.items():
        path = tmp_path / "pi" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (tmp_path / "pi/dev").mkdir()
    for name, time_s in {
        "var/cache/apt/pkgcache.bin": 2000.5,
        "var/cache/apt": 1000.0,
        "proc/uptime": 9000.0,
        "repository/.git/FETCH_HEAD": 3000.5,
        "machines/.git/FETCH_HEAD": 4000.5,
    }.items():
        os.utime(tmp_path / "pi" / name, (time_s, time_s))
    return tmp_path / "pi"


def status(root: Path, **arguments: str) -> SystemStatus:
    return SystemStatus("rasppi12", root=root, repository=root / "repository", machines=root / "machines", **arguments)


def test_all_items_of_a_raspberry_pi(root: Path) -> None:
    complete = status(root).complete_status()
    assert list(complete) == KEYS_ON_LINUX
    usage, memory = complete.pop("filesystem_usage"), complete.pop("max_python_mem_usage_bytes")
    assert 0 <= usage["free_bytes"] < usage["total_bytes"]
    assert memory > 0
    assert complete == {
        "last_apt_cache_change_unixtime": 2000.5,
        "last_git_fetch_unixtime": {"PyExpLabSys": 3000.5, "machines": 4000.5},
        "load_average": {"1m": 0.25, "5m": 0.5, "15m": 0.75},
        "mac_address": "dc:a6:32:00:00:02",
        "machine_name": "rasppi12",
        "number_of_python_threads": threading.active_count(),
        "os_version": "12 (bookworm)",
        "purpose": {
            "id": "furnace",
            "purpose": "Logs the furnace",
            "long_description": "It stands\nin room 7",
        },
        "python_version": ".".join(map(str, __import__("sys").version_info[:3])),
        "rpi_model": "4B Rev 1.4, 4096 MB",
        "rpi_temperature": 48.312,
        "sd_card_serial": "035344535733324780aabbccdd012300",
        "uptime": {"uptime_sec": 10800.25, "idle_sec": 40000.5},
    }


def test_elsewhere_there_are_only_the_items_of_python_and_git(root: Path) -> None:
    expected = ["last_git_fetch_unixtime", "number_of_python_threads", "python_version"]
    assert list(status(root, system="darwin").complete_status()) == expected


def test_a_computer_that_has_none_of_it_has_a_status_too(tmp_path: Path) -> None:
    complete = status(tmp_path).complete_status()
    assert list(complete) == KEYS_ON_LINUX
    for name in KEYS_ON_LINUX:
        if name in ("load_average", "os_version", "rpi_model", "rpi_temperature", "sd_card_serial", "uptime"):
            assert complete[name] is None
    assert complete["last_apt_cache_change_unixtime"] is None
    assert complete["last_git_fetch_unixtime"] == {"PyExpLabSys": None, "machines": None}
    assert complete["mac_address"] == "MAC ADDRESS UNKNOWN"
    assert complete["purpose"] == {"id": None, "purpose": None, "long_description": None}


def test_the_change_of_apt_is_not_the_time_of_boot(root: Path) -> None:
    assert status(root).last_apt_cache_change_unixtime() == 2000.5
    (root / "var/lib/apt/lists").mkdir(parents=True)
    os.utime(root / "var/lib/apt/lists", (5000.0, 5000.0))
    assert status(root).last_apt_cache_change_unixtime() == 5000.0


def test_the_memory_is_in_bytes_where_the_kernel_counts_kib(monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        ru_maxrss = 20_000

    monkeypatch.setattr(resource, "getrusage", lambda _: Usage)
    assert SystemStatus(system="linux").max_python_mem_usage_bytes() == 20_000 * 1024
    assert SystemStatus(system="darwin").max_python_mem_usage_bytes() == 20_000


def test_the_mac_address_is_found_without_the_network(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the status asked the network")

    for name in ("socket", "gethostbyname", "getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    assert status(root).complete_status()["mac_address"] == "dc:a6:32:00:00:02"
    (root / "proc/net/route").write_text(ROUTES.splitlines()[0])  # no default route: the first real card
    assert status(root).mac_address() == "dc:a6:32:00:00:01"


def test_the_temperature_is_not_read_where_there_is_an_i2c_bus(root: Path) -> None:
    (root / "dev/i2c-1").touch()
    assert status(root).rpi_temperature() is None


@pytest.mark.parametrize(
    ("text", "version"),
    [('VERSION="12 (bookworm)"', "12 (bookworm)"), ("VERSION=12", "12"), ('VERSION="12', "12"), ("NAME=x", None)],
)
def test_the_version_of_the_system_with_quotes_and_without(root: Path, text: str, version: str | None) -> None:
    (root / "etc/os-release").write_text(text)
    assert status(root).os_version() == version


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        ("", (None, None, None)),
        ("\n\n", (None, None, None)),
        ("id: furnace", ("furnace", None, None)),
        ("id: furnace\npurpose: Logs it\n", ("furnace", "Logs it", None)),
        ("id: furnace\nLogs it\nin room 7", ("furnace", None, "Logs it\nin room 7")),
        ("Logs the furnace", (None, None, "Logs the furnace")),
        ("Logs the furnace\nid: x\n", (None, None, "Logs the furnace\nid: x")),
    ],
)
def test_a_purpose_file_of_any_form_is_read(text: str, purpose: tuple[str | None, ...]) -> None:
    assert tuple(parse_purpose(text).values()) == purpose
    assert list(parse_purpose(text)) == ["id", "purpose", "long_description"]


@pytest.mark.parametrize(
    ("revision", "model"),
    [
        ("0002", "B Rev 1.0, 256 MB"),
        ("000e", "B Rev 2.0, 512 MB"),
        ("1000010", "B+ Rev 1.2, 512 MB"),
        ("900093", "Zero Rev 1.3, 512 MB"),
        ("a02082", "3B Rev 1.2, 1024 MB"),
        ("a020d3", "3B+ Rev 1.3, 1024 MB"),
        ("902120", "Zero 2 W Rev 1.0, 512 MB"),
        ("c03114", "4B Rev 1.4, 4096 MB"),
        ("d04170", "5 Rev 1.0, 8192 MB"),
        ("9000f0", "Undefined revision"),
        ("0099", "Undefined revision"),
        ("unknown", "Undefined revision"),
    ],
)
def test_the_model_of_a_raspberry_pi(revision: str, model: str) -> None:
    assert raspberry_pi.model(revision) == model
