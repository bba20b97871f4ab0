"""The published statistics of SWE-Bench-CL, one line per sequence, in the published order.

Source: Joshi et al. (2025), arXiv:2507.00014, table of sequences.
"""

from __future__ import annotations

import dataclasses

DIFFICULTIES = {
    "<15 min fix": "easy",
    "15 min - 1 hour": "medium",
    "1-4 hours": "hard",
    ">4 hours": "very hard",
}
"""SWE-bench Verified's annotation -> the name of the level in our tables, easiest first."""
LEVELS = tuple(DIFFICULTIES.values())
MAX_TASKS = 50
"""A longer sequence is cut after this many, in the published order."""


@dataclasses.dataclass(frozen=True)
class Published:
    """What the paper's table says of one sequence."""

    tasks: int
    levels: tuple[int, int, int, int]
    """tasks per level, as in LEVELS"""
    with_dependencies: int
    """tasks that change a file which an earlier task of the repository changed"""


SEQUENCES = {
    "django/django": Published(50, (50, 0, 0, 0), 25),
    "sympy/sympy": Published(50, (25, 25, 0, 0), 12),
    "sphinx-doc/sphinx": Published(44, (22, 17, 4, 1), 23),
    "matplotlib/matplotlib": Published(34, (15, 19, 0, 0), 13),
    "scikit-learn/scikit-learn": Published(32, (13, 18, 1, 0), 4),
    "astropy/astropy": Published(22, (4, 15, 3, 0), 3),
    "pydata/xarray": Published(22, (5, 15, 1, 1), 13),
    "pytest-dev/pytest": Published(19, (8, 8, 3, 0), 7),
}
REPOSITORIES = tuple(SEQUENCES)
TOTAL = sum(sequence.tasks for sequence in SEQUENCES.values())
