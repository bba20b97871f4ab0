"""Priorities and the buffer: who stays, who is replayed, and what that costs."""

from __future__ import annotations

import itertools
import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stages.strategies.partial_replay import PartialReplay, Priority
from stages.strategies.priorities import draw, farthest_points, highest_first, newest_first
from stages.strategies.protocol import ADAPTER, State, StrategyError, Trained
from tests.strategies.tiny import TinyMeasures, features, make_adapter, make_examples

MEASURES = TinyMeasures()
OLD, NEW = make_examples(0, 9), make_examples(1, 6)
HELD = State(examples=tuple(OLD), adapters={ADAPTER: make_adapter(3, 1)})
DONE = {ADAPTER: Trained(make_adapter(3, 2), tokens=7)}
coordinates = st.floats(-5, 5, allow_nan=False, width=32)


def radius(points: Tensor, centres: list[int]) -> float:
    return float(torch.cdist(points, points[centres]).amin(1).max())


@settings(max_examples=30)
@given(st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=7), st.data())
def test_farthest_points_cover_within_twice_the_optimum(rows, data) -> None:
    points = torch.tensor(rows, dtype=torch.float64)
    k = data.draw(st.integers(1, len(rows)))
    order = farthest_points(points, k)
    assert len(set(order)) == k
    best = min(
        radius(points, list(centres)) for centres in itertools.combinations(range(len(rows)), k)
    )
    assert radius(points, order) <= 2 * best + 1e-9
    assert farthest_points(points)[:k] == order


def test_farthest_points_reach_every_cluster_before_a_second_of_any() -> None:
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = torch.cat([centres + 0.1 * i for i in range(5)])
    assert {i % 3 for i in farthest_points(points, 3)} == {0, 1, 2}
    assert sorted(farthest_points(torch.zeros(4, 2))) == [0, 1, 2, 3]
    assert farthest_points(torch.zeros(0, 2)) == []


def test_rankings_put_the_newer_of_equals_first() -> None:
    assert newest_first(3) == [2, 1, 0]
    assert highest_first([1.0, 3.0, 1.0]) == [1, 2, 0]
    with pytest.raises(ValueError, match="NaN"):
        highest_first([1.0, math.nan])


@given(st.permutations(range(8)), st.integers(0, 10), st.floats(0, 50), st.integers(0, 99))
def test_a_draw_is_a_sorted_subset_of_its_size(order, count, sharpness, seed) -> None:
    drawn = draw(order, count, sharpness, random.Random(seed))
    assert drawn == sorted(set(drawn))
    assert set(drawn) <= set(order)
    assert len(drawn) == min(count, 8)


def test_draws_follow_the_ranks() -> None:
    order, n = [2, 0, 1], 4000
    rng = random.Random(1)
    firsts = [draw(order, 1, 1.0, rng)[0] for _ in range(n)]
    for rank, index in enumerate(order, start=1):
        wanted = (1 / rank) / (1 + 1 / 2 + 1 / 3)
        assert abs(firsts.count(index) / n - wanted) < 4 * math.sqrt(wanted * (1 - wanted) / n)
    assert draw(list(range(50)), 5, 200.0, random.Random(0)) == [0, 1, 2, 3, 4]


def values_of(priority: Priority) -> list[float]:
    pool = [*OLD, *NEW]
    if priority == "difficulty":
        return MEASURES.losses(DONE[ADAPTER].adapter, pool)
    if priority == "confidence":
        return MEASURES.confidences(pool)
    return [float(i) for i in range(len(pool))]


@pytest.mark.parametrize("priority", ["recency", "difficulty", "confidence"])
def test_a_full_buffer_evicts_the_lowest(priority: Priority) -> None:
    after = PartialReplay(buffer=5, priority=priority).absorb(HELD, NEW, DONE, MEASURES)
    values, pool = values_of(priority), [*OLD, *NEW]
    best = sorted(range(len(pool)), key=lambda i: -values[i])[:5]
    assert after.examples == tuple(pool[i] for i in sorted(best))


def test_diversity_keeps_what_covers() -> None:
    after = PartialReplay(buffer=5, priority="diversity").absorb(HELD, NEW, DONE, MEASURES)
    pool = [*OLD, *NEW]
    chosen = [pool.index(example) for example in after.examples]
    assert chosen == sorted(farthest_points(features(pool), 5))
    newest = list(range(len(pool) - 5, len(pool)))
    assert radius(features(pool), chosen) < radius(features(pool), newest)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0, 3.0])
def test_the_mixing_ratio_is_kept(ratio: float) -> None:
    for priority in ("recency", "difficulty", "diversity", "confidence"):
        strategy = PartialReplay(buffer=9, priority=priority, mixing_ratio=ratio)
        [training] = strategy.plan(HELD, NEW, {}, MEASURES).trainings
        replayed, new = training.examples[: -len(NEW)], training.examples[-len(NEW) :]
        assert new == tuple(NEW)
        assert len(replayed) == min(len(OLD), round(ratio * len(NEW)))
        assert [e for e in OLD if e in replayed] == list(replayed)
        assert training.start is HELD.adapters[ADAPTER]


def test_scoring_by_loss_costs_tokens_and_other_rankings_none() -> None:
    def scored(strategy: PartialReplay) -> int:
        return strategy.absorb(HELD, NEW, DONE, MEASURES).facts["scored_tokens"]

    assert scored(PartialReplay(buffer=5, priority="difficulty", mixing_ratio=1.0)) == 10 * (9 + 15)
    assert scored(PartialReplay(buffer=50, priority="difficulty", mixing_ratio=1.0)) == 10 * 9
    assert scored(PartialReplay(buffer=5, priority="difficulty", mixing_ratio=None)) == 10 * 15
    assert scored(PartialReplay(buffer=5, priority="diversity")) == 0


def test_what_is_replayed_follows_seed_and_consolidation() -> None:
    strategy = PartialReplay(buffer=9, mixing_ratio=0.5, sharpness=0.0)
    drawn = {
        tuple(
            example.example_id
            for example in strategy.replayed(
                State(seed=seed, consolidation=number, examples=tuple(OLD)), len(NEW), MEASURES
            )
        )
        for seed in range(4)
        for number in range(4)
    }
    assert len(drawn) > 8


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(StrategyError, match="buffer is -1"):
        PartialReplay(buffer=-1)
