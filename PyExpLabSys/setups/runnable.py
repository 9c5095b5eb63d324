"""What :mod:`~PyExpLabSys.setups.runner` and :mod:`~PyExpLabSys.setups.check` need of a setup."""

from collections.abc import Mapping
from typing import Protocol

from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.setups.components import ComponentStatus, Observer
from PyExpLabSys.setups.inventory import Inventory


class Runnable(Protocol):
    """A setup, as seen by what runs it; :class:`PyExpLabSys.setups.Setup` says what each of these is."""

    name: str
    inventory: Inventory

    @property
    def table(self) -> str: ...  # noqa: D102

    @property
    def all_read(self) -> bool: ...  # noqa: D102

    def target(self) -> DatabaseTarget: ...  # noqa: D102

    def subscribe(self, observer: Observer) -> None: ...  # noqa: D102

    def start(  # noqa: D102
        self, *, simulated: bool = False, once: bool = False, target: DatabaseTarget | None = None
    ) -> None: ...

    def supervise(self) -> None: ...  # noqa: D102

    def status(self) -> Mapping[str, ComponentStatus]: ...  # noqa: D102

    def stop(self, timeout_s: float | None = None) -> int: ...  # noqa: D102
