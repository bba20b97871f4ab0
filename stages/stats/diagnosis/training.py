"""The nodes before any task is played: data count, format validity, adapter live."""

from __future__ import annotations

import math
from typing import Any

from stages.lab.arms import examples_of
from stages.stats.checks.behaviour import STYLE_SHIFT
from stages.stats.diagnosis.case import (
    NOT_MEASURED,
    PASSED,
    SUSPECT,
    Case,
    Node,
    arm_of_path,
    first_problems,
    first_remedy,
)
from stages.stats.diagnosis.stream import examples_of_streams

DATA, FORMAT, LIVE = "data count", "format validity", "adapter live"
DATA_CHECKS, FORMAT_CHECKS, LIVE_CHECKS = (11, 12), (9, 10), (5, 6, 7, 22)
OUTPUT_SHARES = ("truncated", "empty")
"""What check 30 measures of answers that no parser can read."""


def data_count(case: Case) -> Node:
    """Whether the arms had the registered minimum of examples, and the test its minimum of units.

    An arm whose name says its number (``skill_25``) is held to that number.
    """
    experiment = case.results.lab.experiment
    counts = {
        name: facts["examples"]
        for name, facts in case.of_arms(case.results.facts).items()
        if isinstance(facts.get("examples"), int)
    } | examples_of_streams(case)
    fewest = min(counts, key=lambda name: counts[name], default=None)
    failed = case.failed(DATA_CHECKS)
    evidence: dict[str, Any] = {
        "minimum_examples": experiment.train.min_examples,
        "fewest_examples": None if fewest is None else counts[fewest],
        "fewest_of": fewest,
        "minimum_tasks": experiment.minimum_tasks,
        "units": case.verdict.get("n"),
        "units_to_decide": case.verdict.get("n_to_decide"),
        **first_problems(failed),
    }
    source = f"models/adapters/{case.experiment}/**/facts.json, {case.audit_file}"
    if remedy := _too_little(case, counts) or first_remedy(failed):
        return Node(DATA, SUSPECT, evidence, source, remedy)
    if fewest is None:
        evidence["reason"] = "no adapter of this criterion recorded how many examples it had"
        return Node(DATA, NOT_MEASURED, evidence, source)
    return Node(DATA, PASSED, evidence, source)


def _too_little(case: Case, counts: dict[str, int]) -> str:
    """The remedy where tasks or examples are too few; '' where there are enough."""
    experiment, n = case.results.lab.experiment, case.verdict.get("n")
    if case.verdict.get("unit") == "task" and n is not None and n < experiment.minimum_tasks:
        return (
            f"Test on {experiment.minimum_tasks} tasks or more, not {n}: raise the suite's tasks."
        )
    for name, count in counts.items():
        least = examples_of(arm_of_path(name)) or experiment.train.min_examples
        if count < least:
            return (
                f"{name} was trained on {count} examples, the minimum is {least}: collect more "
                "sessions or synthesize more pairs."
            )
    return ""


def format_validity(case: Case) -> Node:
    """Whether targets are what the evaluation's parser reads (checks 9 and 10), and answers too.

    Of the answers: their share that is cut off or empty, against base, as check 30 measured it for
    the criterion's own conditions; suspect from ten points with an interval above zero.
    """
    evidence: dict[str, Any] = {}
    if case.looked_at(9):
        evidence["targets"] = case.checks["9"]["evidence"].get("targets")
    failed = case.failed(FORMAT_CHECKS)
    style = case.checks.get("30", {}).get("evidence", {})
    unread = []
    for condition in case.conditions:
        for kind in OUTPUT_SHARES:
            key = f"{condition}_held_out_{kind}"
            if isinstance(style.get(key), (int, float)):
                ends = (key, f"{key}_lo", f"{key}_hi")
                evidence |= {end: style.get(end) for end in ends}
                if style[key] >= STYLE_SHIFT and style[f"{key}_lo"] > 0:
                    unread.append(f"{condition}: {kind} answers {style[key]:+.2f}")
    evidence |= first_problems(failed)
    if failed:
        return Node(FORMAT, SUSPECT, evidence, case.audit_file, first_remedy(failed))
    if unread:
        remedy = (
            f"Answers are no actions ({'; '.join(unread)}): train on the agent's own action "
            "format (T), or raise agent.max_new_tokens."
        )
        return Node(FORMAT, SUSPECT, evidence, case.audit_file, remedy)
    if not case.looked_at(9) and not evidence:
        reason = {"reason": "check 9 had nothing to look at"}
        return Node(FORMAT, NOT_MEASURED, reason, case.audit_file)
    return Node(FORMAT, PASSED, evidence, case.audit_file)


def adapter_live(case: Case) -> Node:
    """Whether ΔW and the logits moved, and the adapter on disk is the one that was served."""
    certificates = case.of_arms(case.results.certificates)
    failed = case.failed(LIVE_CHECKS)
    source = f"models/adapters/{case.experiment}/**/certificate.json, {case.audit_file}"
    norms = {name: float(row["delta_norm"]) for name, row in certificates.items()}
    shifts = {name: float(row["logit_shift_max"]) for name, row in certificates.items()}
    evidence: dict[str, Any] = {
        "adapters": len(certificates),
        "delta_norm_min": min(norms.values(), default=None),
        "logit_shift_min": min(shifts.values(), default=None),
        **first_problems(failed),
    }
    dead = [
        name
        for values in (norms, shifts)
        for name, value in values.items()
        if not math.isfinite(value) or value <= 0
    ]
    if dead or failed:
        remedy = first_remedy(failed) or (
            f"{dead[0]} doesn't change the model: train it again (learning rate, target modules), "
            "then play its conditions again."
        )
        return Node(LIVE, SUSPECT, evidence, source, remedy)
    if not certificates and case.looked_at(5):
        measured = case.checks["5"]["evidence"]
        return Node(LIVE, PASSED, {**dict(measured), "check": 5}, case.audit_file)
    if not certificates:
        reason = {"reason": "no adapter of this criterion has a certificate"}
        return Node(LIVE, NOT_MEASURED, reason, source)
    return Node(LIVE, PASSED, evidence, source)
