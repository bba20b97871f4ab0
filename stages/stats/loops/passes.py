"""pass@1 and pass@k of expert iteration, by problem type and iteration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stages.stats.intervals import Estimate, Undefined
from stages.stats.rates import pass_at_k

ALL = "all"


@dataclass(frozen=True)
class PassRow:
    """pass@k of one problem type at one iteration."""

    iteration: int
    """0 is the base model"""
    group: str
    """problem type, or ``ALL``"""
    problems: int
    """problems asked"""
    passes: dict[int, Estimate | Undefined]
    """k -> pass@k, interval over problems"""


def pass_table(
    answers: Iterable[tuple[int, str, str, bool]], ks: Sequence[int], alpha: float = 0.05
) -> list[PassRow]:
    """Rows by iteration and type, ``ALL`` last, from (iteration, type, problem id, correct) each.

    Reference: Chen et al. (2021), arXiv:2107.03374, eq. 1, through ``rates.pass_at_k``.

    >>> rows = pass_table([(0, "a", "p", True), (0, "a", "p", False)], ks=[1, 2])
    >>> [(row.group, row.passes[1].value, row.passes[2].value) for row in rows]
    [('a', 0.5, 1.0), ('all', 0.5, 1.0)]
    """
    counts: dict[int, dict[str, dict[tuple[str, str], list[int]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(lambda: [0, 0]))
    )
    for iteration, group, problem, correct in answers:
        if group == ALL:
            raise ValueError(f"A problem type is called {ALL!r}, the name of the sum. Rename it.")
        for name in (group, ALL):
            tally = counts[iteration][name][group, problem]
            tally[0] += 1
            tally[1] += bool(correct)
    return [
        _row(iteration, name, list(counts[iteration][name].values()), ks, alpha)
        for iteration in sorted(counts)
        for name in sorted(counts[iteration], key=lambda group: (group == ALL, group))
    ]


def _row(
    iteration: int, group: str, tallies: list[list[int]], ks: Sequence[int], alpha: float
) -> PassRow:
    samples, correct = [n for n, _ in tallies], [c for _, c in tallies]
    passes = {k: pass_at_k(samples, correct, k, alpha) for k in ks}
    return PassRow(iteration, group, len(tallies), passes)
