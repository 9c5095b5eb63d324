"""SCPI with programs of others: pymeasure and plain PyVISA on our simulators, PyVISA-sim on our drivers."""

import warnings
from contextlib import ExitStack
from pathlib import Path

import pytest
import pyvisa

from PyExpLabSys.drivers.agilent_34972A import Agilent34972ADriver
from PyExpLabSys.errors import CommandRejectedError, TransportTimeoutError
from PyExpLabSys.simulators.agilent_34972A import device
from PyExpLabSys.simulators.serving.base import ByteSimulator
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer
from PyExpLabSys.transport.visa_channel import open_visa

INPUTS = {101: 4.2715e-3, 102: 1.3213e-3, 103: -2.615e-2}
READINGS = [0.0042715, 0.0013213, -0.02615]
IDENTITY = "Agilent Technologies,34972A,MY49000001,1.16-12-02-01"
PEER = f"{Path(__file__).with_name('simulated_34972A.yaml')}@sim"


@pytest.fixture(params=["serial", "socket"])
def resource(request: pytest.FixtureRequest, served: ExitStack, tmp_path: Path) -> str:
    """The VISA name of a simulated unit, on each kind of wire in turn."""
    simulator: ByteSimulator = device(inputs=INPUTS)
    if request.param == "serial":
        return f"ASRL{served.enter_context(PtyServer(simulator, tmp_path / 'tty')).link}::INSTR"
    server = served.enter_context(TcpServer(simulator))
    return f"TCPIP::{server.host}::{server.port}::SOCKET"


def test_plain_pyvisa_on_our_simulator(resource: str, served: ExitStack) -> None:
    manager = pyvisa.ResourceManager("@py")
    unit = manager.open_resource(resource, read_termination="\n", write_termination="\n", open_timeout=2000)
    served.callback(manager.close)
    served.callback(unit.close)
    assert isinstance(unit, pyvisa.resources.MessageBasedResource)
    assert unit.query("*IDN?") == IDENTITY
    unit.write("ROUT:SCAN (@101:103)")
    assert unit.query_binary_values("ROUT:SCAN?", datatype="s", container=bytes) == b"(@101,102,103)"
    unit.write("INIT")
    assert unit.query_ascii_values("FETCH?") == READINGS
    unit.write("NONSENSE")
    assert unit.query("SYST:ERR?") == '-113,"Undefined header"'


def test_pymeasure_on_our_simulator(resource: str, served: ExitStack) -> None:
    # Of all units of this maker it has the 34401A, of which ours knows the commands for triggers and readings.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own libraries, and that it does not know whether this is SCPI
        from pymeasure.instruments.hp import HP34401A

        unit = HP34401A(resource, visa_library="@py", read_termination="\n", write_termination="\n", open_timeout=2000)
    served.callback(unit.adapter.close)
    assert unit.id == IDENTITY
    unit.reset()
    unit.clear()
    assert unit.complete == "1"
    unit.write("CONF:VOLT:DC 10,3E-6,(@101:103)")
    assert unit.values("ROUT:SCAN:SIZE?") == [3]
    unit.trigger_source = "BUS"
    assert unit.trigger_source == "BUS"
    unit.trigger_source = "IMM"
    assert unit.reading == READINGS
    unit.init_trigger()
    assert unit.values("FETCH?") == READINGS
    assert unit.check_errors() == []
    unit.write("NONSENSE")
    unit.write("TRIG:TIM -1")
    assert unit.status == "4"
    assert [int(code) for code, _ in unit.check_errors()] == [-113, -222]
    assert unit.status == "0"


@pytest.mark.parametrize(
    "name", ["USB0::0x0957::0x2007::MY49000001::INSTR", "GPIB0::9::INSTR", "TCPIP0::192.0.2.7::inst0::INSTR"]
)
def test_our_driver_on_pyvisa_sim(name: str, served: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agilent34972ADriver, "LATE_S", 0.4)
    transport = open_visa(name, backend=PEER)
    served.callback(transport.close)
    unit = Agilent34972ADriver("visa", transport=transport)
    assert unit.read_software_version() == IDENTITY
    assert unit.set_scan_list([101, 102, 103]) is True
    assert unit.read_scan_list() == ["101", "102", "103"]
    assert unit.read_single_scan() == READINGS
    assert [setting.nplc for setting in unit.read_channel_configurations()] == [1.0, 10.0, 1.0]
    unit.set_scan_interval(12.5)
    assert unit.read_scan_interval() == 12.5
    with pytest.raises(CommandRejectedError, match="-113"):
        unit.set_scan_list([201])
    with pytest.raises(TransportTimeoutError):
        unit.scpi_comm("NONSENSE?", timeout_s=0.2)
    assert unit.read_software_version() == IDENTITY
