"""HumanEval: 164 Python functions to write from their docstrings (Chen et al. 2021)."""

from __future__ import annotations

from stages.suites.humaneval.suite import HumanEval

__all__ = ["HumanEval"]
