"""Estimands of training pairs (e07, e08, x3): their noise, its growth, errors put right, cost.

``noise.ARM``: share of the pairs trained on that have a wrong target; by session and run.
``noise_difference.A.B``: A - B of the sessions that both have pairs of, paired.
``noise_slope.ARM``: change of that share per session, over the sessions that the agent wrote
  itself and was then trained on: error amplification is above 0.
``arm_retention.ARM``: share of all the sessions' pairs that the arm's adapter gives back exactly;
  also a metric of knee, slope and level_difference (families/levels.py).
``correction.ARM``: of the sessions whose external pair had a planted error, the share that the
  agent trained on them resolves by itself.
``cost_optimal.PREFIX``: smallest N of the arms PREFIX_N whose resolve rate is within 5 points of
  the best one's; the interval is the bootstrap's of tasks crossed with runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from stages.stats.clusters import Cells, clustered_difference, clustered_proportion, tabulate_cells
from stages.stats.families.levels import arms_by_number, as_cube, measured
from stages.stats.intervals import OF_LEVELS, Estimate, Undefined
from stages.stats.quality import Measured, noisy, own_kept, places, retained, trainings
from stages.stats.results import Results
from stages.stats.verdict import Estimand

UNIT = "session"
WORTH_IT = 0.05
"""Resolve rate that a larger budget must add to be worth its cost: the house's margin of 5 points,
below which two conditions count as alike."""
RESAMPLES = 1000
UNSCORED = "no pair of {} was scored: people score a sheet (python -m stages.synthesize.sheet)"


def quality_estimand(name: str, results: Results, parts: Sequence[str]) -> Estimand | None:
    """The estimand of that name; None for a name of another shape."""
    if name == "noise_difference" and len(parts) == 2:
        return _noise_difference(results, *parts)
    if len(parts) != 1:
        return None
    if name == "cost_optimal":
        return _cost_optimal(results, parts[0])
    if name == "noise":
        return _proportion(noisy(trainings(results, parts[0])), UNSCORED.format(parts[0]))
    if name == "arm_retention":
        return _proportion(retained(results, parts[0]), f"{parts[0]} was not trained")
    if name == "noise_slope":
        return _noise_slope(results, parts[0])
    rows = {
        ((t.world, row["instance_id"]), t.run): float(row["corrected"])
        for t in trainings(results, parts[0])
        for row in t.planted
    }
    return _proportion(rows, f"no error was planted in the pairs of {parts[0]}")


def _proportion(values: Measured, otherwise: str) -> Estimand:
    if not values:
        return partial(_undefined, otherwise)
    return partial(clustered_proportion, _cells(values), unit=UNIT)


def _noise_difference(results: Results, first: str, second: str) -> Estimand:
    a, b = (noisy(trainings(results, arm)) for arm in (first, second))
    both = {key: a[key] - b[key] for key in a if key in b}
    if not both:
        return partial(_undefined, f"{first} and {second} have no scored session in common")
    return partial(clustered_difference, _cells(both), unit=UNIT)


def _noise_slope(results: Results, arm: str) -> Estimand:
    found = trainings(results, arm)
    values = noisy(found, own_kept)
    where = places(found)
    if len({where[unit] for unit, _ in values}) < 3:
        return partial(_undefined, f"{arm} wrote pairs of fewer than three sessions itself")
    cells, bound = slope_cells({key: (where[key[0]], value) for key, value in values.items()})
    return partial(clustered_difference, cells, unit=UNIT, bound=bound)


def slope_cells(
    values: dict[tuple[tuple[str, str], tuple[str, int]], tuple[int, float]],
) -> tuple[Cells, float]:
    """Cells (sessions × runs) whose mean is the slope of error over session numbers, per session.

    Every run has a level of its own, all share the slope β. A cell is β + n·w·e with the session's
    weight w = (x - x̄) / Σ(x - x̄)² and residual e, so that its clusters' spread is the slope's own
    (the influence function: Cameron, Gelbach & Miller 2011, J. Business & Economic Statistics 29).
    Also the largest that a cell can be.
    """
    runs = sorted({run for _, run in values})
    x = np.array([place for place, _ in values.values()], dtype=float)
    y = np.array([error for _, error in values.values()])
    owner = np.array([runs.index(run) for _, run in values])
    for at in range(len(runs)):
        mine = owner == at
        x[mine] -= x[mine].mean()
        y[mine] -= y[mine].mean()
    squares = float(x @ x)
    slope = float(x @ y) / squares
    influence = slope + len(x) * (x / squares) * (y - slope * x)
    cells = tabulate_cells(
        (unit, run, value) for (unit, run), value in zip(values, influence, strict=True)
    )
    bound = len(x) * float(np.abs(x).max()) / squares
    return cells, max(bound, float(np.abs(influence).max())) * (1 + 1e-9)


def _cost_optimal(results: Results, prefix: str) -> Estimand:
    levels = arms_by_number(results, "resolve_rate", prefix)
    cube = as_cube([measured(results, "resolve_rate", arm) for arm in levels.values()])
    if not cube.size:
        return partial(_undefined, f"no task was played by all arms {prefix}_N")
    numbers = list(levels)
    tasks, runs, _ = cube.shape
    rng = np.random.default_rng(0)
    draws = [
        _cheapest(numbers, cube[rng.integers(tasks, size=tasks)][:, rng.integers(runs, size=runs)])
        for _ in range(RESAMPLES)
    ]

    def estimate(alpha: float) -> Estimate:
        value = _cheapest(numbers, cube)
        ends = np.quantile(draws, [alpha / 2, 1 - alpha / 2], method="inverted_cdf")
        lo, hi = min(float(ends[0]), value), max(float(ends[1]), value)
        return Estimate(value, lo, hi, tasks, OF_LEVELS, alpha)

    return estimate


def _cheapest(numbers: Sequence[int], cube: Cells) -> float:
    means = np.nanmean(cube.reshape(-1, cube.shape[-1]), axis=0)
    return float(numbers[int(np.argmax(means >= means.max() - WORTH_IT))])


def _cells(values: Measured) -> Cells:
    return tabulate_cells((unit, run, value) for (unit, run), value in values.items())


def _undefined(reason: str, alpha: float) -> Undefined:
    return Undefined(reason)
