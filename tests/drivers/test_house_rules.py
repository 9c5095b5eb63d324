"""Every driver keeps to the rules of the house; CONTRIBUTING says why each is there."""

import importlib
import importlib.util
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.drivers import house_rules
from tests.packaging.test_importing import guarded_import

Rule = Callable[[ModuleType], Iterator[str]]

FOR_ALL: list[Rule] = [house_rules.source, house_rules.files]
FOR_WIRES: list[Rule] = [
    house_rules.pure_functions,
    house_rules.asks_and_decodes_in_one,
    house_rules.classes,
    house_rules.constructors,
    house_rules.simulator,
    house_rules.with_closes,
]
ON_WIRES = [name for name in house_rules.driver_names() if name not in house_rules.WITHOUT_WIRE]


def complaints(rule: Rule, name: str) -> list[str]:
    return list(rule(importlib.import_module(f"PyExpLabSys.drivers.{name}")))


def test_there_are_drivers() -> None:
    assert {"omega_cni", "host_sensors"} <= set(house_rules.driver_names())


@pytest.mark.parametrize("name", house_rules.driver_names())
@pytest.mark.parametrize("rule", FOR_ALL, ids=lambda rule: rule.__name__)
def test_rules_for_all(rule: Rule, name: str) -> None:
    assert complaints(rule, name) == []


@pytest.mark.parametrize("name", ON_WIRES)
@pytest.mark.parametrize("rule", FOR_WIRES, ids=lambda rule: rule.__name__)
def test_rules_for_drivers_with_a_wire(rule: Rule, name: str) -> None:
    assert complaints(rule, name) == []


@pytest.mark.parametrize("name", house_rules.driver_names())
def test_nothing_is_opened_at_import(name: str, tmp_path: Path) -> None:
    done = guarded_import(f"PyExpLabSys.drivers.{name}", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


# ------------------------------------------------------------------ each rule notices a driver that does not keep to it

GOOD = '''
"""Driver for a stick.

Source: "The Stick", section 1.
"""
from PyExpLabSys.instrument import Instrument, InstrumentInfo
from PyExpLabSys.transport.serial_channel import open_serial


def encode(command):
    return command.encode()


class Stick(Instrument):
    """A stick.

    Args:
        port: Where.
        transport: Or this.
    """

    INFO = InstrumentInfo(maker="Nobody", model="Stick", buses=("RS-232",), quantities={"read": "m"})
    LATE_S = 1.0

    def __init__(self, port, *, transport=None):
        super().__init__(transport or open_serial(port), owns=transport is None)

    def read(self):
        return self._ask(b"?", b"!", float)
'''


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., ModuleType]:
    """Make a driver out of ``GOOD`` with one thing replaced, and load it."""

    def load(old: str = "", new: str = "", name: str = "omega_cni") -> ModuleType:
        path = tmp_path / f"{name}.py"
        assert old in GOOD
        path.write_text(textwrap.dedent(GOOD.replace(old, new)))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize("rule", FOR_ALL + FOR_WIRES, ids=lambda rule: rule.__name__)
def test_good_driver_passes(rule: Rule, load: Callable[..., ModuleType]) -> None:
    assert list(rule(load())) == []


@pytest.mark.parametrize(
    ("rule", "old", "new", "complaint"),
    [
        (house_rules.source, "Source:", "See also", "no line that begins with 'Source: '"),
        (house_rules.pure_functions, "def encode", "def make", "no function at module level"),
        (house_rules.pure_functions, "command.encode()", "open(command)", "encode uses open"),
        (house_rules.pure_functions, "encode(command)", "encode(transport)", "encode uses transport"),
        (
            house_rules.asks_and_decodes_in_one,
            'self._ask(b"?", b"!", float)',
            'decode(self._exchange(b"?", b"!"))',
            "write self._ask",
        ),
        (house_rules.classes, "Stick(Instrument)", "Stick", "no class that derives from Instrument"),
        (house_rules.classes, "    INFO", "    INFOS", "Stick.INFO is missing"),
        (house_rules.classes, '"read": "m"', '"read_it": "m"', "which is no method"),
        (house_rules.classes, 'maker="Nobody"', 'maker=""', "lacks maker"),
        (house_rules.classes, "LATE_S = 1.0", "LATE_S = None", "LATE_S is not set"),
        (house_rules.constructors, "port, *, transport", "port, transport", "no keyword-only argument transport"),
        (house_rules.constructors, "        port: Where.\n", "", "what the argument port is"),
        (
            house_rules.with_closes,
            "    def read(self)",
            "    def close(self):\n        pass\n\n    def read(self)",
            "is open afterwards",
        ),
        (
            house_rules.with_closes,
            "    def read(self)",
            "    def close(self):\n        self._transport.close()\n\n    def read(self)",
            "is closed afterwards",
        ),
    ],
    ids=repr,
)
def test_rule_notices(rule: Rule, old: str, new: str, complaint: str, load: Callable[..., ModuleType]) -> None:
    found = list(rule(load(old, new)))
    assert len(found) == 1
    assert complaint in found[0]


def test_missing_files_are_noticed(load: Callable[..., ModuleType]) -> None:
    module = load(name="nobody_stick")
    assert list(house_rules.files(module)) == [
        "tests/drivers/test_nobody_stick.py is missing",
        "docs/instruments/nobody_stick.md is missing",
    ]
    assert list(house_rules.simulator(module)) == ["PyExpLabSys/simulators/nobody_stick.py is missing"]
