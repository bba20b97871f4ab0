"""MBPP: basic Python problems with three tests each (Austin et al. 2021)."""

from __future__ import annotations

from stages.suites.mbpp.suite import Mbpp

__all__ = ["Mbpp"]
