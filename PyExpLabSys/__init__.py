"""PyExpLabSys: from laboratory instruments to the lab's database, every point once and with its exact time."""

__version__ = "1.0.0"
