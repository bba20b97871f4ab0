"""Estimands of streams, ``stream.…``: what e01–e05 speak of. ARM and REF are arms of the stream.

Units: shares and differences of shares in [0, 1] unless a line says otherwise; ratios have none.
Each is by session (or task, problem), crossed with runs (split and seed).

``stream.retention.ARM``: share of trained examples kept after the latest consolidation.
``stream.retention.ARM.after_N``: the same after the consolidation at N sessions.
``stream.retention_at.ARM.O``: of the sessions within N/8 places of origin O.
``stream.retention_min.ARM[.after_N]``: the smallest of those at O = 1, N/4, N/2, 3N/4, N.
``stream.retention_difference.ARM.REF``: ARM - REF, paired by session and run.
``stream.retention_ratio.ARM.REF``: ARM / REF, Fieller's interval.
``stream.retention_range.A.B[.C…]``: largest difference between any two of the arms named.
``stream.best_retention_ratio.REF.under_P[.A.B…]``: largest retention_ratio over the arms that cost
  less than P % of REF (counted FLOPs); of all arms, or of those named.
``stream.retention_loss.ARM``: peak since a session's block arrived - at the end (stream_cells).
``stream.retention_loss_difference.ARM.REF``, ``stream.retention_loss_ratio.ARM.REF``: of that.
``stream.forgetting.ARM``: the same of success on the stream's tasks: the registered forgetting.
``stream.forgetting_difference.ARM.REF``: ARM - REF; below 0, ARM forgets less.
``stream.forgetting_ratio.ARM.REF``: ARM / REF; '25 % less than REF' is < 0.75.
``stream.best_forgetting_ratio.REF.PREFIX``, ``stream.best_retention_loss_ratio.REF.PREFIX``: the
  smallest ratio over the arms whose names begin with PREFIX.
``stream.forward_transfer.ARM``: FT: next tasks after each checkpoint - base on them, by task.
``stream.capability_drop.ARM``: base - ARM on the guard after the last consolidation, by problem.
``stream.category_loss.ARM.REF``: largest over categories of retention of REF - of ARM.
``stream.category_degradation.ARM``: largest over categories of ARM's own retention_loss.
``stream.router_accuracy.ARM``: held-out queries that the router sends to their own category.
``stream.retention_per_rank.ARM.REF``: ratio of retention / total rank.
``stream.half_rank_retention.ARM``: retention after / before, of sessions whose adapter an SVD cut
  to at most half its rank.
``stream.power_over_cliff.ARM``: how much better a power law of age predicts retention in an unseen
  run than the better cliff (decay.py); in squared shares, above 0 for the power law.
``stream.cost_ratio.ARM.REF``: FLOPs of all training, probing and Fisher passes; a count.
``stream.token_ratio.ARM.REF``: the same of tokens trained on.
``stream.fisher_share.ARM``: tokens passed for the Fisher / tokens passed for training; a count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from stages.params import ParamsError
from stages.stats.clusters import clustered_difference, clustered_proportion
from stages.stats.continual import registered_origins
from stages.stats.decay import power_over_cliff
from stages.stats.families import costs, experts, ranks
from stages.stats.families.guard import guard_drop
from stages.stats.intervals import Estimate, Undefined
from stages.stats.ratio import clustered_ratio
from stages.stats.results import Results
from stages.stats.stream_cells import (
    Found,
    as_cells,
    both,
    by_age,
    drops,
    near,
    next_gains,
    paired,
    retained,
)
from stages.stats.streams import Stream
from stages.stats.verdict import Estimand, maximum_of, minimum_of

WINDOW = 0.125
"""A registered origin stands for the sessions within this share of N around it, as in p1."""
SESSION = "session"
AFTER = re.compile(r"after_(\d+)")
UNDER = re.compile(r"under_(\d+)")


def stream_estimand(results: Results, parts: Sequence[str]) -> Estimand | None:
    """The estimand ``stream.<parts>``; None if there is none of that name."""
    if len(parts) < 2:
        return None
    name, rest = parts[0], list(parts[1:])
    after = None
    if name in ("retention", "retention_min") and (found := AFTER.fullmatch(rest[-1])):
        after, rest = int(found[1]), rest[:-1]
    if name in ("retention", "retention_min") and len(rest) == 1:
        return partial(ONE[name], results, after=after)(rest[0])
    if name == "retention_at" and len(rest) == 2 and rest[1].isdigit():
        return retention_at(results, rest[0], int(rest[1]))
    if name == "retention_range":
        return retention_range(results, rest) if len(rest) > 1 else None
    if name.startswith("best_") and len(rest) > 1:
        return best(results, name.removeprefix("best_"), rest)
    makers = {1: ONE, 2: TWO}.get(len(rest), {})
    return makers[name](results, *rest) if name in makers else None


def known(results: Results, arm: str) -> list[Stream]:
    """The arm's streams; ParamsError for an arm that isn't registered."""
    plan = results.lab.experiment.stream
    if plan is None or arm not in plan.arms:
        there = ", ".join(plan.arms) if plan else "none"
        raise ParamsError(f"criteria: {arm!r} is no arm of the stream; there are {there}.")
    return results.streams.of(arm)


def of_values(found: Found, missing: str, difference: bool, alpha: float) -> Estimate | Undefined:
    """Mean of measured values: a rate, or a difference around 0."""
    if not found:
        return Undefined(missing)
    cells = as_cells(found)
    if difference:
        return clustered_difference(cells, alpha, SESSION)
    return clustered_proportion(cells, alpha, SESSION)


def retention(results: Results, arm: str, after: int | None = None) -> Estimand:
    found = retained(known(results, arm), after)
    return partial(of_values, found, f"retention of {arm} was not measured", False)


def retention_at(results: Results, arm: str, origin: int, after: int | None = None) -> Estimand:
    streams = known(results, arm)
    found = near(streams, retained(streams, after), origin, reach_of(results, after))
    return partial(of_values, found, f"no trained example of {arm} near session {origin}", False)


def reach_of(results: Results, after: int | None) -> int:
    """Places around a registered origin that it stands for."""
    plan = results.lab.experiment.stream
    return round(WINDOW * (after or (plan.sessions if plan else 0)))


def retention_min(results: Results, arm: str, after: int | None = None) -> Estimand:
    plan = results.lab.experiment.stream
    origins = registered_origins(after or (plan.sessions if plan else 1))
    return minimum_of([retention_at(results, arm, origin, after) for origin in origins])


def retention_range(results: Results, arms: Sequence[str]) -> Estimand:
    pairs = [(one, other) for one in arms for other in arms if one != other]
    return maximum_of([difference_of(RETAINED, results, *pair) for pair in pairs])


Values = Callable[[Results, str], Found]


def kept_values(results: Results, arm: str) -> Found:
    return retained(known(results, arm))


def loss_values(results: Results, arm: str) -> Found:
    streams = known(results, arm)
    return drops(streams, [stream.kept() for stream in streams])


def forgetting_values(results: Results, arm: str) -> Found:
    streams = known(results, arm)
    return drops(streams, [stream.played for stream in streams])


RETAINED = kept_values


def mean_of(values: Values, results: Results, arm: str) -> Estimand:
    reason = f"{arm} was not measured after two checkpoints"
    return partial(of_values, values(results, arm), reason, True)


def difference_of(values: Values, results: Results, arm: str, reference: str) -> Estimand:
    found = paired(values(results, arm), values(results, reference))
    return partial(of_values, found, f"{arm} and {reference} were not measured alike", True)


def ratio_of(values: Values, results: Results, arm: str, reference: str) -> Estimand:
    cells = both(values(results, arm), values(results, reference))

    def estimate(alpha: float) -> Estimate | Undefined:
        if not cells[0].size:
            return Undefined(f"{arm} and {reference} were not measured alike")
        return clustered_ratio(*cells, alpha, SESSION)

    return estimate


RATIOS = {
    "retention_ratio": kept_values,
    "retention_loss_ratio": loss_values,
    "forgetting_ratio": forgetting_values,
}


def best(results: Results, name: str, rest: Sequence[str]) -> Estimand | None:
    """The largest retention ratio among cheap arms, or the smallest ratio of what was lost."""
    if name not in RATIOS:
        return None
    reference, rule, named = rest[0], rest[1], rest[2:]
    known(results, reference)
    plan = results.lab.experiment.stream
    arms = [arm for arm in (plan.arms if plan else ()) if arm != reference]
    if found := UNDER.fullmatch(rule):
        chosen = [arm for arm in (named or arms) if _cheap(results, arm, reference, int(found[1]))]
    else:
        chosen = [arm for arm in arms if arm.startswith(rule)]
    if not chosen:
        return partial(_nothing, f"no arm fits {rule} against {reference}")
    each = [ratio_of(RATIOS[name], results, arm, reference) for arm in chosen]
    return (maximum_of if name == "retention_ratio" else minimum_of)(each)


def _nothing(reason: str, alpha: float) -> Undefined:
    return Undefined(reason)


def _cheap(results: Results, arm: str, reference: str, percent: int) -> bool:
    """By the counted cost, which isn't an outcome: choosing arms by it selects nothing."""
    known(results, arm)
    ratio = costs.cost_ratio(results, arm, reference)(results.lab.experiment.alpha)
    return isinstance(ratio, Estimate) and ratio.value < percent / 100


def forward_transfer(results: Results, arm: str) -> Estimand:
    known(results, arm)
    found = next_gains(results.streams, arm)
    return partial(of_values, found, f"{arm} played no next tasks", True)


def decays_as_power(results: Results, arm: str) -> Estimand:
    ages, cells = by_age(known(results, arm))
    if ages.size < 3:
        return partial(_nothing, f"{arm} has {ages.size} ages; a decay needs at least 3")
    return power_over_cliff(ages, cells)


def drop_of(results: Results, arm: str) -> Estimand:
    known(results, arm)
    return partial(guard_drop, results, arm)


ONE: dict[str, Callable[..., Estimand]] = {
    "retention": retention,
    "retention_min": retention_min,
    "retention_loss": partial(mean_of, loss_values),
    "forgetting": partial(mean_of, forgetting_values),
    "forward_transfer": forward_transfer,
    "capability_drop": drop_of,
    "category_degradation": experts.category_degradation,
    "router_accuracy": experts.router_accuracy,
    "half_rank_retention": ranks.half_rank_retention,
    "power_over_cliff": decays_as_power,
    "fisher_share": costs.fisher_share,
}
TWO: dict[str, Callable[..., Estimand]] = {
    "retention_difference": partial(difference_of, kept_values),
    "retention_loss_difference": partial(difference_of, loss_values),
    "forgetting_difference": partial(difference_of, forgetting_values),
    **{name: partial(ratio_of, values) for name, values in RATIOS.items()},
    "category_loss": experts.category_loss,
    "retention_per_rank": ranks.retention_per_rank,
    "cost_ratio": costs.cost_ratio,
    "token_ratio": costs.token_ratio,
}
