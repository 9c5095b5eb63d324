"""SCPI: the exchanges of manuals, each fault of the wire and of the error queue, and each fault of earlier drivers."""

import sys
from collections.abc import Callable

import pytest

from PyExpLabSys.drivers.scpi import (
    SCPI,
    EventStatus,
    Identity,
    QueuedError,
    decode_error,
    decode_identity,
    encode,
    is_query,
)
from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    SettingsError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.scpi import SimulatedSCPI, device, serve, simulate
from PyExpLabSys.simulators.serving.base import Answer
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer
from PyExpLabSys.transport.byte_transport import ByteTransport
from tests.drivers.conftest import SerialPort, Wire
from tests.drivers.exchanges import exchanging

IDENTITY = "KEITHLEY INSTRUMENTS INC.,MODEL 2000,0597913,A20 /A02"


def lan(transport: ByteTransport) -> SCPI:
    return SCPI("lan", line_ending="\n", transport=transport)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


# ----------------------------------------------------------------------------------------------- the manuals' exchanges


@pytest.mark.parametrize(
    ("request_bytes", "reply", "ask", "value"),
    [
        pytest.param(
            b"*IDN?\n",
            IDENTITY.encode() + b"\n",
            SCPI.read_identity,
            Identity("KEITHLEY INSTRUMENTS INC.", "MODEL 2000", "0597913", "A20 /A02"),
            id="identity",
        ),
        pytest.param(
            b"*IDN?\n", IDENTITY.encode() + b"\n", SCPI.read_software_version, IDENTITY, id="identity-as-text"
        ),
        pytest.param(b"*ESR?\n", b"128\n", SCPI.read_event_status, EventStatus.POWER_ON, id="power-on"),
        pytest.param(b"SYST:ERR?\n", b'0,"No error"\n', SCPI.read_errors, [], id="no-error-keithley"),
        pytest.param(b"SYST:ERR?\n", b'+0,"No error"\n', SCPI.read_errors, [], id="no-error-agilent"),
        pytest.param(b"*RST\n", b"", SCPI.reset_device, True, id="reset"),
    ],
)
def test_exchanges_of_the_manuals(
    request_bytes: bytes, reply: bytes, ask: Callable[[SCPI], object], value: object
) -> None:
    assert ask(lan(exchanging({request_bytes: reply}))) == value


@pytest.mark.parametrize("ask", [SCPI.read_identity, SCPI.read_software_version], ids=["fields", "text"])
def test_simulator_has_that_identity(ask: Callable[[SCPI], object]) -> None:
    identity = ask(lan(simulate(clock=VirtualClock())))
    assert identity in (IDENTITY, decode_identity(IDENTITY))


def test_unknown_command_is_found_in_the_error_queue_once(clock: VirtualClock) -> None:
    instrument = lan(simulate(clock=clock))
    assert instrument.scpi_comm("NONSENSE") == ""
    assert instrument.scpi_comm("SYST:ERR?") == '-113,"Undefined header"'
    assert instrument.scpi_comm("SYST:ERR?") == '0,"No error"'
    assert instrument.read_event_status() == EventStatus.POWER_ON | EventStatus.COMMAND_ERROR
    assert instrument.read_event_status() == EventStatus(0)


def test_no_reply_within_two_seconds_and_the_link_goes_on(clock: VirtualClock) -> None:
    instrument = lan(simulate(clock=clock))
    with pytest.raises(TransportTimeoutError, match=r"NONSENSE\?.*within 2.0 s"):
        instrument.scpi_comm("NONSENSE?")
    assert clock.monotonic() == pytest.approx(2.0, abs=0.01)
    assert instrument.read_errors() == [(-113, "Undefined header")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('-113,"Undefined header"', QueuedError(-113, "Undefined header")),
        ('+803,"Not permitted with OUTPUT off"', QueuedError(803, "Not permitted with OUTPUT off")),
        ('-222,"Data out of range; 5, not 4"', QueuedError(-222, "Data out of range; 5, not 4")),
        ('-224, "A ""quoted"" word"', QueuedError(-224, 'A "quoted" word')),
    ],
)
def test_entries_of_error_queues(text: str, error: QueuedError) -> None:
    assert decode_error(text) == error


@pytest.mark.parametrize("text", ["", "0", "-113", 'x,"y"', '-113,"Undefined', "+1.0E+00"])
def test_what_is_no_entry_of_an_error_queue(text: str) -> None:
    with pytest.raises(ProtocolError):
        decode_error(text)


def test_identity_wants_four_fields() -> None:
    with pytest.raises(ProtocolError, match="four fields"):
        decode_identity("MODEL 2000,0597913,A20")


@pytest.mark.parametrize(
    ("command", "answered"),
    [
        ("*IDN?", True),
        ("SNAP? 1,2", True),
        ("MEAS? 3", True),
        ("VOLT 1;VOLT?", True),
        ("VOLT?;VOLT 1", True),
        ("VOLT 1;*OPC", False),
        ('DISP:TEXT "Why?; who?"', False),
        ("DISP:TEXT 'why?'", False),
        ("VOLT ?", False),
        ("print(1)", False),
    ],
)
def test_query_has_a_question_mark_in_a_header(command: str, answered: bool) -> None:
    assert is_query(command) == answered


@pytest.mark.parametrize("command", ["", "*IDN?\n", "VOLT 1\rVOLT 2", "VOLT 1 µV", "\x03"])
def test_what_is_no_command_is_not_sent(command: str) -> None:
    with pytest.raises(ValueError, match="no command"):
        encode(command)
    with pytest.raises(ValueError, match="no command"):
        lan(exchanging({})).scpi_comm(command)


def test_other_languages(clock: VirtualClock) -> None:
    transport = exchanging({b"print(1, 2)\n": b"1\t2\n"})
    assert lan(transport).scpi_comm("print(1, 2)", expect_return=True) == "1\t2"


def test_block_with_line_ends_in_it() -> None:
    instrument = lan(exchanging({b"CURV?\n": b"#14A\n\xff\n\n", b"*IDN?\n": b"a,b,c,d\n"}))
    assert instrument.scpi_block("CURV?") == b"A\n\xff\n"
    assert instrument.read_identity() == ("a", "b", "c", "d")


def test_long_reply_is_read_whole() -> None:
    text = ",".join([f"{number:+.8E}" for number in range(50000)])
    assert lan(exchanging({b"FETCH?\n": text.encode() + b"\n"})).scpi_comm("FETCH?") == text


def test_long_reply_that_is_torn_does_not_fill_the_log() -> None:
    with pytest.raises(TransportTimeoutError, match="800000 bytes came, the last: ") as caught:
        lan(exchanging({b"FETCH?\n": b"+1.0E+00" * 100000})).scpi_comm("FETCH?")
    assert len(str(caught.value)) < 300


# ------------------------------------------------------------------------------------------------------- error queue


def test_settings_are_checked(clock: VirtualClock) -> None:
    instrument = lan(simulate(clock=clock))
    instrument.scpi_set("*ESE 32", "*SRE 32")
    with pytest.raises(CommandRejectedError, match=r"refuses \*ESE 32; NONSENSE; \*ESE 999: -113, .*; -222, "):
        instrument.scpi_set("*ESE 32", "NONSENSE", "*ESE 999")
    assert instrument.scpi_comm("*ESE?;*SRE?") == "32;32"
    assert instrument.read_errors() == []


def test_error_from_before_is_not_laid_to_a_command(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    simulated = SimulatedSCPI()
    instrument = lan(in_memory(serve(simulated), clock=clock))
    simulated.note_error(-222)
    instrument.scpi_set("*ESE 32")
    assert "from before in the error queue: -222, Data out of range" in caplog.text


def test_queue_that_overflows_says_so(clock: VirtualClock) -> None:
    instrument = lan(simulate(clock=clock, queue_depth=3))
    for _ in range(5):
        instrument.scpi_comm("NONSENSE")
    assert [error.code for error in instrument.read_errors()] == [-113, -113, -350]


def test_queue_that_never_becomes_empty() -> None:
    with pytest.raises(ProtocolError, match="never ends"):
        lan(exchanging({b"SYST:ERR?\n": b'-350,"Queue overflow"\n'})).read_errors()


def test_queue_can_be_cleared(clock: VirtualClock) -> None:
    instrument = lan(simulate(clock=clock))
    instrument.scpi_comm("NONSENSE")
    assert instrument.scpi_comm("*STB?") == "4"
    assert instrument.clear_error_queue() == "160"
    assert instrument.read_errors() == []
    assert instrument.scpi_comm("*STB?") == "0"


# --------------------------------------------------------------------------------------------------- faults of the wire


@pytest.fixture
def faults() -> FaultySimulator:
    return FaultySimulator(device())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.SILENCE, TransportTimeoutError),
        (Fault.GARBAGE, ProtocolError),
        (Fault.HALF_A_REPLY, TransportTimeoutError),
        (Fault.LATE, TransportTimeoutError),
    ],
)
def test_fault_costs_one_answer_and_no_more(
    faults: FaultySimulator, clock: VirtualClock, fault: Fault, error: type[Exception]
) -> None:
    instrument = lan(in_memory(faults, clock=clock))
    faults.inject(fault, late_s=3.0)
    with pytest.raises(error):
        instrument.read_identity()
    assert instrument.scpi_comm("*OPC?") == "1"
    assert instrument.read_software_version() == IDENTITY


class Slow:
    """Takes its time for each answer, so that one that is late can come while the next is waited for."""

    delay_s = 1.5

    def __init__(self) -> None:
        self.instrument = device()

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        return [answer._replace(delay_s=self.delay_s) for answer in self.instrument.feed(data, now_s)]


@pytest.mark.parametrize(("timeout_s", "after_s"), [(None, 1.9), (None, 2.1), (None, 3.95), (30.0, 31.0), (30.0, 59.0)])
def test_late_answer_is_not_taken_for_another(clock: VirtualClock, timeout_s: float | None, after_s: float) -> None:
    faults = FaultySimulator(Slow())
    instrument = lan(in_memory(faults, clock=clock))
    faults.inject(Fault.LATE, late_s=after_s - Slow.delay_s)
    try:
        assert instrument.scpi_comm("*ESR?", timeout_s=timeout_s) == "128"
    except TransportTimeoutError:
        assert after_s > (timeout_s or instrument.TIMEOUT_S)
    assert instrument.scpi_comm("*OPC?") == "1"
    assert instrument.scpi_comm("*TST?") == "0"


def test_unplugged_and_plugged_in_again(faults: FaultySimulator, clock: VirtualClock) -> None:
    channel = SimulatedChannel(faults, clock=clock)
    instrument = lan(ByteTransport(channel, clock=clock))
    faults.inject(Fault.UNPLUGGED)
    for _ in range(2):
        with pytest.raises(TransportError, match="unplugged"):
            instrument.read_identity()
    channel.plug()
    assert instrument.read_software_version() == IDENTITY


# ----------------------------------------------------------------------------------------------------------- real wires


def test_over_real_wires(wire: Wire) -> None:
    with SCPI("lan", line_ending="\n", transport=wire(device())) as instrument:
        assert instrument.read_software_version() == IDENTITY
        with pytest.raises(CommandRejectedError, match="-113"):
            instrument.scpi_set("NONSENSE")
        assert instrument.scpi_comm("*ESR?;*OPC?") == "160;1"


def test_faults_over_real_wires(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCPI, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(SCPI, "LATE_S", 0.4)
    faults = FaultySimulator(device())
    instrument = lan(wire(faults))
    for fault in (Fault.SILENCE, Fault.GARBAGE, Fault.HALF_A_REPLY, Fault.LATE):
        faults.inject(fault, late_s=0.3)
        with pytest.raises(InstrumentError):
            instrument.read_identity()
        assert instrument.scpi_comm("*OPC?") == "1"
    faults.inject(Fault.UNPLUGGED)
    with pytest.raises(TransportError):
        instrument.read_identity()


def test_documented_constructors_open_their_interface_and_with_closes_it(served, serial_port: SerialPort) -> None:
    port = serial_port(device(reply_ending="\r"))
    server = served.enter_context(TcpServer(device()))
    socket_name = f"TCPIP::{server.host}::{server.port}::SOCKET"
    for open_instrument in (
        lambda: SCPI("serial", port),
        lambda: SCPI("serial", device=port, baudrate=9600, line_ending="\r"),
        lambda: SCPI("lan", "", server.port, server.host),
        lambda: SCPI("lan", hostname=server.host, tcp_port=server.port, line_ending="\n"),
        lambda: SCPI("visa", visa_string=socket_name),
        lambda: SCPI("usbtmc", visa_string=socket_name),
    ):
        with open_instrument() as instrument:
            assert instrument.read_software_version() == IDENTITY
            assert not instrument.comm_dev.closed
        with pytest.raises(TransportError, match="closed"):
            instrument.read_identity()


def test_attributes_that_other_drivers_rely_on(clock: VirtualClock) -> None:
    transport = simulate(clock=clock)
    with SCPI("lan", device="x", transport=transport) as instrument:
        assert (instrument.comm_dev, instrument.interface, instrument.device) == (transport, "lan", "x")
        assert instrument.line_ending == "\r"
    assert not transport.closed


def test_visa_serial_port(served, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCPI, "LATE_S", 0.4)
    server = served.enter_context(PtyServer(device(), tmp_path / "tty"))
    with SCPI("visa", visa_string=f"ASRL{server.link}::INSTR", line_ending="\n") as instrument:
        assert instrument.read_software_version() == IDENTITY
        with pytest.raises(TransportTimeoutError):
            instrument.scpi_comm("NONSENSE?", timeout_s=0.2)
        assert instrument.read_errors() == [(-113, "Undefined header")]


def test_visa_serial_port_loses_nothing_on_a_busy_computer(served, tmp_path) -> None:
    """A read of several bytes that ends with a time-out has lost those that it had read already."""

    class Curve(SimulatedSCPI):
        def handle(self, request: bytes, now_s: float) -> bytes:
            return b"0123456789" * 2000 + b"\n"

    server = served.enter_context(PtyServer(serve(Curve()), tmp_path / "tty"))
    with SCPI("visa", visa_string=f"ASRL{server.link}::INSTR", line_ending="\n") as instrument:
        resource = instrument.comm_dev._channel._resource  # type: ignore[attr-defined]
        # How long the library's own loop may take: as little as is left on a computer that is busy with other things.
        resource.visalib.sessions[resource.session].timeout = 0.0005
        assert instrument.scpi_comm("CURV?", timeout_s=20.0) == "0123456789" * 2000


def test_visa_reply_that_is_late(served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCPI, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(SCPI, "LATE_S", 0.6)
    faults = FaultySimulator(device())
    server = served.enter_context(TcpServer(faults))
    with SCPI("visa", visa_string=f"TCPIP::{server.host}::{server.port}::SOCKET", line_ending="\n") as instrument:
        faults.inject(Fault.LATE, late_s=0.35)
        with pytest.raises(TransportTimeoutError):
            instrument.scpi_comm("*ESR?")
        assert instrument.scpi_comm("*OPC?") == "1"


@pytest.mark.parametrize("interface", ["visa", "usbtmc"])
def test_absent_visa_library_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, interface: str) -> None:
    monkeypatch.setitem(sys.modules, "pyvisa", None)
    with pytest.raises(SettingsError, match=r"pip install PyExpLabSys\[visa\]"):
        SCPI(interface, visa_string="USB0::0x0957::0x2007::MY49000001::INSTR")
    with pytest.raises(SettingsError, match=r"pip install PyExpLabSys\[visa\]"):
        SCPI("gpib", gpib_address=16)


def test_arguments_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="not 'telnet'"):
        SCPI("telnet")
    with pytest.raises(ValueError, match="gpib_address"):
        SCPI("gpib")


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
def test_identify(ending: str, clock: VirtualClock) -> None:
    found = SCPI.identify(simulate(clock=clock, reply_ending=ending))
    assert found == "KEITHLEY INSTRUMENTS INC., MODEL 2000, 0597913, A20 /A02"


def test_identify_knows_strangers(clock: VirtualClock) -> None:
    assert SCPI.identify(simulate(clock=clock, identity="hello")) is None
    assert SCPI.identify(exchanging({b"*IDN?\n": b"", b"*IDN?\r": b""})) is None


# ---------------------------------------------------------------------------------------- faults of earlier drivers


def test_serial_time_out_is_a_time_out(clock: VirtualClock) -> None:
    """Earlier: ``ord(b"")`` raised a TypeError."""

    class Mute:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return []

    with pytest.raises(TransportTimeoutError):
        SCPI("serial", transport=in_memory(Mute(), clock=clock)).read_software_version()


@pytest.mark.parametrize("command", ["SNAP? 1,2", "MEAS? 3"])
def test_query_with_arguments_is_answered_on_serial(command: str) -> None:
    """Earlier: only a command that ends in a question mark was a query there."""
    instrument = SCPI("serial", transport=exchanging({command.encode() + b"\r": b"1.0,2.0\r"}))
    assert instrument.scpi_comm(command) == "1.0,2.0"


@pytest.mark.parametrize("interface", ["serial", "lan"])
@pytest.mark.parametrize("line_ending", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("reply_ending", ["\r\n", "\n\r"])
@pytest.mark.parametrize("apart_s", [0.0, 0.01])
def test_second_control_character_does_not_shift_replies(
    clock: VirtualClock, interface: str, line_ending: str, reply_ending: str, apart_s: float
) -> None:
    """Earlier: the other character of CR LF stayed in the buffer, and each reply was the one before."""
    if interface == "serial" and len(line_ending) == 2:
        reply_ending = line_ending

    class InTwoPieces:
        """The last character comes after the driver has what it wants, perhaps together with the next reply."""

        def __init__(self) -> None:
            self.instrument = device(reply_ending=reply_ending)

        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            pieces = []
            for answer in self.instrument.feed(data, now_s):
                assert answer.data is not None
                pieces += [Answer(0.0, answer.data[:-1]), Answer(apart_s, answer.data[-1:])]
            return pieces

    instrument = SCPI(interface, line_ending=line_ending, transport=in_memory(InTwoPieces(), clock=clock))
    for _ in range(3):
        assert instrument.scpi_comm("*OPC?") == "1"
        assert instrument.scpi_comm("*TST?") == "0"
        assert instrument.scpi_comm("*IDN?") == IDENTITY


def test_byte_255_goes_through_a_socket_as_it_is(served) -> None:
    """Earlier: telnetlib, which takes it for a command of its own, and which Python 3.13 does not have."""
    block = bytes(range(256)) * 4

    class Curve(SimulatedSCPI):
        def handle(self, request: bytes, now_s: float) -> bytes:
            return b"#41024" + block + b"\n" if request.startswith(b"CURV?") else b""

    server = served.enter_context(TcpServer(serve(Curve())))
    with SCPI("lan", hostname=server.host, tcp_port=server.port) as instrument:
        assert instrument.scpi_block("CURV?") == block
    assert "telnetlib" not in sys.modules


def test_device_clear_is_a_command_that_instruments_know(clock: VirtualClock) -> None:
    """Earlier: ``*abort``, which every instrument answers with error -113."""
    instrument = lan(simulate(clock=clock))
    assert instrument.device_clear() is True
    assert instrument.read_errors() == []
    instrument.scpi_comm("*abort")
    assert instrument.read_errors() == [(-113, "Undefined header")]


@pytest.mark.parametrize("interface", ["file", "serial", "lan", "usbtmc", "gpib", "visa"])
def test_replies_are_stripped_on_every_interface_and_settings_return_nothing(interface: str) -> None:
    """Earlier: some replies had their line end and some had not, and on one interface a setting returned a text."""
    sent_ending = b"" if interface == "file" else b"\n"
    replies = {b"*IDN?" + sent_ending: b" a,b,c,d \n", b"*CLS" + sent_ending: b""}
    instrument = SCPI(interface, line_ending="\n", transport=exchanging(replies))
    assert instrument.scpi_comm("*IDN?") == "a,b,c,d"
    assert instrument.scpi_comm("*CLS") == ""
