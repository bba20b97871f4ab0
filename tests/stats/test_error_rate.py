"""Under a true null the verdict rule errs no more often than α allows.

Tasks differ in difficulty (most are nearly always or nearly never solved), each arm shifts each
task a little in its own way, and both arms have the same distribution: forward transfer is 0.
"""

from __future__ import annotations

import numpy as np
import pytest

from stages.stats.clusters import cluster_bootstrap, clustered_difference
from stages.stats.intervals import Estimate
from stages.stats.verdict import SUPPORTED, Criterion

ALPHA = 0.05
# Three standard errors of a share of 0.05 over the experiments simulated.
SLACK = 3 * np.sqrt(ALPHA * (1 - ALPHA))


def null_experiment(
    rng: np.random.Generator, tasks: int, runs: int, run_sd: float, gain: float = 0.0
) -> np.ndarray:
    """Differences adapted - base, tasks × runs, of two arms from one distribution."""
    solved = rng.beta(0.4, 1.2, size=tasks)
    logit = np.log((solved + 1e-9) / (1 - solved + 1e-9))[:, None, None]
    logit = logit + rng.normal(0, 1.5, size=(tasks, 1, 2)) + rng.normal(0, run_sd, (1, runs, 2))
    logit[..., 1] += gain
    resolved = rng.random((tasks, runs, 2)) < 1 / (1 + np.exp(-logit))
    return resolved[..., 1].astype(float) - resolved[..., 0]


def five_splits(rng: np.random.Generator) -> np.ndarray:
    """Five training runs on splits of 50 tasks, 25 of them tested in each."""
    cells = null_experiment(rng, 50, 5, run_sd=0.3)
    for split in range(5):
        cells[rng.permutation(50)[:25], split] = np.nan
    return cells


DESIGNS = {
    "25 tasks, 1 run": lambda rng: null_experiment(rng, 25, 1, run_sd=0.0),
    "25 tasks, 3 runs": lambda rng: null_experiment(rng, 25, 3, run_sd=0.3),
    "25 tasks, 5 runs": lambda rng: null_experiment(rng, 25, 5, run_sd=0.3),
    "5 splits of 50 tasks": five_splits,
    "rare flips": lambda rng: rng.choice([-1.0, 0.0, 1.0], p=[0.04, 0.92, 0.04], size=(25, 1)),
}


def read(estimate: Estimate) -> str:
    return Criterion("ft", lambda _: estimate, ">", 0.0).read(estimate)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_null_is_supported_at_most_at_alpha(design: str) -> None:
    rng = np.random.default_rng(11)
    experiments = 600
    intervals = [clustered_difference(DESIGNS[design](rng), ALPHA) for _ in range(experiments)]
    supported = sum(read(e) == SUPPORTED for e in intervals) / experiments
    wrong = sum(e.lo > 0 or e.hi < 0 for e in intervals) / experiments
    print(f"{design}: supported {supported:.3f}, either side {wrong:.3f}")
    assert supported <= ALPHA / 2 + SLACK / np.sqrt(experiments) / np.sqrt(2)
    assert wrong <= ALPHA + SLACK / np.sqrt(experiments)


def test_the_percentile_bootstrap_errs_more_often_with_one_run() -> None:
    rng = np.random.default_rng(12)
    boot = score = 0
    for i in range(1000):
        cells = null_experiment(rng, 25, 1, run_sd=0.0)
        ours, theirs = clustered_difference(cells), cluster_bootstrap(cells, resamples=400, seed=i)
        score += ours.lo > 0 or ours.hi < 0
        boot += theirs.lo > 0 or theirs.hi < 0
    print(f"either side: score {score / 1000:.3f}, percentile bootstrap {boot / 1000:.3f}")
    assert score <= 50
    assert boot > 1.3 * score


def test_a_real_effect_is_found() -> None:
    rng = np.random.default_rng(13)
    found = sum(
        clustered_difference(null_experiment(rng, 50, 5, 0.3, gain=2.0)).lo > 0 for _ in range(200)
    )
    assert found / 200 > 0.9
