"""The nodes after it: overfit, forgetting, harness."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from stages.records import Outcome
from stages.stats.clusters import clustered_difference
from stages.stats.diagnosis.case import (
    NOT_MEASURED,
    PASSED,
    SUSPECT,
    Case,
    Node,
    first_problems,
    first_remedy,
)
from stages.stats.diagnosis.stream import stream_arms, stream_gains, stream_losses
from stages.stats.diagnosis.training import DATA_CHECKS, FORMAT_CHECKS, LIVE_CHECKS
from stages.stats.estimands import capability_drop, forgetting, origins, retention_at
from stages.stats.intervals import Estimate
from stages.stats.results import TEST, TRAIN

OVERFIT, FORGETTING, HARNESS = "overfit", "forgetting", "harness"
FORGETTING_CHECKS = (8, 13)
MARGIN = 0.02
"""Registered margin of the guard, a share of problems (seeds/004)."""
RETAINED = 0.9
"""Registered retention of trained pairs, a share (seeds/004, experiment 1)."""
MOST_HARNESS_ERRORS = 0.02


def overfit(case: Case) -> Node:
    """Whether an arm gained more on the tasks it was trained on than on the test tasks.

    Gains are taken against base on the same tasks, so that halves of unequal difficulty don't
    count. Beside it the training loss, first and last, and a held-out one where training kept it.
    """
    alpha = case.results.lab.experiment.alpha
    losses = {name: row for name, row in case.of_arms(case.results.losses).items() if row}
    evidence: dict[str, Any] = {}
    if losses:
        evidence["first_loss_max"] = max(row[0] for row in losses.values())
        evidence["last_loss_max"] = max(row[-1] for row in losses.values())
    worse = _held_out(case, evidence)
    source = f"models/adapters/{case.experiment}/**/losses.json"
    measured = bool(worse is not None)
    for arm in (*case.arms, *stream_arms(case)):
        difference = gain_gap(case, arm, alpha)
        if difference is not None:
            measured = True
            source = (
                f"{source}, data/evaluations/{case.experiment}, data/baseline/{case.experiment}"
            )
            evidence |= _interval(f"{arm}_trained_minus_test_gain", difference)
            if difference.lo > 0:
                worse = True
    if not measured:
        reason = "no arm of it played its training tasks, and no held-out loss was kept"
        return Node(OVERFIT, NOT_MEASURED, {**evidence, "reason": reason}, source)
    if worse:
        remedy = (
            "It knows its sessions by heart: fewer epochs, a lower rate or rank, or more "
            "different sessions."
        )
        return Node(OVERFIT, SUSPECT, evidence, source, remedy)
    return Node(OVERFIT, PASSED, evidence, source)


def _held_out(case: Case, evidence: dict[str, Any]) -> bool | None:
    """Whether a held-out loss ended above the base's; None where none was kept."""
    pairs = [
        (row["held_out_first_loss"], row["held_out_last_loss"])
        for row in case.of_arms(case.results.facts).values()
        if {"held_out_first_loss", "held_out_last_loss"} <= row.keys()
    ]
    if not pairs:
        return None
    evidence["held_out_first_loss_min"] = min(first for first, _ in pairs)
    evidence["held_out_last_loss_max"] = max(last for _, last in pairs)
    return any(last > first for first, last in pairs)


def gain_gap(case: Case, arm: str, alpha: float) -> Estimate | None:
    """(arm - base on training tasks) - (arm - base on test tasks), None where a half is missing.

    The halves share no task, so the two intervals are combined by the method of variance estimates
    recovery. Reference: Zou & Donner (2008), Statistics in Medicine 27, equation 7.
    """
    if arm in stream_arms(case):
        gains = stream_gains(case, arm)
        return None if gains is None else _less(*gains)
    if not case.results.select(arm, TRAIN) or not case.results.select(arm, TEST):
        return None
    trained, test = (
        clustered_difference(case.results.differences("base", arm, half), alpha)
        for half in (TRAIN, TEST)
    )
    return _less(trained, test)


def _less(trained: Estimate, test: Estimate) -> Estimate:
    value = trained.value - test.value
    below = math.hypot(trained.value - trained.lo, test.hi - test.value)
    above = math.hypot(trained.hi - trained.value, test.value - test.lo)
    n = min(trained.n, test.n)
    return Estimate(value, value - below, value + above, n, "task", trained.alpha)


def what_was_forgotten(case: Case) -> Node:
    """Whether the adapter lost tasks of base's, guard problems, or its own trained pairs."""
    results, alpha = case.results, case.results.lab.experiment.alpha
    source = f"data/evaluations/{case.experiment}, {case.audit_file}"
    failed = case.failed(FORGETTING_CHECKS)
    evidence: dict[str, Any] = dict(first_problems(failed))
    problems: list[str] = []
    if "skill" in case.arms:
        problems = _skill_lost(case, alpha, evidence)
    problems += stream_losses(case, evidence, RETAINED, MARGIN)
    if failed:
        return Node(FORGETTING, SUSPECT, evidence, source, first_remedy(failed))
    if problems:
        remedy = f"{'; '.join(problems)}: mix rehearsal in, lower the rate, or fewer epochs."
        return Node(FORGETTING, SUSPECT, evidence, source, remedy)
    if not evidence:
        reason = "its arms have neither training tasks, guard nor retention of their own"
        if "skill" in case.arms or not results.rows:
            reason = "neither training tasks, guard nor retention were measured"
        return Node(FORGETTING, NOT_MEASURED, {"reason": reason}, source)
    return Node(FORGETTING, PASSED, evidence, source)


def _skill_lost(case: Case, alpha: float, evidence: dict[str, Any]) -> list[str]:
    problems = []
    lost = forgetting(case.results, alpha)
    if isinstance(lost, Estimate):
        evidence |= _interval("forgetting", lost)
        if lost.lo > 0:
            problems.append("it resolves fewer of its training tasks than base")
    drop = capability_drop(case.results, alpha)
    if isinstance(drop, Estimate):
        evidence |= {**_interval("capability_drop", drop), "margin": MARGIN}
        if drop.lo > MARGIN:
            problems.append("the guard dropped by more than its margin")
    kept = [retention_at(case.results, o, alpha) for o in origins(case.results)]
    known = [estimate for estimate in kept if isinstance(estimate, Estimate)]
    if known:
        least = min(known, key=lambda estimate: estimate.value)
        evidence |= _interval("least_retention", least)
        if least.hi < RETAINED:
            problems.append("pairs of its own sessions are not kept")
    return problems


def harness(case: Case) -> Node:
    """Whether episodes were lost to the harness, or a stop check of tasks, tools or record fails.

    Every stop check that no other node looks at is looked at here, so that none is passed over.
    """
    rows = [row for row in case.results.rows if row.condition in case.conditions]
    episodes = Counter(row.condition for row in rows)
    lost = Counter(row.condition for row in rows if row.outcome == Outcome.HARNESS_ERROR)
    elsewhere = {*DATA_CHECKS, *FORMAT_CHECKS, *LIVE_CHECKS, *FORGETTING_CHECKS}
    failed = case.failed(i for i in map(int, case.checks) if i not in elsewhere)
    shares = {name: lost[name] / count for name, count in episodes.items()}
    worst = max(shares, key=lambda name: shares[name], default="")
    evidence: dict[str, Any] = {
        "episodes": episodes.total(),
        "harness_errors": lost.total(),
        "worst_condition": worst,
        "worst_share": shares.get(worst),
        "pathologies": sum(row.pathology != "none" for row in rows),
        **first_problems(failed),
    }
    source = f"data/evaluations/{case.experiment}, {case.audit_file}"
    if failed:
        return Node(HARNESS, SUSPECT, evidence, source, first_remedy(failed))
    if shares.get(worst, 0.0) > MOST_HARNESS_ERRORS:
        remedy = f"Mend sandbox, limits or disk, delete {worst}'s files and run `dvc repro`."
        return Node(HARNESS, SUSPECT, evidence, source, remedy)
    if not rows and not case.checks:
        reason = {"reason": "no episode and no check was recorded"}
        return Node(HARNESS, NOT_MEASURED, reason, source)
    return Node(HARNESS, PASSED, evidence, source)


def _interval(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_lo": estimate.lo, f"{name}_hi": estimate.hi}
