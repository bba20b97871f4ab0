"""Every worked example in the statistics' docstrings gives what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import stages.stats

MODULES = sorted(m.name for m in pkgutil.iter_modules(stages.stats.__path__) if m.name[0] != "_")


@pytest.mark.parametrize("name", MODULES)
def test_worked_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"stages.stats.{name}")).failed == 0
