"""What iterations of a loop bring: pass@k by type, and how different its solutions are."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from stages.stats.clusters import clustered_proportion
from stages.stats.loop_work.estimands import by_group, measured, passed_of
from stages.stats.loop_work.results import LoopResults, Run
from stages.stats.loops.diversity import normalised_program
from stages.stats.summary import rounded

ALL = "all"
MAX_CHECKPOINTS = 11
"""A table of types shows at most so many checkpoints, evenly spaced, both ends among them."""
Row = dict[str, Any]


def passes(results: LoopResults) -> list[Row]:
    """pass@1, and pass@k for k samples, by arm, checkpoint and group, on the untrained part.

    By item, crossed with seeds; ``all`` stands for every group together.
    """
    part, table = results.untrained, []
    samples = results.loop.probe.samples
    for arm in results.by_arm:
        last = max(len(run.checkpoints) for run in results.outcomes(arm)) - 1
        for number in spaced(last):
            for k in dict.fromkeys((1, samples)):
                value = passed_of(k, number)
                cells = results.cells(arm, part, value)
                groups = {ALL: cells} if measured(cells) else {}
                groups |= by_group(results, arm, part, value)
                for group, own in groups.items():
                    e = clustered_proportion(own, results.loop.alpha, "item")
                    place = {"arm": arm, "checkpoint": number, "group": group, "k": k}
                    ends = {"rate": e.value, "lo": e.lo, "hi": e.hi, "n": e.n}
                    table.append({**place, **ends})
    return rounded(table)


def spaced(last: int) -> list[int]:
    """At most ``MAX_CHECKPOINTS`` of the checkpoints 0 to ``last``, both ends kept.

    >>> spaced(3), spaced(25)[:3], spaced(25)[-1]
    ([0, 1, 2, 3], [0, 2, 5], 25)
    """
    points = min(last + 1, MAX_CHECKPOINTS)
    return sorted({round(last * at / max(1, points - 1)) for at in range(points)})


def diversity(results: LoopResults) -> list[Row]:
    """Distinct solutions / solutions by arm and checkpoint, of the first seed's right attempts.

    Programs count as one where they differ in names and layout only. An item is a unit; those with
    one solution are left out, since it is distinct by necessity.
    """
    table = []
    for arm in results.by_arm:
        run = results.outcomes(arm)[0]
        for point in run.checkpoints[1:]:
            solved = _solutions(run, point.number)
            shares = [len(set(texts)) / len(texts) for texts in solved if len(texts) > 1]
            if shares:
                e = clustered_proportion(shares, results.loop.alpha, "item")
                place = {"arm": arm, "run": run.name, "checkpoint": point.number}
                ends = {"distinct": e.value, "lo": e.lo, "hi": e.hi, "n": e.n}
                table.append({**place, **ends, "solutions": sum(map(len, solved))})
    return rounded(table)


def _solutions(run: Run, number: int) -> list[list[str]]:
    """The model's own right answers before a checkpoint, by item and step."""
    found: dict[tuple[str, int], list[str]] = defaultdict(list)
    for attempt in run.checkpoints[number].attempts:
        if attempt.correct and attempt.kind == "own":
            found[attempt.item_id, attempt.step].append(normalised_program(attempt.text))
    return list(found.values())
