"""Marks that old scripts carry."""

import warnings

import pytest

from PyExpLabSys.common.supported_versions import python2_and_3, python2_only, python3_only


def test_only_python_2_is_worth_a_warning() -> None:
    with pytest.warns(RuntimeWarning, match=r"old\.py is marked as written for Python 2 only") as warned:
        python2_only("old.py")
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        python3_only("new.py")
        python2_and_3("both.py")
