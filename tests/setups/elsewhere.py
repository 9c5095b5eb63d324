"""Starts a script whose serial ports are elsewhere: on this computer there is no furnace.

``python elsewhere.py '{"/dev/serial/by-id/usb-oven": "/tmp/port"}' SCRIPT ARGUMENTS``: only the names of the ports are
replaced, in the one function of pyserial that opens them.
"""

import json
import runpy
import sys
from typing import Any
from unittest import mock

import serial

if __name__ == "__main__":
    ports = json.loads(sys.argv[1])
    really_open = serial.serial_for_url

    def open_elsewhere(url: str, *arguments: Any, **keywords: Any) -> Any:
        """Open the port that stands for this one."""
        return really_open(ports[url], *arguments, **keywords)

    sys.argv = sys.argv[2:]
    with mock.patch.object(serial, "serial_for_url", open_elsewhere):
        runpy.run_path(sys.argv[0], run_name="__main__")
