"""Marks that old scripts carry: for which version of Python they were written. PyExpLabSys itself needs Python 3."""

import warnings


def python2_only(filepath: str) -> None:
    """Warn that a file was written for Python 2, on which nothing of this runs."""
    warnings.warn(f"{filepath} is marked as written for Python 2 only", RuntimeWarning, stacklevel=2)


def python3_only(filepath: str) -> None:
    """Do nothing: this is Python 3."""


def python2_and_3(filepath: str) -> None:
    """Do nothing: this is Python 3."""
