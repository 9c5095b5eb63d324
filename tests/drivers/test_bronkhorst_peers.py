"""The maker's own library against the simulated Bronkhorst: another reading of the same manual."""

from collections.abc import Callable
from contextlib import ExitStack, suppress

import propar
import pytest

from PyExpLabSys.drivers.bronkhorst import Bronkhorst
from PyExpLabSys.simulators.bronkhorst import device
from PyExpLabSys.simulators.serving.base import SharedLine
from PyExpLabSys.transport.propar import Kind, Parameter, Value, decode_values, encode_read, encode_write
from tests.drivers.conftest import SerialPort


class EndingMaster(propar.master):  # type: ignore[misc]
    """The library's master, in its ASCII mode, with two threads that end; those of the library never do."""

    def __init__(self, port: str) -> None:
        super().__init__(port, 38400)
        self.propar.mode = propar.PP_MODE_ASCII
        # The answers are there at once; a busy machine makes them late.
        self.response_timeout = 5.0

    def _master__message_handler_task(self) -> None:
        with suppress(SystemExit):
            super()._master__message_handler_task()

    def end(self) -> None:
        def no_more_messages() -> None:
            raise SystemExit

        self.propar.run = False
        self.propar.serial_read_thread.join()
        self.propar.read_propar_message = no_more_messages
        self.msg_handler_thread.join()
        self.propar.serial.close()


Connect = Callable[[str], EndingMaster]


@pytest.fixture
def connect(served: ExitStack) -> Connect:
    def to(port: str) -> EndingMaster:
        master = EndingMaster(port)
        served.callback(master.end)
        return master

    return to


@pytest.fixture
def master(connect: Connect, serial_port: SerialPort) -> EndingMaster:
    return connect(serial_port(device(flow=1.25, setpoint=2.5, time_constant_s=1e9)))


@pytest.mark.parametrize(
    ("process", "number", "kind", "value"),
    [
        pytest.param(1, 0, propar.PP_TYPE_BSINT16, 8000, id="measure"),
        pytest.param(1, 1, propar.PP_TYPE_INT16, 16000, id="setpoint"),
        pytest.param(1, 4, propar.PP_TYPE_INT8, 0, id="control-mode"),
        pytest.param(1, 13, propar.PP_TYPE_FLOAT, 5.0, id="capacity"),
        pytest.param(1, 17, propar.PP_TYPE_STRING, "N2", id="fluid"),
        pytest.param(1, 31, propar.PP_TYPE_STRING, "mln/min", id="capacity-unit"),
        pytest.param(33, 0, propar.PP_TYPE_FLOAT, 1.25, id="fmeasure"),
        pytest.param(33, 3, propar.PP_TYPE_FLOAT, 2.5, id="fsetpoint"),
        pytest.param(33, 7, propar.PP_TYPE_FLOAT, 25.25, id="temperature"),
        pytest.param(113, 3, propar.PP_TYPE_STRING, "M12345678A", id="serial-number"),
        pytest.param(1, 2, propar.PP_TYPE_INT16, None, id="not-there"),
    ],
)
def test_reads(master: EndingMaster, process: int, number: int, kind: int, value: object) -> None:
    assert master.read(0x80, process, number, kind) == value


def test_its_database_has_the_types_of_our_parameters(master: EndingMaster) -> None:
    """By the numbers that the maker's programs give to parameters, as its users know them."""
    read = {}
    for number in (8, 9, 12, 21, 25, 129, 142, 205, 206, 122, 92, 115):
        parameter = master.db.get_parameter(number)
        (answer,) = master.read_parameters([{**parameter, "node": 3}])
        assert answer["status"] == propar.PP_STATUS_OK
        read[number] = answer["data"]
    assert read.pop(122) == pytest.approx(0.02, abs=0.5)
    assert read == {
        8: 8000,
        9: 16000,
        12: 0,
        21: 5.0,
        25: "N2",
        129: "mln/min",
        142: 25.25,
        205: 1.25,
        206: 2.5,
        92: "M12345678A",
        115: "USERTAG",
    }


def test_reads_a_chain(master: EndingMaster) -> None:
    asked = [
        (113, 3, propar.PP_TYPE_STRING),
        (113, 6, propar.PP_TYPE_STRING),
        (1, 0, propar.PP_TYPE_INT16),
        (1, 13, propar.PP_TYPE_FLOAT),
        (33, 7, propar.PP_TYPE_FLOAT),
    ]
    answers = master.read_parameters(
        [{"node": 3, "proc_nr": process, "parm_nr": number, "parm_type": kind} for process, number, kind in asked]
    )
    assert [answer["data"] for answer in answers] == ["M12345678A", "USERTAG", 8000, 5.0, 25.25]


def test_writes_and_is_refused(master: EndingMaster) -> None:
    assert master.write(0x80, 1, 1, propar.PP_TYPE_INT16, 8000)
    assert master.read(0x80, 33, 3, propar.PP_TYPE_FLOAT) == 1.25
    assert master.write(0x80, 33, 3, propar.PP_TYPE_FLOAT, 5.0)
    assert master.read(0x80, 1, 1, propar.PP_TYPE_INT16) == 32000
    assert master.write(0x80, 113, 6, propar.PP_TYPE_STRING, "OVEN")
    assert master.read(0x80, 113, 6, propar.PP_TYPE_STRING) == "OVEN"
    assert not master.write(0x80, 1, 1, propar.PP_TYPE_INT16, 32001)
    assert not master.write(0x80, 1, 0, propar.PP_TYPE_INT16, 1)
    refused = [{"node": 0x80, "proc_nr": 1, "parm_nr": 0, "parm_type": propar.PP_TYPE_INT16, "data": 1}]
    assert master.write_parameters(refused) == propar.PP_STATUS_READONLY


@pytest.mark.parametrize(
    ("flow", "raw"), [(-0.005, -32), (6.5, 41600), (-3.0, -19200)], ids=["a-little", "above-full-scale", "much"]
)
def test_reads_what_does_not_fit_the_scale(connect: Connect, serial_port: SerialPort, flow: float, raw: int) -> None:
    master = connect(serial_port(device(flow=flow, time_constant_s=1e9)))
    read = master.read(0x80, 1, 0, propar.PP_TYPE_BSINT16)
    # The library takes 65535 for 0 instead of -1, so what it makes of negative values is one too high.
    assert read == raw + (raw < 0)


def test_finds_the_node(master: EndingMaster) -> None:
    assert master.get_nodes() == [
        {"address": 3, "type": "DMFC", "serial": "M12345678A", "id": "7 1M12345678A", "channels": 1}
    ]


def test_finds_each_of_several_nodes(connect: Connect, serial_port: SerialPort) -> None:
    nodes = (3, 4, 127)
    line = SharedLine(*(device(node=node, local=False, capacity=float(node)) for node in nodes))
    master = connect(serial_port(line))
    assert [master.read(node, 1, 13, propar.PP_TYPE_FLOAT) for node in nodes] == [3.0, 4.0, 127.0]


def test_instrument_of_the_library_and_our_driver_see_the_same(
    connect: Connect, serial_port: SerialPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = serial_port(device(capacity=20.0, time_constant_s=1e9))
    monkeypatch.setattr(propar, "_PROPAR_MASTERS", {port: connect(port)})
    theirs = propar.instrument(port)
    # Who has been answered has a pseudo-terminal of its own: the next one to open the port gets another.
    assert theirs.setpoint == 0
    with Bronkhorst(port) as ours:
        theirs.setpoint = 16000
        assert ours.read_setpoint() == 10.0
        ours.set_flow(5.0)
        assert theirs.setpoint == 8000
        assert theirs.measure == ours.read_flow() == 0
        assert theirs.readParameter(21) == ours.read_capacity()


@pytest.mark.parametrize(
    "parameters",
    [
        [(1, 0, Kind.INT)],
        [(1, 13, Kind.FLOAT), (1, 31, Kind.STRING)],
        [(113, 3, Kind.STRING), (113, 6, Kind.STRING), (1, 0, Kind.INT), (33, 7, Kind.FLOAT), (33, 0, Kind.FLOAT)],
    ],
    ids=len,
)
def test_it_builds_and_reads_the_same_bytes(parameters: list[tuple[int, int, Kind]]) -> None:
    ours = [Parameter(*parameter) for parameter in parameters]
    kinds: dict[Kind, tuple[int, int, Value]] = {
        Kind.INT: (propar.PP_TYPE_INT16, 2, 40000),
        Kind.FLOAT: (propar.PP_TYPE_FLOAT, 4, 1.25),
        Kind.STRING: (propar.PP_TYPE_STRING, 0, "text"),
    }
    theirs = [
        {
            "proc_nr": process,
            "proc_index": process,
            "parm_nr": number,
            "parm_index": number,
            "parm_type": kinds[kind][0],
            "parm_size": kinds[kind][1],
            "data": kinds[kind][2],
        }
        for process, number, kind in parameters
    ]
    builder = propar._propar_builder()
    request = builder.build_pp_request_parameter_message({"node": 3, "seq": 0}, theirs)
    assert encode_read(ours, 3) == _frame(request)
    answer = builder.build_pp_send_parameter_message({"node": 3, "seq": 0}, theirs)
    assert decode_values(_frame(answer), ours, 3) == [kinds[kind][2] for _, _, kind in parameters]
    write = builder.build_pp_send_parameter_message(
        {"node": 3, "seq": 0}, theirs[:1], propar.PP_COMMAND_SEND_PARM_WITH_ACK
    )
    assert encode_write(ours[0], kinds[ours[0].kind][2], 3) == _frame(write)


def _frame(message: dict) -> bytes:
    content = bytes([message["len"] + 1, message["node"], *message["data"]])
    return b":" + content.hex().upper().encode() + b"\r\n"
