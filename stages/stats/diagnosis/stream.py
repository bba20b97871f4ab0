"""What the nodes look at where the criterion is about a stream's arms."""

from __future__ import annotations

from typing import Any

from stages.stats.clusters import clustered_difference
from stages.stats.diagnosis.case import Case
from stages.stats.estimands import estimand
from stages.stats.intervals import Estimate
from stages.stats.stream_cells import Found, as_cells, key_of, next_gains


def stream_arms(case: Case) -> tuple[str, ...]:
    """The stream's arms that the estimand names, by themselves or by their first word; else all."""
    words, known = case.estimand.split(".")[1:], case.results.streams.arms
    named = [arm for arm in known for word in words if arm == word or arm.startswith(f"{word}_")]
    if named or not case.estimand.startswith("stream."):
        return tuple(dict.fromkeys(named))
    return tuple(known)


def examples_of_streams(case: Case) -> dict[str, int]:
    """Stream -> examples that its sessions brought until the last consolidation."""
    return {
        f"streams/{stream.name}": sum(fact["new_examples"] for fact in stream.facts)
        for arm in stream_arms(case)
        for stream in case.results.streams.of(arm)
        if stream.facts
    }


def stream_gains(case: Case, arm: str) -> tuple[Estimate, Estimate] | None:
    """(on trained tasks, on the next tasks): success of an arm - base's, by task; None if unplayed.

    Trained tasks are those of all sessions that had arrived at the last checkpoint.
    """
    trained: Found = {}
    for stream in case.results.streams.of(arm):
        base = case.results.streams.base.get((stream.world, stream.seed), {})
        if not stream.played:
            continue
        last = max(stream.played)
        trained |= {
            key_of(stream, name): stream.played[last][name] - base[name]
            for name, at in stream.learned([last]).items()
            if at and name in stream.played[last] and name in base
        }
    following = next_gains(case.results.streams, arm)
    if not trained or not following:
        return None
    alpha = case.results.lab.experiment.alpha
    first, second = (clustered_difference(as_cells(gains), alpha) for gains in (trained, following))
    return first, second


def stream_losses(case: Case, evidence: dict[str, Any], retained: float, margin: float) -> list:
    """Problems in words where an arm of the stream forgot; its numbers go into ``evidence``."""
    problems = []
    for arm in stream_arms(case):
        found = {
            name: estimand(case.results, f"stream.{name}.{arm}")(case.results.lab.experiment.alpha)
            for name in ("forgetting", "retention", "capability_drop")
        }
        known = {name: e for name, e in found.items() if isinstance(e, Estimate)}
        for name, e in known.items():
            key = f"{arm}_{name}"
            evidence |= {key: e.value, f"{key}_lo": e.lo, f"{key}_hi": e.hi}
        if "forgetting" in known and known["forgetting"].lo > 0:
            problems.append(f"{arm} forgets what it had learned")
        if "retention" in known and known["retention"].hi < retained:
            problems.append(f"{arm} keeps {known['retention'].value:.0%} of its trained examples")
        if "capability_drop" in known and known["capability_drop"].lo > margin:
            problems.append(f"{arm}: the guard dropped by more than its margin")
    return problems
