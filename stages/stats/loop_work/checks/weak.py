"""Weak areas: found by an interval in a self-test, never by a label that stands for 'unknown'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.stats.checks.check import Finding, absent, judged
from stages.stats.intervals import wilson
from stages.stats.loop_work.checks.record import LoopRecord, where
from stages.stats.loop_work.results import Checkpoint, Run

WEAK, SELF_TEST = "weak", "self_test"
"""Facts of a targeted step: the groups it found weak, and what that rests on, group -> [right,
asked]."""
ALPHA = 0.05


def weak_by_interval(record: LoopRecord) -> Finding:
    """Check L2: each weak area is a group of the items, below the overall rate by its interval.

    A default label makes one group of all that has no subject: it has the overall rate, and is
    found 'weak' in every generation by count alone.
    """
    arms = [arm for arm, values in record.results.loop.arms.items() if values.targeted]
    if not arms:
        return absent("no arm aims at weak areas")
    problems: list[str] = []
    named = steps = 0
    for run, point in record.points():
        if run.place.arm in arms:
            weak = point.facts.own.get(WEAK)
            steps += 1
            named += len(weak or ())
            problems += [f"{where(run, point)}: {text}" for text in _problems(run, point)]
    return judged(
        {"targeted_steps": steps, "weak_areas": named},
        problems,
        "Give every item its subject, and call a group weak only where its whole interval lies "
        "below the overall rate.",
    )


def _problems(run: Run, point: Checkpoint) -> list[str]:
    own = point.facts.own
    if WEAK not in own:
        return ["it says nothing of which groups were weak"]
    weak: Sequence[str] = own[WEAK]
    tested: Mapping[str, Sequence[int]] = own.get(SELF_TEST, {})
    groups = {row.group for row in run.items.values()}
    problems = [f"{group!r} is no group of the items" for group in weak if group not in groups]
    right, asked = (sum(counts[at] for counts in tested.values()) for at in (0, 1))
    for group in weak:
        if group not in tested:
            problems.append(f"{group!r} is called weak without a self-test")
        elif wilson(tested[group][0], tested[group][1], ALPHA / len(tested)).hi >= right / asked:
            problems.append(
                f"{group!r} is called weak at {tested[group][0]} of {tested[group][1]} right, "
                f"where all have {right} of {asked}"
            )
    return problems
