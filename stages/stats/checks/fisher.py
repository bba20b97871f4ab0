"""Elastic weight consolidation: its penalty at θ*, and what its Fisher information is made of."""

from __future__ import annotations

from typing import Any

from stages.stats.checks.check import Finding, absent, judged
from stages.stats.checks.record import Record
from stages.stats.stream_states import noted, state_folder
from stages.stats.streams import Stream

TOLERANCE = 1e-4
"""Relative difference of sums that are taken in another order and precision."""


def fisher_is_sound(record: Record) -> Finding:
    """Check 8: the penalty is 0 at θ* and grows off it; the Fisher is of per-sample gradients.

    θ* and the Fisher are those stored with each stream's last consolidation. A sample's squared
    gradient norms must differ, and their mean (the diagonal's sum) must exceed the squared norm of
    the mean gradient, which is what a batch's gradient gives; the stored diagonal must sum to the
    mean that was noted, or the mean over consolidations.
    """
    streams = [s for s in record.results.streams.streams if _is_ewc(record, s)]
    if not streams:
        return absent("no arm has a penalty with Fisher information")
    problems, largest, ratios = [], 0.0, []
    for stream in streams:
        found, at_anchor = _penalty_problems(record, stream)
        largest = max(largest, abs(at_anchor))
        problems += [f"{stream.name}: {text}" for text in found]
        for number, fact in enumerate(_noted(stream), start=1):
            problems += [f"{stream.name}/c{number:04}: {text}" for text in _batch(fact)]
            if fact.get("of_mean"):
                ratios.append(fact["trace"] / fact["of_mean"])
    return judged(
        {
            "streams": len(streams),
            "penalty_at_anchor": largest,
            "trace_to_batch_min": min(ratios, default=None),
            "tolerance": TOLERANCE,
        },
        problems,
        "Give diagonal_fisher one gradient per sample, start each training from its anchor, and "
        "train the arm again.",
    )


def _is_ewc(record: Record, stream: Stream) -> bool:
    plan = record.lab.experiment.stream
    params = plan.arms[stream.arm] if plan else None
    return params is not None and params.strategy == "ewc" and bool(_noted(stream))


def _noted(stream: Stream) -> list[dict[str, Any]]:
    return noted(stream).get("fisher", [])


def _batch(fact: dict[str, Any]) -> list[str]:
    """Signs that a Fisher estimate is made of a batch's gradient."""
    missing = [name for name in ("of_mean", "smallest", "largest") if name not in fact]
    if missing:
        return [f"facts don't have {', '.join(missing)} of the gradients"]
    problems = []
    if fact["samples"] > 1 and fact["smallest"] == fact["largest"]:
        problems.append(f"all {fact['samples']} gradients have one norm, as a batch's has")
    if fact["samples"] > 1 and fact["trace"] <= fact["of_mean"] * (1 + TOLERANCE):
        problems.append("the Fisher's trace is that of the mean gradient")
    return problems


def _penalty_problems(record: Record, stream: Stream) -> tuple[list[str], float]:
    """What is wrong with the stored anchor and Fisher, and the penalty at the anchor."""
    from stages.strategies.ewc import Ewc, penalty_of
    from stages.strategies.protocol import ADAPTER
    from stages.strategies.store import load_state

    plan = record.lab.experiment.stream
    assert plan is not None
    settings = Ewc(**plan.arms[stream.arm].settings)
    state = load_state(state_folder(stream, stream.last))
    anchor = state.adapters[ADAPTER]
    of = penalty_of(anchor, state.tensors, settings.strength, settings.space)
    at_anchor = float(of(anchor[0])())
    problems = []
    if at_anchor != 0.0:
        problems.append(f"the penalty is {at_anchor:.3g} at its own anchor")
    off = float(of({name: tensor + 0.01 for name, tensor in anchor[0].items()})())
    if not off > 0.0:
        problems.append(f"the penalty is {off:.3g} away from its anchor: it protects nothing")
    total = sum(float(tensor.double().sum()) for tensor in state.tensors.values())
    traces = [fact["trace"] for fact in _noted(stream)]
    mean = traces[-1] if settings.accumulation == "replace" else sum(traces) / len(traces)
    if abs(total - mean) > TOLERANCE * mean:
        problems.append(f"the stored diagonal sums to {total:.4g}, the gradients to {mean:.4g}")
    return problems, at_anchor
