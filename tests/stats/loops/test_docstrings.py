"""Every worked example in the loop metrics' docstrings gives what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import stages.stats.loops

MODULES = sorted(module.name for module in pkgutil.iter_modules(stages.stats.loops.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_worked_examples_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"stages.stats.loops.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
