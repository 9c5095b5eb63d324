"""A Modbus server that is not ours: pymodbus', on a TCP port or a serial line, in a thread of its own."""

import asyncio
import os
import select
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.server.base import ModbusBaseServer
from pymodbus.simulator import DataType, SimData, SimDevice

Start = Callable[[], Awaitable[ModbusBaseServer]]


def filled_device(address: int) -> SimDevice:
    """Return a device of which each register of 0 to 199 tells its place, and every third bit is set."""
    bits = [place % 3 == 0 for place in range(200)]
    return SimDevice(
        address,
        simdata=(
            [SimData(0, values=list(bits), datatype=DataType.BITS)],
            [SimData(0, values=[not bit for bit in bits], datatype=DataType.BITS)],
            [SimData(0, values=[1000 * address + place for place in range(200)], datatype=DataType.REGISTERS)],
            [SimData(0, values=[60000 + place for place in range(200)], datatype=DataType.REGISTERS)],
        ),
    )


@contextmanager
def pymodbus_on_tcp(*devices: SimDevice, framer: FramerType) -> Iterator[int]:
    """Serve devices on a free TCP port, in the frames of TCP or of RTU."""

    async def start() -> ModbusBaseServer:
        server = ModbusTcpServer(list(devices), framer=framer, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        return server

    with _running(start) as server:
        yield server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]


@contextmanager
def pymodbus_on_serial_line(*devices: SimDevice) -> Iterator[str]:
    """Serve devices at one end of a serial line; what is returned is the port at the other end."""
    with _null_modem() as (port, other_port):

        async def start() -> ModbusBaseServer:
            server = ModbusSerialServer(list(devices), port=port, baudrate=9600)
            await server.serve_forever(background=True)
            return server

        with _running(start):
            yield other_port


@contextmanager
def _running(start: Start) -> Iterator[ModbusBaseServer]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="pymodbus")
    thread.start()

    def call(coroutine) -> ModbusBaseServer:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=10)

    async def stop(server: ModbusBaseServer) -> None:
        await server.shutdown()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        server = call(start())
        yield server
        call(stop(server))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def _null_modem() -> Iterator[tuple[str, str]]:
    """Two serial ports whose wires are crossed: what is written to one comes out of the other."""
    ends = [os.openpty(), os.openpty()]
    masters = [master for master, _ in ends]
    wake_reader, wake_writer = os.pipe()

    def carry() -> None:
        while True:
            ready, _, _ = select.select([*masters, wake_reader], [], [])
            if wake_reader in ready:
                return
            for master in ready:
                os.write(masters[1 - masters.index(master)], os.read(master, 4096))

    thread = threading.Thread(target=carry, name="null-modem")
    thread.start()
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        os.write(wake_writer, b"\0")
        thread.join()
        for descriptor in (wake_reader, wake_writer, *ends[0], *ends[1]):
            os.close(descriptor)
