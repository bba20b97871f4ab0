"""Settings for every test: property tests are the same on each run and know no deadline."""

from __future__ import annotations

import hypothesis
import pytest

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test's or run's sandbox found out stands for nothing in this one."""
    monkeypatch.setattr("stages.lab.context.OUTCOMES", None)
