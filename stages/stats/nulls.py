"""The verdict rule under a true null: how often it says 'supported' where nothing is.

Each simulated experiment goes through ``verdict.judge`` itself, Holm's levels included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stages.stats.clusters import clustered_difference
from stages.stats.intervals import Estimate, z_quantile
from stages.stats.verdict import SUPPORTED, Criterion, judge

Simulation = Callable[[np.random.Generator], Sequence[Criterion]]
"""Random generator → the criteria of one experiment in which no effect exists."""
HASH = "simulated null"


@dataclass(frozen=True)
class NullRate:
    """What came out of the simulated experiments."""

    supported: Estimate
    """share of experiments with any criterion 'supported', exact interval"""
    by_criterion: dict[str, Estimate]
    """share 'supported' of each criterion by itself"""
    verdicts: dict[str, int]
    """how often each verdict was given, over all criteria"""
    alpha: float
    """the registered α that the rule was run at"""

    @property
    def reading(self) -> str:
        """'holds' if the whole interval is at most α, 'violated' if all above it, else 'consistent'
        with α, which is all that a rate at α itself can ever be."""
        if self.supported.hi <= self.alpha:
            return "holds"
        return "violated" if self.supported.lo > self.alpha else "consistent"


def clopper_pearson(successes: int, n: int, alpha: float = 0.05, unit: str = "task") -> Estimate:
    """Exact interval of a rate: the rates at which ``successes`` has tail probability α/2.

    Raises ValueError unless 0 ≤ successes ≤ n and n > 0.
    Reference: Clopper & Pearson (1934), Biometrika 26.

    >>> e = clopper_pearson(0, 200)
    >>> e.lo, round(e.hi, 4)
    (0.0, 0.0183)
    """
    z_quantile(alpha)
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(
            f"clopper_pearson: {successes} successes of {n}; give 0 ≤ successes ≤ n, n > 0."
        )
    lo = float(special.betaincinv(successes, n - successes + 1, alpha / 2)) if successes else 0.0
    missed = n - successes
    hi = float(special.betaincinv(successes + 1, missed, 1 - alpha / 2)) if missed else 1.0
    return Estimate(successes / n, lo, hi, n, unit, alpha)


def null_rate(
    simulate: Simulation,
    experiments: int = 200,
    alpha: float = 0.05,
    seed: int = 0,
    confidence_alpha: float = 0.05,
) -> NullRate:
    """Share of simulated null experiments that the verdict rule calls 'supported'.

    ``simulate`` draws the criteria of one experiment; each has the same criteria's names. They are
    judged at ``alpha``; ``confidence_alpha`` is the error rate of the shares' own intervals. A
    'supported' of any criterion of a family counts, as Holm bounds. Equal seeds repeat exactly.
    200 experiments of 25 tasks and 2 criteria take half a minute: p is found by bisection.
    ValueError for no experiments.

    References: Holm (1979), Scandinavian J. of Statistics 6; Clopper & Pearson (1934).
    """
    if experiments < 1:
        raise ValueError(f"{experiments} experiments show nothing; give at least 200.")
    rng = np.random.default_rng(seed)
    by_name: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    names: dict[str, None] = {}
    any_supported = 0
    for _ in range(experiments):
        judged = judge(simulate(rng), registered=HASH, ran=HASH, alpha=alpha)
        names.update(dict.fromkeys(v.name for v in judged))
        verdicts.update(v.verdict for v in judged)
        by_name.update(v.name for v in judged if v.verdict == SUPPORTED)
        any_supported += any(v.verdict == SUPPORTED for v in judged)

    def share(count: int) -> Estimate:
        return clopper_pearson(count, experiments, confidence_alpha, "experiment")

    each = {name: share(by_name[name]) for name in names}
    return NullRate(share(any_supported), each, dict(verdicts), alpha)


def permuted_arms(outcomes: ArrayLike, estimand_names: Sequence[str] = ()) -> Simulation:
    """Null made from measured outcomes: within each task, the arms' labels are permuted.

    ``outcomes`` is arms × tasks × runs (A × T × R; NaN for a harness error), base first. Each
    simulated experiment draws one permutation of the arms per task, for all of its runs together,
    as under a null where an arm is only a name; its criteria are 'arm - base > 0' for each other
    arm, by ``clustered_difference``. What a training run does to all tasks alike is shuffled away
    with the labels. ``estimand_names`` (A - 1) name the criteria, by default 'arm 1', ….
    ValueError for outcomes outside [0, 1] or fewer than two arms.

    References: Fisher (1935), The Design of Experiments, §21; Pitman (1937), JRSS Supplement 4.

    >>> outcomes = np.random.default_rng(0).integers(0, 2, (2, 25, 1))
    >>> null_rate(permuted_arms(outcomes), experiments=20).reading
    'consistent'
    """
    values = np.asarray(outcomes, dtype=float)
    if values.ndim != 3 or values.shape[0] < 2:
        raise ValueError(f"outcomes have shape {values.shape}; give arms × tasks × runs, two arms.")
    if np.any((values < 0) | (values > 1)):
        raise ValueError(
            "An outcome lies outside [0, 1]. Give resolved as 1 and not resolved as 0."
        )
    arms, tasks = values.shape[:2]
    names = list(estimand_names) or [f"arm {i}" for i in range(1, arms)]
    if len(names) != arms - 1:
        raise ValueError(f"{len(names)} names for {arms - 1} arms beside base; give one each.")

    def simulate(rng: np.random.Generator) -> list[Criterion]:
        order_AT = np.argsort(rng.random((arms, tasks)), axis=0)
        shuffled: NDArray[np.float64] = np.take_along_axis(values, order_AT[:, :, None], axis=0)
        return [
            Criterion(name, partial(clustered_difference, shuffled[i] - shuffled[0]), ">", 0.0)
            for i, name in enumerate(names, start=1)
        ]

    return simulate
