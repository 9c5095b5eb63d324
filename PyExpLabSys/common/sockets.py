"""UDP sockets between programs: publish values, take data and commands, feed the live pages.

Importing it needs no settings, reads no file and opens nothing.
"""

from PyExpLabSys.common.callback_thread import CallBackThread
from PyExpLabSys.common.live_socket import LiveSocket
from PyExpLabSys.common.pull_sockets import CommonDataPullSocket, DataPullSocket, DateDataPullSocket, PullUDPHandler
from PyExpLabSys.common.push_requests import PushUDPHandler
from PyExpLabSys.common.push_sockets import DataPushSocket
from PyExpLabSys.common.socket_ports import DATA, PortStatus, socket_server_status
from PyExpLabSys.common.socket_server import PortStillReserved
from PyExpLabSys.common.socket_wire import (
    BAD_CHARS,
    OLD_DATA,
    PUSH_ACK,
    PUSH_ERROR,
    PUSH_EXCEP,
    PUSH_RET,
    TYPE_FROM_STRING,
    UNKNOWN_COMMAND,
    bool_translate,
)

__all__ = [
    "BAD_CHARS",
    "DATA",
    "OLD_DATA",
    "PUSH_ACK",
    "PUSH_ERROR",
    "PUSH_EXCEP",
    "PUSH_RET",
    "TYPE_FROM_STRING",
    "UNKNOWN_COMMAND",
    "CallBackThread",
    "CommonDataPullSocket",
    "DataPullSocket",
    "DataPushSocket",
    "DateDataPullSocket",
    "LiveSocket",
    "PortStatus",
    "PortStillReserved",
    "PullUDPHandler",
    "PushUDPHandler",
    "bool_translate",
    "socket_server_status",
]
