"""Estimands of streams against numbers worked out by hand."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.params import ParamsError
from stages.records import write_json
from stages.stats.estimands import estimand
from stages.stats.families.costs import COUNT
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import Results
from stages.stats.stream_cells import by_age
from stages.strategies.experts import LABELS, QUERIES
from stages.strategies.protocol import State
from stages.strategies.router import RouterSettings, train_router
from stages.strategies.store import save_state
from tests.stats.families.small_stream import made_results, made_stream

FADING = {1: [[1, 1]], 2: [[1, 0], [1, 1]], 3: [[0, 0], [1, 0], [1, 1]]}
KEPT = {1: [[1, 1]], 2: [[1, 1], [1, 1]], 3: [[1, 1], [1, 1], [1, 1]]}


def value(results: Results, name: str) -> float:
    found = estimand(results, name)(0.05)
    assert isinstance(found, Estimate), found
    assert found.lo <= found.value <= found.hi
    return round(found.value, 10)


def two_arms() -> Results:
    fading = [made_stream("naive", FADING, seed=seed) for seed in (0, 1)]
    return made_results([*fading, *(made_stream("full", KEPT, seed=seed) for seed in (0, 1))])


def test_retention_by_hand():
    made = two_arms()
    assert value(made, "stream.retention.naive") == 0.5
    assert value(made, "stream.retention.naive.after_2") == 0.75
    assert value(made, "stream.retention_at.naive.2") == 0.5
    assert value(made, "stream.retention_min.naive") == 0.0
    assert value(made, "stream.retention_min.full") == 1.0
    assert value(made, "stream.retention_difference.naive.full") == -0.5
    assert value(made, "stream.retention_range.naive.full") == 0.5


def test_what_was_lost_is_the_peak_since_arrival_less_the_end():
    """Session 1 falls from 1 to 0, session 2 from 1 to a half; the last has nothing after it."""
    made = two_arms()
    assert value(made, "stream.retention_loss.naive") == 0.75
    assert value(made, "stream.retention_loss.full") == 0.0
    assert value(made, "stream.retention_loss_difference.full.naive") == -0.75


def test_ratios_by_hand():
    many = {1: [[1, 1]] * 20, 2: [[1, 0]] * 20 + [[1, 1]] * 20}
    less = {1: [[1, 1]] * 20, 2: [[1, 0]] * 10 + [[0, 0]] * 10 + [[1, 1]] * 20}
    streams = [made_stream("naive", less, every=20), made_stream("ewc_1", many, every=20)]
    made = made_results([*streams, made_stream("ewc_2", less, every=20)])
    assert value(made, "stream.retention_ratio.naive.ewc_1") == round(0.625 / 0.75, 10)
    assert value(made, "stream.retention_loss_ratio.ewc_1.naive") == round(0.5 / 0.75, 10)
    assert value(made, "stream.best_retention_loss_ratio.naive.ewc_") == round(0.5 / 0.75, 10)


def test_a_ratio_to_an_arm_that_lost_nothing_is_undefined():
    found = estimand(two_arms(), "stream.retention_loss_ratio.naive.full")(0.05)
    assert isinstance(found, Undefined) and "isn't above 0" in found.reason


def test_forgetting_and_transfer_of_played_tasks():
    """Tasks in blocks of two: solved 1 and 1 when learned, 1 and 0 at the end."""
    kept = {1: [[1]] * 2, 2: [[1]] * 4}
    played = {1: [1, 1, 1, 0], 2: [1, 0, 1, 1]}
    streams = [made_stream("naive", kept, seed=s, every=2, played=played) for s in (0, 1)]
    made = made_results(streams, base=[0, 0, 0, 0])
    assert value(made, "stream.forgetting.naive") == 0.5
    assert value(made, "stream.forward_transfer.naive") == 0.5


def test_costs_are_counts():
    cheap = made_stream("cheap", KEPT, facts={"flops": 2e9, "trained_tokens": 50})
    dear = made_stream("full", KEPT, facts={"flops": 1e10, "trained_tokens": 200})
    made = made_results([cheap, dear])
    assert value(made, "stream.cost_ratio.cheap.full") == 0.2
    assert value(made, "stream.token_ratio.cheap.full") == 0.25
    found = estimand(made, "stream.cost_ratio.cheap.full")(0.01)
    assert isinstance(found, Estimate) and (found.unit, found.lo, found.hi) == (COUNT, 0.2, 0.2)


def test_costs_that_differ_between_runs_have_an_interval():
    costs = {("a", 0): 1e9, ("a", 1): 1.1e9, ("b", 0): 2e9, ("b", 1): 2e9}
    made = made_results(
        [made_stream(arm, KEPT, seed=seed, facts={"flops": f}) for (arm, seed), f in costs.items()]
    )
    found = estimand(made, "stream.cost_ratio.a.b")(0.05)
    assert isinstance(found, Estimate) and found.unit == "run"
    assert found.lo < 0.5 and found.hi > 0.55
    assert found.value == pytest.approx((0.5 * 0.55) ** 0.5)


def test_only_arms_that_cost_little_are_compared_for_the_best_retention():
    facts = {"full": 10.0, "cheap": 2.0, "dear": 5.0}
    many = {1: [[1, 1]] * 60}
    streams = [made_stream(arm, many, every=60, facts={"flops": f}) for arm, f in facts.items()]
    found = estimand(made_results(streams), "stream.best_retention_ratio.full.under_30")(0.05)
    assert isinstance(found, Estimate) and found.value == 1.0 and found.lo > 0.8
    none = estimand(made_results(streams), "stream.best_retention_ratio.full.under_10")(0.05)
    assert isinstance(none, Undefined)


def test_fisher_share_counts_all_consolidations():
    facts = {"fisher_tokens": 30, "trainings": [{"computed_tokens": 40}, {"computed_tokens": 60}]}
    made = made_results([made_stream("ewc", KEPT, facts=facts)])
    assert value(made, "stream.fisher_share.ewc") == 0.3


def test_the_guard_is_paired_by_problem_and_run():
    def rows(passed: str, **run: object) -> list[dict]:
        return [{"problem_id": n, "passed": c == "1", **run} for n, c in enumerate(passed)]

    place = {"world": "oak", "split": "A", "seed": 0}
    arm = dataclasses.replace(made_stream("full", KEPT), guard=tuple(rows("1001")))
    made = made_results([arm], guard={"base": rows("1101", **place)})
    assert value(made, "stream.capability_drop.full") == 0.25


def test_categories_are_those_of_the_taxonomy():
    fading = {1: [[1, 1]], 2: [[0, 1], [1, 1]]}
    kept = {1: [[1, 1]], 2: [[1, 1], [1, 1]]}
    skills = ("unit", "rounding")
    streams = [made_stream("experts", fading, skills=skills), made_stream("single", kept)]
    settings = {"experts": {"taxonomy": {"numbers": ["unit"], "rest": ["rounding"]}}}
    made = made_results([streams[0], made_stream("single", kept, skills=skills)], settings=settings)
    assert value(made, "stream.category_loss.experts.single") == 0.5
    assert value(made, "stream.category_degradation.experts") == 1.0


def test_retention_per_rank():
    many = {1: [[1, 1]] * 20}
    streams = [made_stream("adaptive", many, every=20, facts={"total_rank": 8})]
    streams.append(made_stream("fixed", many, every=20, facts={"total_rank": 16}))
    made = made_results(streams)
    assert value(made, "stream.retention_per_rank.adaptive.fixed") == 2.0


def test_unknown_names_and_arms_are_named():
    made = two_arms()
    for name in ("stream.retention", "stream.nothing.naive", "stream.retention_ratio.naive"):
        with pytest.raises(ParamsError, match="unknown"):
            estimand(made, name)
    with pytest.raises(ParamsError, match="'nobody' is no arm"):
        estimand(made, "stream.retention.nobody")


@pytest.mark.parametrize(
    "name",
    ["retention.naive", "retention_min.full", "retention_ratio.naive.full", "retention_loss.naive"],
)
def test_a_smaller_alpha_never_gives_a_narrower_interval(name: str):
    kept = {1: [[1, 1]] * 10, 2: [[1, 0], [1, 1], [0, 0], [1, 1], [1, 1]] * 2 + [[1, 1]] * 10}
    full = {1: [[1, 1]] * 10, 2: [[1, 1]] * 19 + [[1, 0]]}
    streams = [made_stream("naive", kept, seed=seed, every=10) for seed in (0, 1)]
    streams += [made_stream("full", full, seed=seed, every=10) for seed in (0, 1)]
    found = estimand(made_results(streams), f"stream.{name}")
    levels = [found(alpha) for alpha in (0.5, 0.2, 0.05, 0.01, 0.001)]
    known = [e for e in levels if isinstance(e, Estimate)]
    assert len(known) >= 2
    for wide, wider in pairwise(known):
        assert wider.lo <= wide.lo and wider.hi >= wide.hi


def test_with_few_runs_the_decay_is_replicated_by_place_in_the_consolidation():
    """Sessions come in pairs; the first of each fades as age^-1, the second a little later."""
    ends = range(1, 7)
    rng = np.random.default_rng(0)
    kept = {
        c: [
            (rng.random(400) < (0.9 - 0.02 * (place % 2)) / (c - place // 2)).astype(int).tolist()
            for place in range(2 * c)
        ]
        for c in ends
    }
    ages, cells = by_age([made_stream("adaptive", kept, every=2)])
    assert ages.tolist() == [1, 2, 3, 4, 5, 6] and cells.shape == (2, 6)
    made = made_results([made_stream("adaptive", kept, every=2, seed=seed) for seed in (0, 1)])
    found = estimand(made, "stream.power_over_cliff.adaptive")(0.05)
    assert isinstance(found, Estimate) and found.value > 0 and found.n == 4


def test_half_rank_compares_before_and_after_the_first_cut(tmp_path: Path):
    """Consolidations 1 and 2 are merged after the third: kept 1, 1 before and ½, 1 after."""
    kept = {
        1: [[1, 1]] * 10,
        2: [[1, 1]] * 20,
        3: [[1, 0]] * 10 + [[1, 1]] * 20,
    }
    cut = {"merged": ["0001-0001", "0002-0002"], "rank": [8, 2], "energy_kept": 0.9}
    steps = [{"compressions": []}, {"compressions": []}, {"compressions": [cut]}]
    write_json(tmp_path / "c0003/state.json", {"facts": {"consolidations": steps}})
    stream = dataclasses.replace(made_stream("adaptive", kept, every=10), folder=tmp_path)
    assert value(made_results([stream]), "stream.half_rank_retention.adaptive") == 0.75
    cut["rank"] = [8, 5]
    write_json(tmp_path / "c0003/state.json", {"facts": {"consolidations": steps}})
    none = estimand(made_results([stream]), "stream.half_rank_retention.adaptive")(0.05)
    assert isinstance(none, Undefined)


def test_the_router_is_asked_about_sessions_it_has_not_seen(tmp_path: Path):
    """Queries whose sign is their category, but for one held-out session that is mislabelled."""
    queries = torch.tensor([[1.0], [-1.0]] * 10) + 0.01 * torch.arange(20)[:, None]
    labels, sessions = torch.tensor([0, 1] * 10), [f"s{n}" for n in range(20)]
    router = train_router(queries, labels, sessions, 2, RouterSettings(), seed=0)
    state = State(
        seed=0,
        consolidation=1,
        tensors={**router.tensors, QUERIES: queries, LABELS: labels},
        facts={
            "sessions": sessions,
            "router": [{"right": router.right, "held_out": router.held_out}],
        },
    )
    save_state(tmp_path / "c0001", state)
    stream = dataclasses.replace(made_stream("experts", {1: [[1]]}), folder=tmp_path)
    made = made_results([stream], strategy="experts")
    found = estimand(made, "stream.router_accuracy.experts")(0.05)
    assert isinstance(found, Estimate) and found.n == router.held_out == 4
    assert found.value == router.right / router.held_out
    facts = {**state.facts, "router": [{"right": 0, "held_out": 4}]}
    save_state(tmp_path / "c0001", dataclasses.replace(state, facts=facts))
    wrong = estimand(made, "stream.router_accuracy.experts")(0.05)
    assert isinstance(wrong, Undefined) and "recorded were 0 of 4" in wrong.reason
    none = estimand(made_results([stream]), "stream.router_accuracy.experts")(0.05)
    assert isinstance(none, Undefined) and "has no router" in none.reason
