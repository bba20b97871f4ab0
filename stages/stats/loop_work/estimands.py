"""The named estimands that a loop's criteria speak of.

A and B are arms; PART is train, val, test or holdout, and where it is left out the first untrained
part that was probed (test, else holdout, else val). 'Final' is the checkpoint that the run kept,
'base' its checkpoint 0; of an arm that selects over generations both are those of the last one. The
unit is the item, crossed with seeds; repeats of one seed and samples of one item are averaged
first. Rates are shares, 0 to 1.

``final_accuracy.A[.PART]``, ``base_accuracy.A[.PART]``: share of right answers (pass@1).
``pass_at.K.A[.PART]``: pass@K at the final checkpoint (Chen et al. 2021).
``gain.A[.PART]``: final - base accuracy, paired by item.
``difference.A.B[.PART]``: A's final accuracy - B's, paired by item and seed.
``forgetting.A[.PART]``, ``improvement.A[.PART]``: share of the items right at base that are wrong
at the end, and of those wrong at base that are right; PART is train where left out. Both choose
items by one measurement, so sampled answers move them even without training: compare with
``forgetting_difference.A.B[.PART]``, the share that A loses - the share that B loses.
``type_drop.A[.PART]``: the largest drop of a group (type, category, subject), base - final.
``type_below_baseline.A[.PART]``: how far the worst group's final accuracy lies below the lower end
of its own baseline interval (95 %, taken as a number), with the interval of the paired drop; at
most 0: no type falls below its baseline interval.
``ece.A[.PART]``, ``brier.A[.PART]``: expected calibration error and Brier score of the final
checkpoint's token probabilities; ``….stated`` of the confidence that answers state. Items and
seeds are both resampled.
``meta_learning_score.A``, ``meta_learning_score_cumulative.A``: mean over seeds; the unit is the
seed. Window rates, and the report's cumulative ones.
``seed_effect.A.MEASURE``: share of the variance between runs that the seed explains, against the
repeats' (intraclass correlation); above 0 only where seeds differ by more than repeats of one seed
do. MEASURE is meta_learning_score, or a part for its final accuracy; without one as PART above.
``variance.A.FACTOR[.MEASURE]``: variance that a factor adds, in the measure's unit squared; FACTOR
is order, decoding or training of a crossed arm, seed of any other.
``grokked.A[.PART]``: share of runs whose accuracy on PART grokked (science.md, section 1); the
unit is the seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from stages.params import ParamsError
from stages.stats.clusters import (
    Cells,
    clustered_difference,
    clustered_proportion,
    tabulate_cells,
)
from stages.stats.intervals import Estimate, Undefined
from stages.stats.loop_work import runs
from stages.stats.loop_work.confidence import calibrated
from stages.stats.loop_work.results import PARTS, TRAIN, LoopResults, Run, Value, right_at
from stages.stats.loop_work.seeds import intraclass
from stages.stats.loop_work.variance import component_estimand, factors_of
from stages.stats.verdict import Estimand, maximum_of

BASELINE_ALPHA = 0.05
Find = Callable[[LoopResults, list[str]], Estimand | None]


def loop_estimand(results: LoopResults, name: str) -> Estimand:
    """α → Estimate of a named estimand; ParamsError names an unknown one."""
    head, *words = name.split(".")
    found = ESTIMANDS[head](results, words) if head in ESTIMANDS else None
    if found is None:
        raise ParamsError(
            f"loops.{results.name}.criteria: estimand {name!r} is unknown. There are "
            f"{', '.join(f'{head}.ARM' for head in ESTIMANDS)}, most of them with a part "
            f"({', '.join(PARTS)}) behind, where ARM is one of "
            f"{', '.join(results.loop.arms)} (stages/stats/loop_work/estimands.py)."
        )
    return found


def final(run: Run, item: str) -> float:
    """Share of the item's answers that are right at the checkpoint kept."""
    return right_at(run.final, item)


def base(run: Run, item: str) -> float:
    """The same before any training."""
    return right_at(run.base, item)


def gain(run: Run, item: str) -> float:
    """final - base."""
    return final(run, item) - base(run, item)


def lost(run: Run, item: str) -> float:
    """1 - final of an item that base got right in most samples; NaN for others."""
    return 1 - final(run, item) if base(run, item) > 0.5 else float("nan")


def learned(run: Run, item: str) -> float:
    """Final of an item that base got wrong in at least half of its samples; NaN for others."""
    return final(run, item) if base(run, item) <= 0.5 else float("nan")


def passed_of(k: int, number: int | None = None) -> Value:
    """pass@k of an item's answers at checkpoint ``number``, by default the final one.

    NaN for fewer than k answers, and where the run didn't come so far.
    """

    def value(run: Run, item: str) -> float:
        points = run.checkpoints
        if number is not None and number >= len(points):
            return float("nan")
        point = run.final if number is None else points[number]
        n, c = point.tallies.get(item, (0, 0))
        return 1 - math.comb(n - c, k) / math.comb(n, k) if n >= k else float("nan")

    return value


def proportion(cells: Cells, why: str) -> Estimand:
    """Mean of rates with its interval; Undefined with the reason where nothing was measured."""
    if not measured(cells):
        return lambda alpha: Undefined(why)
    return lambda alpha: clustered_proportion(cells, alpha, "item")


def paired(cells: Cells, why: str) -> Estimand:
    """Mean of paired differences with its interval; Undefined where there is none."""
    if not measured(cells):
        return lambda alpha: Undefined(why)
    return lambda alpha: clustered_difference(cells, alpha, "item")


def measured(cells: Cells) -> bool:
    return bool(cells.size and (~np.isnan(cells)).any())


def _place(
    results: LoopResults, words: list[str], count: int = 1, part: str = ""
) -> tuple[list[str], str] | None:
    """``count`` arms and a part from an estimand's words; None where they aren't that."""
    arms, rest = words[:count], words[count:]
    if len(arms) < count or len(rest) > 1 or not set(arms) <= {*results.loop.arms}:
        return None
    if rest and rest[0] not in PARTS:
        return None
    return arms, rest[0] if rest else part or results.untrained


def _of_arm(value: Value, make: Callable[[Cells, str], Estimand], part: str) -> Find:
    def find(results: LoopResults, words: list[str]) -> Estimand | None:
        place = _place(results, words, 1, part)
        if place is None:
            return None
        (arm,), where = place
        return make(results.cells(arm, where, value), f"{arm} was not probed on {where} for it")

    return find


def _between(value: Value, part: str) -> Find:
    def find(results: LoopResults, words: list[str]) -> Estimand | None:
        place = _place(results, words, 2, part)
        if place is None:
            return None
        (one, other), where = place
        cells = difference_cells(results, one, other, where, value)
        return paired(cells, f"{one} and {other} share no item and seed on {where}")

    return find


def difference_cells(
    results: LoopResults, one: str, other: str, part: str, value: Value = final
) -> Cells:
    """``value`` of one arm - that of another by item and seed."""
    left, right = (results.table(arm, part, value) for arm in (one, other))
    return tabulate_cells((*key, left[key] - right[key]) for key in left if key in right)


def _pass_at(results: LoopResults, words: list[str]) -> Estimand | None:
    if not words or not words[0].isdigit() or int(words[0]) < 1:
        return None
    place = _place(results, words[1:])
    if place is None:
        return None
    (arm,), part = place
    cells = results.cells(arm, part, passed_of(int(words[0])))
    return proportion(cells, f"{arm} has fewer than {words[0]} answers to each {part} item")


def by_group(results: LoopResults, arm: str, part: str, value: Value) -> dict[str, Cells]:
    """group -> items × seeds of ``value``; groups without any value are left out."""
    table = results.table(arm, part, value)
    groups = {
        item: answer.group
        for run in results.by_arm.get(arm, [])
        for item, answer in run.items.items()
    }
    found = {}
    for group in sorted({groups[item] for item, _ in table}):
        cells = tabulate_cells((*k, v) for k, v in table.items() if groups[k[0]] == group)
        if measured(cells):
            found[group] = cells
    return found


def _largest_drop(allowance: bool, results: LoopResults, words: list[str]) -> Estimand | None:
    place = _place(results, words)
    if place is None:
        return None
    (arm,), part = place
    drops = by_group(results, arm, part, lambda run, item: -gain(run, item))
    if not drops:
        return lambda alpha: Undefined(f"{arm} was not probed on {part}")
    before = by_group(results, arm, part, base)
    slack = {g: _baseline_slack(before[g]) if allowance else 0.0 for g in drops}
    return maximum_of([partial(_shifted, cells, slack[g]) for g, cells in drops.items()])


def _baseline_slack(cells: Cells) -> float:
    """Distance of a group's baseline accuracy from the lower end of its 95 % interval."""
    found = clustered_proportion(cells, BASELINE_ALPHA, "item")
    return found.value - found.lo


def _shifted(cells: Cells, by: float, alpha: float) -> Estimate:
    e = clustered_difference(cells, alpha, "item")
    return Estimate(e.value - by, e.lo - by, e.hi - by, e.n, e.unit, alpha)


def _calibration(kind: str, results: LoopResults, words: list[str]) -> Estimand | None:
    stated = words[-1:] == ["stated"]
    place = _place(results, words[:-1] if stated else words)
    if place is None:
        return None
    (arm,), part = place
    return calibrated(results, arm, part, kind, stated)


def _score(measure: str, results: LoopResults, words: list[str]) -> Estimand | None:
    if len(words) != 1 or words[0] not in results.loop.arms:
        return None
    found = runs.by_seed(results, words[0], runs.MEASURES[measure])
    if isinstance(found, Undefined):
        return lambda alpha: found
    means = np.array([float(np.mean(values)) for values in found.values()])
    return lambda alpha: clustered_difference(means, alpha, "seed", bound=runs.BOUND)


def _measured(results: LoopResults, words: list[str]) -> tuple[str, runs.Measure] | None:
    """An arm and a measure from an estimand's words: a score, or final accuracy on a part."""
    if len(words) == 2 and words[0] in results.loop.arms and words[1] in runs.MEASURES:
        return words[0], runs.MEASURES[words[1]]
    place = _place(results, words)
    return None if place is None else (place[0][0], runs.accuracy_on(place[1]))


def _seed_effect(results: LoopResults, words: list[str]) -> Estimand | None:
    asked = _measured(results, words)
    if asked is None:
        return None
    found = runs.by_seed(results, *asked)
    return lambda alpha: found if isinstance(found, Undefined) else intraclass(found, alpha)


def _variance(results: LoopResults, words: list[str]) -> Estimand | None:
    asked = _measured(results, [*words[:1], *words[2:]])
    if asked is None or len(words) < 2 or words[1] not in factors_of(results, asked[0]):
        return None
    return component_estimand(results, asked[0], words[1], asked[1])


def _grokked(results: LoopResults, words: list[str]) -> Estimand | None:
    place = _place(results, words)
    if place is None:
        return None
    (arm,), part = place
    found = runs.by_seed(results, arm, lambda run: runs.did_grok(run, part))
    if isinstance(found, Undefined):
        return lambda alpha: found
    means = np.array([float(np.mean(values)) for values in found.values()])
    return lambda alpha: clustered_proportion(means, alpha, "seed")


ESTIMANDS: dict[str, Find] = {
    "final_accuracy": _of_arm(final, proportion, ""),
    "base_accuracy": _of_arm(base, proportion, ""),
    "pass_at": _pass_at,
    "gain": _of_arm(gain, paired, ""),
    "difference": _between(final, ""),
    "forgetting": _of_arm(lost, proportion, TRAIN),
    "improvement": _of_arm(learned, proportion, TRAIN),
    "forgetting_difference": _between(lost, TRAIN),
    "type_drop": partial(_largest_drop, False),
    "type_below_baseline": partial(_largest_drop, True),
    "ece": partial(_calibration, "ece"),
    "brier": partial(_calibration, "brier"),
    "meta_learning_score": partial(_score, "meta_learning_score"),
    "meta_learning_score_cumulative": partial(_score, "meta_learning_score_cumulative"),
    "seed_effect": _seed_effect,
    "variance": _variance,
    "grokked": _grokked,
}
