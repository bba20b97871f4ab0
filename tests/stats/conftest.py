"""The sound run, for tests that read results from files."""

from __future__ import annotations

from tests.stats.checks.conftest import run, written

__all__ = ["run", "written"]
