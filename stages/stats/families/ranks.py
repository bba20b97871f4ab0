"""Estimands of rank (e05): what is kept per rank, and through a truncated SVD."""

from __future__ import annotations

from stages.stats.intervals import Estimate, Undefined
from stages.stats.ratio import clustered_ratio
from stages.stats.results import Results
from stages.stats.stream_cells import Found, both, key_of, last_fact, retained
from stages.stats.stream_states import compressions
from stages.stats.verdict import Estimand

HALF = 0.5


def retention_per_rank(results: Results, arm: str, reference: str) -> Estimand:
    """(retention / total rank of all adapters in use), arm / reference."""
    first, second = _per_rank(results, arm), _per_rank(results, reference)
    bounds = tuple(
        max(found.values(), default=1.0) * (1 + 1e-9) or 1.0 for found in (first, second)
    )
    cells = both(first, second)

    def estimate(alpha: float) -> Estimate | Undefined:
        if not cells[0].size:
            return Undefined(f"{arm} and {reference} were not measured alike, or have no rank")
        return clustered_ratio(*cells, alpha, "session", (bounds[0], bounds[1]))

    return estimate


def _per_rank(results: Results, arm: str) -> Found:
    found: Found = {}
    for stream in results.streams.of(arm):
        rank = last_fact(stream, "total_rank")
        if rank:
            found |= {key: value / rank for key, value in retained([stream]).items()}
    return found


def half_rank_retention(results: Results, arm: str) -> Estimand:
    """Retention after / before the first cut to at most half the rank, of the sessions cut.

    Before is the consolidation before; another adapter arrived in between, so that its interference
    counts against the cut too. Cuts are mostly deeper than half, which also counts against it.
    """
    before: Found = {}
    after: Found = {}
    for stream in results.streams.of(arm):
        history = stream.kept()
        learned = stream.learned(history)
        for cut in compressions(stream):
            if cut.rank_after > HALF * cut.rank_before:
                continue
            held = [name for name, at in learned.items() if cut.first <= at <= cut.last]
            for name in held:
                key, now, then = key_of(stream, name), cut.consolidation, cut.consolidation - 1
                if key not in after and name in history.get(then, {}) and name in history[now]:
                    before[key], after[key] = history[then][name], history[now][name]
    cells = both(after, before)

    def estimate(alpha: float) -> Estimate | Undefined:
        if not cells[0].size:
            return Undefined(f"nothing of {arm} was cut to half its rank or less")
        return clustered_ratio(*cells, alpha, "session")

    return estimate
