"""The IPv4 networks that this computer is attached to: those of its own addresses."""

import ctypes
import ipaddress
import logging
import os
import platform
import socket

LOGGER = logging.getLogger(__name__)

LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")


class _Interface(ctypes.Structure):
    """The beginning of ``struct ifaddrs``, which Linux, macOS and the BSDs have in common."""


_Interface._fields_ = (
    ("next", ctypes.POINTER(_Interface)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
    ("netmask", ctypes.c_void_p),
)


def attached_networks() -> list[ipaddress.IPv4Network]:
    """Return the networks of this computer's addresses, as of now; the loopback network is always among them."""
    pairs = _from_psutil() if platform.system() == "Windows" else _from_system()
    networks = {ipaddress.IPv4Network(f"{address}/{netmask}", strict=False) for address, netmask in pairs}
    return sorted(networks | {LOOPBACK})


def _from_system() -> list[tuple[str, str]]:
    """Return each IPv4 address and its netmask (``man 3 getifaddrs``)."""
    system = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_Interface)()
    if system.getifaddrs(ctypes.byref(first)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"the addresses of this computer cannot be listed: {os.strerror(code)}")
    pairs = []
    try:
        interface = first
        # A pointer is false when it is null.
        while bool(interface):
            address, netmask = interface.contents.address, interface.contents.netmask
            if address and netmask and _family(address) == socket.AF_INET:
                pairs.append((_text(address), _text(netmask)))
            interface = interface.contents.next
    finally:
        system.freeifaddrs(first)
    return pairs


def _family(sockaddr: int) -> int:
    # Linux: two bytes; the BSDs and macOS: a byte for the length, and then one.
    if platform.system() == "Linux":
        return ctypes.c_uint16.from_address(sockaddr).value
    return ctypes.c_uint8.from_address(sockaddr + 1).value


def _text(sockaddr: int) -> str:
    # The BSDs and macOS leave out the zeros at the end of a netmask, and tell the length in the first byte.
    size = 8 if platform.system() == "Linux" else ctypes.c_uint8.from_address(sockaddr).value
    return socket.inet_ntoa(ctypes.string_at(sockaddr + 4, min(4, max(0, size - 4))).ljust(4, b"\0"))


def _from_psutil() -> list[tuple[str, str]]:
    try:
        import psutil
    except ImportError:
        LOGGER.warning(
            "the networks of this computer are unknown, so only itself counts as attached: "
            "pip install PyExpLabSys[cli], or name the networks in the setting socket_allow_from"
        )
        return []
    return [
        (address.address, address.netmask)
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and address.netmask
    ]
