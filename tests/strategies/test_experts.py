"""Experts: exact mixtures, constant rank sum, and a router whose accuracy is held out."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.adapters.lora import PREFIX, adapter_sha256, delta_weights
from stages.strategies.experts import Experts
from stages.strategies.factors import concatenated, mixture, with_rank
from stages.strategies.protocol import State, StrategyError, Trained
from stages.strategies.router import (
    RouterSettings,
    held_out_sessions,
    rounded,
    router_logits,
    top_k_weights,
    train_router,
)
from tests.adapters.peft_merge import as_arrays, as_tensors, merged_by_peft
from tests.strategies.tiny import LORA, TinyMeasures, make_adapter, make_examples

TAXONOMY = {"one": ("x",), "two": ("y",), "three": ("z",)}
THREE = [make_adapter(rank, rank) for rank in (1, 2, 4)]
weight = st.floats(-2, 2, width=32)


@settings(max_examples=25)
@given(st.tuples(weight, weight, weight).filter(any))
def test_a_mixture_is_the_weighted_sum_of_deltas(weights) -> None:
    found = delta_weights(*concatenated(THREE, weights))
    parts = [delta_weights(*adapter) for adapter in THREE]
    for name, delta in found.items():
        wanted = sum(w * part[name].double() for w, part in zip(weights, parts, strict=True))
        torch.testing.assert_close(delta.double(), wanted, rtol=1e-5, atol=1e-5)


def test_it_is_pefts_cat_and_not_its_linear() -> None:
    pair, weights = [make_adapter(2, 1), make_adapter(2, 2)], (0.3, 0.7)
    found = delta_weights(*concatenated(pair, weights))
    cat, linear = (deltas_by_peft(pair, weights, how) for how in ("cat", "linear"))
    for name, delta in found.items():
        torch.testing.assert_close(delta, cat[name], rtol=1e-5, atol=1e-6)
        assert float((delta - linear[name]).norm() / delta.norm()) > 0.1


def deltas_by_peft(adapters, weights, how) -> dict[str, torch.Tensor]:
    merged, lora = merged_by_peft([(as_arrays(s), lora) for s, lora in adapters], weights, how)
    return delta_weights(as_tensors(merged), lora)


@pytest.mark.parametrize("one", range(3))
def test_one_hot_weights_give_back_that_adapter_bit_for_bit(one: int) -> None:
    found = concatenated(THREE, [float(i == one) for i in range(3)])
    assert found[0] is THREE[one][0]
    assert found[1] == THREE[one][1]


def test_mixtures_that_can_not_be_are_refused() -> None:
    with pytest.raises(ValueError, match="no adapter with a weight"):
        concatenated(THREE, (0.0, 0.0, 0.0))
    part = {k: v for k, v in THREE[1][0].items() if "l.0.up" in k}
    with pytest.raises(ValueError, match="different modules"):
        concatenated([THREE[0], (part, THREE[1][1])], (0.5, 0.5))
    with pytest.raises(ValueError):
        concatenated(THREE, (1.0,))


@given(st.integers(1, 5), st.integers(5, 40))
def test_ranks_sum_to_the_single_adapters(n: int, rank_sum: int) -> None:
    ranks = Experts({f"c{i}": (f"s{i}",) for i in range(n)}, rank_sum).ranks.values()
    assert sum(ranks) == rank_sum
    assert max(ranks) - min(ranks) <= 1


def test_the_scale_does_not_follow_the_rank() -> None:
    assert with_rank(LORA, 1).scale == with_rank(LORA, 16).scale == LORA.scale


def test_each_expert_gets_its_own_examples_and_goes_on_from_itself() -> None:
    new = make_examples(0, 9, ("x", "y"))
    state = State(adapters={"two": make_adapter(5, 3)})
    trainings = Experts(TAXONOMY).plan(state, new, {}, TinyMeasures()).trainings
    assert [t.name for t in trainings] == ["one", "two"]
    assert [t.rank for t in trainings] == [6, 5]
    for training, skill in zip(trainings, "xy", strict=True):
        assert training.examples == tuple(e for e in new if e.skill == skill)
    assert trainings[0].start is None
    assert trainings[1].start is state.adapters["two"]


def test_a_skill_without_a_category_and_a_false_taxonomy_are_refused() -> None:
    new = make_examples(0, 3, ("w",))
    with pytest.raises(StrategyError, match="skill 'w', which no category"):
        Experts(TAXONOMY).plan(State(), new, {}, TinyMeasures())
    with pytest.raises(StrategyError, match="'x' stands in two"):
        Experts({"one": ("x",), "two": ("x",)})
    with pytest.raises(StrategyError, match="top_k 4"):
        Experts(TAXONOMY, top_k=4)
    with pytest.raises(StrategyError, match="rank_sum 2"):
        Experts(TAXONOMY, rank_sum=2)


def clusters(n: int, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(n) % classes
    queries = torch.eye(classes)[labels] * 4 + torch.randn(n, classes, generator=generator) * 0.5
    return queries, labels, [f"s{i // 6:02}" for i in range(n)]


def test_a_router_learns_what_can_be_told_apart_and_nothing_else() -> None:
    queries, labels, sessions = clusters(90)
    settings_ = RouterSettings(steps=100)
    router = train_router(queries, labels, sessions, 3, settings_, seed=0)
    assert router.held_out == 18
    assert router.right / router.held_out > 0.9
    again = train_router(queries, labels, sessions, 3, settings_, seed=0)
    assert adapter_sha256(again.tensors) == adapter_sha256(router.tensors)
    shuffled = labels[torch.randperm(90, generator=torch.Generator().manual_seed(2))]
    chance = train_router(queries, shuffled, sessions, 3, settings_, seed=0)
    assert chance.right / chance.held_out < 0.7


def test_held_out_sessions_never_train_the_router() -> None:
    queries, labels, sessions = clusters(30)
    apart = held_out_sessions(sessions, 0.2, seed=0)
    assert len(apart) == 1
    changed = queries.clone()
    changed[[session in apart for session in sessions]] = 99.0
    settings_ = RouterSettings(steps=5)
    one = train_router(queries, labels, sessions, 3, settings_, seed=0)
    other = train_router(changed, labels, sessions, 3, settings_, seed=0)
    assert adapter_sha256(one.tensors) == adapter_sha256(other.tensors)
    alone = train_router(queries, labels, ["s"] * 30, 3, settings_, seed=0)
    assert (alone.right, alone.held_out) == (0, 0)


@given(st.lists(st.floats(-9, 9, width=32), min_size=4, max_size=4), st.integers(1, 6))
def test_top_k_weights_sum_to_one_over_the_best_available(row, k: int) -> None:
    logits = torch.tensor([row])
    available = torch.tensor([True, True, False, True])
    [weights] = top_k_weights(logits, k, available)
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-6)
    assert weights[2] == 0
    used = [i for i in (0, 1, 3) if weights[i] > 0]
    assert len(used) <= min(k, 3)
    assert max(row[i] for i in (0, 1, 3)) == pytest.approx(max(row[i] for i in used))
    if k >= 3:
        torch.testing.assert_close(weights[[0, 1, 3]], logits[0, [0, 1, 3]].softmax(0))


def test_top_k_without_experts_is_refused() -> None:
    with pytest.raises(ValueError, match="top-1 of 0"):
        top_k_weights(torch.zeros(1, 2), 1, torch.zeros(2, dtype=torch.bool))


def test_served_weights_are_the_routers() -> None:
    new = make_examples(0, 12, ("x", "y", "z"))
    strategy = Experts(TAXONOMY, top_k=2, router=RouterSettings(steps=20))
    done = {name: Trained(make_adapter(5, i), 1) for i, name in enumerate(("one", "two"))}
    state = strategy.absorb(State(), new, done, TinyMeasures())
    queries = TinyMeasures().embeddings(new)
    logits = router_logits(dict(state.tensors), queries)
    for row, weights in zip(logits, strategy.serve(state, queries), strict=True):
        two = row[:2].softmax(0)
        assert weights == pytest.approx({"one": float(two[0]), "two": float(two[1])}, abs=1e-6)
        merged = delta_weights(*mixture(state.adapters, weights))
        parts = {n: delta_weights(*state.adapters[n]) for n in weights}
        for name, delta in merged.items():
            wanted = sum(w * parts[n][name] for n, w in weights.items())
            torch.testing.assert_close(delta, wanted, rtol=1e-5, atol=1e-6)
    assert all(key.startswith(PREFIX) for key in state.adapters["one"][0])


def test_rounded_weights_sum_to_one_and_move_by_less_than_a_step() -> None:
    generator = torch.Generator().manual_seed(3)
    weights = torch.rand(50, 4, generator=generator).softmax(1)
    found = rounded(weights, 10)
    torch.testing.assert_close(found.sum(1), torch.ones(50))
    assert float((found - weights).abs().max()) < 0.1
    assert len({tuple(row.tolist()) for row in found}) < 50
    sure = torch.tensor([[0.9999999, 1e-7, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    assert rounded(sure, 10).tolist() == [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]


def test_an_example_of_several_skills_goes_where_its_value_stands_else_by_the_first() -> None:
    experts = Experts({"a": ("guard", "naming"), "b": ("unit", "guard+unit")}, rank_sum=2)

    def category(skill: str) -> str:
        return experts.category(dataclasses.replace(make_examples(1)[0], skill=skill))

    assert [category(s) for s in ("guard+naming", "guard+unit", "unit+guard")] == ["a", "b", "b"]
    with pytest.raises(StrategyError, match="no category"):
        category("constant+unit")
