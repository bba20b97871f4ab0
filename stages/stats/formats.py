"""What e06 claims of the synthesis formats: some differ, one leads, and it depends on the skill.

All three are statements about a maximum over many comparisons, so their intervals are built from
the comparisons' own: a lower end must hold for whichever comparison happens to be largest
(Bonferroni over all), an upper end only for the one that truly is (Berger 1982, Technometrics 24,
for the minimum; here mirrored). Conditions are those whose names start with ``format_``.

``spread.format``: the largest difference of resolve rates between two formats.
``lead.format``: resolve rate of the best format - that of the second best.
``interaction.format``: how much the difference of two formats differs between the tasks that ask
for a kind of convention and those that don't, at its largest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from stages.stats.clusters import clustered_difference
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import Results, Row
from stages.stats.verdict import Estimand, maximum_of, minimum_of

PREFIX = "format_"
Known = Callable[[float], Estimate]


def format_estimand(results: Results, name: str) -> Estimand | None:
    """The estimand of a name above; None for a name of another family."""
    formats = [name for name in results.conditions if name.startswith(PREFIX)]
    families = {
        "spread.format": lambda: maximum_of(_pairs(results, formats)),
        "lead.format": lambda: _lead(results, formats),
        "interaction.format": lambda: maximum_of(_interactions(results, formats)),
    }
    if name not in families:
        return None
    if len(formats) < 2:
        return lambda alpha: Undefined(f"{len(formats)} formats were run; two are needed")
    return families[name]()


def _paired(
    results: Results, base: str, adapted: str, keep: Callable[[Row], bool] = lambda row: True
) -> Known:
    cells = results.differences(base, adapted, keep=keep)
    return lambda alpha: clustered_difference(cells, alpha)


def _pairs(results: Results, formats: Sequence[str]) -> list[Estimand]:
    """adapted - base for each ordered pair: the largest of them is a size, whatever its sign."""
    return [_paired(results, base, adapted) for base, adapted in itertools.permutations(formats, 2)]


def _lead(results: Results, formats: Sequence[str]) -> Estimand:
    """The largest over formats of the smallest difference from another one."""
    leads = [
        minimum_of([_paired(results, other, one) for other in formats if other != one])
        for one in formats
    ]
    return maximum_of(leads)


def _interactions(results: Results, formats: Sequence[str]) -> list[Estimand]:
    kinds = sorted({kind for name in formats for row in results.select(name) for kind in row.kinds})
    return [
        mover(
            _paired(results, base, adapted, lambda row, kind=kind: kind in row.kinds),
            _paired(results, base, adapted, lambda row, kind=kind: kind not in row.kinds),
        )
        for base, adapted in itertools.permutations(formats, 2)
        for kind in kinds
    ]


def mover(first: Known, second: Known) -> Estimand:
    """first - second of independent estimates, from their own intervals.

    The method of variance estimates recovery: Zou & Donner (2008), Statistics in Medicine 27.
    """

    def estimate(alpha: float) -> Estimate:
        a, b = first(alpha), second(alpha)
        value = a.value - b.value
        below = math.hypot(a.value - a.lo, b.hi - b.value)
        above = math.hypot(a.hi - a.value, b.value - b.lo)
        return Estimate(value, value - below, value + above, a.n + b.n, a.unit, alpha)

    return estimate
