"""MATH, level 2: 894 competition problems with a short answer each (Hendrycks et al. 2021)."""

from __future__ import annotations

from stages.suites.maths.compare import is_equal
from stages.suites.maths.suite import Maths
from stages.suites.maths.worker import AlgebraUnavailable, AlgebraWorker

__all__ = ["AlgebraUnavailable", "AlgebraWorker", "Maths", "is_equal"]
