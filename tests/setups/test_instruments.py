"""The instrument as a script has it: opened when it is there, opened again when it was gone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from PyExpLabSys.drivers.host_sensors import HostSensors
from PyExpLabSys.drivers.omega_cn7800 import CN7800
from PyExpLabSys.drivers.omega_cni import ISeries
from PyExpLabSys.errors import (
    InstrumentError,
    ProtocolError,
    SettingsError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.setups import Setup, instruments
from PyExpLabSys.simulators import omega_cn7800, omega_cni
from PyExpLabSys.simulators.serving.base import SharedLine
from PyExpLabSys.simulators.serving.tcp import TcpServer
from tests.setups.instruments import Bench, BenchInstrument
from tests.setups.waiting import wait_for


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def setup() -> Setup:
    return Setup("dummy")


@pytest.fixture
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "FIRST_RETRY_S", 0.0)
    monkeypatch.setattr(instruments, "LONGEST_RETRY_S", 0.0)


def opened(setup: Setup, *arguments: Any, simulated: bool = False, **keywords: Any) -> Any:
    proxy = setup.instrument(*arguments, **keywords)
    setup.inventory.enable(simulated=simulated)
    return proxy


def test_it_is_opened_by_its_first_call_and_closed_with_the_setup(setup: Setup, bench: Bench) -> None:
    instrument = opened(setup, BenchInstrument, bench)
    assert bench.opened == 0
    assert instrument.read_value() == 1.0
    assert instrument.read_channel(7) == 7
    assert bench.opened == 1
    setup.inventory.close()
    assert bench.closed == 1


def test_before_the_setup_runs_nobody_knows_whether_it_is_simulated(setup: Setup, bench: Bench) -> None:
    instrument = setup.instrument(BenchInstrument, bench)
    with pytest.raises(InstrumentError, match=r"opens its instruments when it runs.*prepare="):
        instrument.read_value()
    assert bench.opened == 0


@pytest.mark.parametrize("name", ["read_valu", "port", "model", "_bench"])
def test_what_is_no_method_is_known_before_the_night(setup: Setup, bench: Bench, name: str) -> None:
    with pytest.raises(AttributeError, match=f"BenchInstrument has no method '{name}'"):
        getattr(setup.instrument(BenchInstrument, bench), name)


@pytest.mark.parametrize("arguments", [(), (1, 2, 3)])
def test_wrong_arguments_are_known_before_the_night(setup: Setup, arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError, match=r"BenchInstrument: .*; its arguments are bench"):
        setup.instrument(BenchInstrument, *arguments)


def test_an_instrument_that_is_not_there_is_tried_less_and_less(setup: Setup, bench: Bench) -> None:
    instrument = opened(setup, BenchInstrument, bench)
    bench.there = False
    for _ in range(3):
        with pytest.raises(TransportError, match="bench is not there"):
            instrument.read_value()
        bench.there = True  # but it is not yet time to try again
    assert bench.opened == 0


@pytest.mark.usefixtures("no_back_off")
def test_one_that_was_gone_is_opened_again_and_prepared_again(setup: Setup, bench: Bench) -> None:
    prepared: list[object] = []
    instrument = opened(setup, BenchInstrument, bench, prepare=prepared.append)
    instrument.read_value()
    bench.fail(TransportError("unplugged"))
    with pytest.raises(TransportError, match="unplugged"):
        instrument.read_value()
    assert (bench.opened, bench.closed) == (1, 1)
    bench.read = lambda: 2.0
    assert instrument.read_value() == 2.0
    assert bench.opened == len(prepared) == 2


@pytest.mark.usefixtures("no_back_off")
def test_one_time_out_is_no_reason_to_open_it_again_but_three_are(setup: Setup, bench: Bench) -> None:
    instrument = opened(setup, BenchInstrument, bench)
    instrument.read_value()
    bench.fail(TransportTimeoutError("silent"))
    for attempt in range(3):
        assert bench.closed == 0, attempt
        with pytest.raises(TransportTimeoutError):
            instrument.read_value()
    assert bench.closed == 1


def test_one_that_never_answered_is_asked_less_and_less(setup: Setup, bench: Bench) -> None:
    asked: list[None] = []

    def silent() -> None:
        asked.append(None)
        raise TransportTimeoutError("silent")

    bench.read = silent
    instrument = opened(setup, BenchInstrument, bench)
    for _ in range(5):
        with pytest.raises(TransportTimeoutError, match="silent"):
            instrument.read_value()
    assert len(asked) == 1


@pytest.mark.parametrize("error", [ProtocolError("garbled"), ZeroDivisionError()])
def test_other_errors_leave_it_open(setup: Setup, bench: Bench, error: Exception) -> None:
    instrument = opened(setup, BenchInstrument, bench)
    bench.fail(error)
    for _ in range(5):
        with pytest.raises(type(error)):
            instrument.read_value()
    assert (bench.opened, bench.closed) == (1, 0)


def test_one_whose_preparation_fails_is_closed_again(setup: Setup, bench: Bench) -> None:
    def prepare(_: object) -> None:
        raise ProtocolError("not ready")

    with pytest.raises(ProtocolError, match="not ready"):
        opened(setup, BenchInstrument, bench, prepare=prepare).read_value()
    assert (bench.opened, bench.closed) == (1, 1)


def test_a_method_in_a_partial_belongs_to_its_instrument(setup: Setup, bench: Bench) -> None:
    instrument = setup.instrument(BenchInstrument, bench)
    setup.log("a", instrument.read_value, every=1.0)
    setup.log("b", partial(instrument.read_channel, 2), every=1.0)
    setup.log("c", lambda: 1.0, every=1.0)
    first, second, third = (measurement.instrument for measurement in setup.inventory.measurements)
    assert first is second
    assert first is not None
    assert third is None


def test_simulated_on_request_of_the_script(setup: Setup) -> None:
    oven = opened(setup, ISeries, "/dev/not-there", simulate=True)
    assert -50.0 < oven.read_temperature() < 150.0
    setup.inventory.close()


def test_simulated_all_at_once_with_the_options_that_the_simulator_knows(setup: Setup) -> None:
    line = setup.line("/dev/not-there", parity="E")
    first, second = (setup.instrument(CN7800, line=line, address=address) for address in (1, 2))
    setup.inventory.enable(simulated=True)
    assert -50.0 < first.read_temperature() < 150.0
    assert -50.0 < second.read_temperature() < 150.0
    setup.inventory.close()


def test_a_simulated_oven_keeps_its_setpoint_when_it_is_opened_again(setup: Setup) -> None:
    oven = opened(setup, ISeries, "/dev/not-there", simulate=True)
    oven.set_setpoint(50.0)
    (managed,) = setup.inventory._instruments
    managed._forget(managed._session)
    assert oven.read_setpoint() == 50.0
    setup.inventory.close()


def test_the_computer_itself_needs_no_simulator(setup: Setup) -> None:
    assert 0.0 < opened(setup, HostSensors, simulated=True).read_memory_used() < 100.0


def test_a_driver_without_a_simulator_is_named(setup: Setup) -> None:
    class LabsOwn:
        def __init__(self, *, transport: object = None) -> None: ...

    setup.instrument(LabsOwn)
    with pytest.raises(SettingsError, match=r"LabsOwn cannot be simulated: there is no module .*test_instruments"):
        setup.inventory.enable(simulated=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda setup, line: setup.instrument(HostSensors, line=line), "takes no transport"),
        (lambda setup, line: setup.instrument(CN7800, 3, line=line), "by name"),
        (lambda setup, line: setup.instrument(CN7800, line=line, port="/dev/ttyUSB0"), "by name"),
    ],
    ids=["no transport", "by position", "port as well"],
)
def test_what_cannot_be_on_a_line_is_refused(setup: Setup, make: Callable[..., object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(setup, setup.line("/dev/ttyUSB0"))


def test_instruments_share_a_line_and_all_come_back_after_it_was_gone(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "FIRST_RETRY_S", 0.05)
    devices = [omega_cni.device(address=address, temperature_degc=20.0 + address) for address in (1, 2)]
    with TcpServer(SharedLine(*devices)) as server:
        line = setup.line(server.url, timeout_s=0.3)
        ovens = [setup.instrument(ISeries, line=line, comm_stnd="rs485") for _ in devices]
        setup.inventory.enable(simulated=False)
        assert [oven.read_temperature(address) for address, oven in enumerate(ovens, 1)] == [
            pytest.approx(21.0, abs=1.0),
            pytest.approx(22.0, abs=1.0),
        ]
        server.unplug()
        for address, oven in enumerate(ovens, 1):
            with pytest.raises(TransportError):
                oven.read_temperature(address)
        server.plug()

        def come_back() -> bool:
            try:
                return all(oven.read_temperature(address) > 0.0 for address, oven in enumerate(ovens, 1))
            except TransportError:
                return False

        wait_for(come_back, "reading both again")
        setup.inventory.close()


def test_instruments_on_a_modbus_line_share_its_silences(setup: Setup) -> None:
    devices = [omega_cn7800.device(address=address, temperature_degc=20.0 + address) for address in (1, 2)]
    with TcpServer(SharedLine(*devices)) as server:
        line = setup.line(server.url, timeout_s=1.0)
        first, second = (setup.instrument(CN7800, line=line, address=address) for address in (1, 2))
        setup.inventory.enable(simulated=False)
        assert first.read_temperature() == pytest.approx(21.0, abs=1.0)
        assert second.read_temperature() == pytest.approx(22.0, abs=1.0)
        assert line.transport(modbus=True) is line.transport(modbus=True)
        setup.inventory.close()
