"""Fisher information against a second computation, and the penalty at and off its anchor."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stages.adapters.lora import delta_weights, factors
from stages.adapters.merge import Adapter
from stages.strategies.ewc import Ewc, penalty_of
from stages.strategies.factors import adapter_from
from stages.strategies.fisher import accumulate, diagonal_fisher
from stages.strategies.protocol import ADAPTER, State, StrategyError, Trained
from tests.strategies.tiny import (
    BASE,
    LORA,
    TinyMeasures,
    adapted,
    features,
    logits,
    make_adapter,
    make_examples,
    targets,
    train_tiny,
    weights_under,
)

MEASURES = TinyMeasures()
ADAPTED = make_adapter(3, 1)
SAMPLES = make_examples(0, 12)


def log_likelihood(values: dict[str, Tensor], x: Tensor, y: Tensor, space: str) -> Tensor:
    now = adapted(BASE, values, LORA.scale) if space == "factors" else values
    return F.cross_entropy(logits(now, x[None]), y[None])


def by_vmap(space: str) -> dict[str, Tensor]:
    """The same Fisher by torch.func, all samples at once."""
    values = dict(ADAPTED[0]) if space == "factors" else weights_under(ADAPTED)
    gradient = torch.func.grad(lambda v, x, y: log_likelihood(v, x, y, space))
    each = torch.func.vmap(gradient, in_dims=(None, 0, 0))(
        values, features(SAMPLES), targets(SAMPLES)
    )
    return {name: g.square().mean(0) for name, g in each.items()}


@pytest.mark.parametrize("space", ["factors", "delta"])
def test_fisher_is_the_mean_of_squared_per_sample_gradients(space) -> None:
    found = diagonal_fisher(MEASURES.gradients(ADAPTED, SAMPLES, space), len(SAMPLES))
    wanted = by_vmap(space)
    assert set(found.diagonal) == set(wanted)
    for name, diagonal in found.diagonal.items():
        torch.testing.assert_close(diagonal, wanted[name], rtol=1e-5, atol=1e-8)
    assert found.samples == len(SAMPLES)
    assert found.trace == pytest.approx(sum(float(w.sum()) for w in wanted.values()), rel=1e-5)


def test_the_squared_batch_gradient_is_another_number() -> None:
    found = diagonal_fisher(MEASURES.gradients(ADAPTED, SAMPLES, "factors"), len(SAMPLES))
    live = {name: tensor.clone().requires_grad_() for name, tensor in ADAPTED[0].items()}
    loss = F.cross_entropy(
        logits(adapted(BASE, live, LORA.scale), features(SAMPLES)), targets(SAMPLES)
    )
    wrong = dict(zip(live, torch.autograd.grad(loss, list(live.values())), strict=True))
    wrong_trace = sum(float(g.square().sum()) for g in wrong.values())
    assert wrong_trace < 0.5 * found.trace
    with pytest.raises(StrategyError, match=r"1 gradients came for 12 samples.*check 8"):
        diagonal_fisher([wrong], len(SAMPLES))
    with pytest.raises(StrategyError, match="batch was given for each"):
        diagonal_fisher([wrong] * len(SAMPLES), len(SAMPLES))


def test_gradients_that_say_nothing_are_refused() -> None:
    zero, bad = {"a": torch.zeros(2)}, {"a": torch.tensor([torch.nan, 1.0])}
    with pytest.raises(StrategyError, match="every gradient is zero"):
        diagonal_fisher([zero], 1)
    with pytest.raises(StrategyError, match="not finite"):
        diagonal_fisher([bad], 1)
    with pytest.raises(StrategyError, match="0 gradients"):
        diagonal_fisher([], 0)


@given(st.lists(st.floats(0, 1e3, width=32), min_size=1, max_size=6))
def test_the_running_average_is_the_mean_of_all(values: list[float]) -> None:
    averaged: dict[str, Tensor] = {}
    for count, value in enumerate(values):
        latest = {"a": torch.tensor([value], dtype=torch.float64)}
        averaged = accumulate(averaged, latest, "running_average", count)
        assert torch.equal(accumulate(averaged, latest, "replace", count)["a"], latest["a"])
    assert float(averaged["a"]) == pytest.approx(sum(values) / len(values), rel=1e-9, abs=1e-12)


def fisher_for(space: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(9)
    like = ADAPTED[0] if space == "factors" else BASE
    return {k: torch.rand(v.shape, generator=generator) + 0.1 for k, v in like.items()}


def live(adapter: Adapter) -> dict[str, Tensor]:
    return {name: tensor.clone().requires_grad_() for name, tensor in adapter[0].items()}


@pytest.mark.parametrize("space", ["factors", "delta"])
def test_the_penalty_and_its_gradient_are_zero_at_the_anchor(space) -> None:
    parameters = live(ADAPTED)
    value = penalty_of(ADAPTED, fisher_for(space), 1e4, space)(parameters)()
    assert value.item() == 0.0
    assert all(not bool(g.any()) for g in torch.autograd.grad(value, list(parameters.values())))


@settings(max_examples=20)
@given(st.integers(2, 99), st.floats(0.01, 1e4))
def test_the_penalty_is_lambda_times_the_weighted_squares(seed: int, strength: float) -> None:
    other = make_adapter(3, seed)
    fisher = fisher_for("factors")
    found = penalty_of(ADAPTED, fisher, strength, "factors")(other[0])()
    wanted = sum(
        float((fisher[k].double() * (other[0][k] - ADAPTED[0][k]).double() ** 2).sum())
        for k in fisher
    )
    assert float(found) == pytest.approx(strength * wanted, rel=1e-5)
    fisher = fisher_for("delta")
    found = penalty_of(ADAPTED, fisher, strength, "delta")(other[0])()
    now, then = delta_weights(*other), delta_weights(*ADAPTED)
    wanted = sum(
        float((fisher[k].double() * (now[k] - then[k]).double() ** 2).sum()) for k in fisher
    )
    assert float(found) == pytest.approx(strength * wanted, rel=1e-5)


def test_equal_delta_in_other_factors_is_free_in_delta_only() -> None:
    turned = {}
    for name, (a, b) in factors(ADAPTED[0]).items():
        turned[name] = (2 * a, b / 2)
    same = adapter_from(turned, LORA)[0]
    assert float(penalty_of(ADAPTED, fisher_for("delta"), 1.0, "delta")(same)()) < 1e-10
    assert float(penalty_of(ADAPTED, fisher_for("factors"), 1.0, "factors")(same)()) > 1.0


def test_parameters_that_do_not_fit_the_anchor_are_refused() -> None:
    part = dict(list(ADAPTED[0].items())[:2])
    with pytest.raises(StrategyError, match="same names"):
        penalty_of(ADAPTED, fisher_for("factors"), 1.0, "factors")(part)


def absorbed(strategy: Ewc, state: State) -> State:
    return strategy.absorb(state, SAMPLES, {ADAPTER: Trained(ADAPTED, 1)}, MEASURES)


def test_the_fisher_uses_the_registered_number_of_samples() -> None:
    state = absorbed(Ewc(samples=5), State())
    assert state.facts["fisher"][0]["samples"] == 5
    assert state.facts["fisher"][0]["tokens"] == 50
    assert absorbed(Ewc(samples=50), State()).facts["fisher"][0]["samples"] == len(SAMPLES)
    other = absorbed(Ewc(samples=5), State(seed=1))
    assert state.facts["fisher"][0]["trace"] != other.facts["fisher"][0]["trace"]


def test_more_strength_holds_the_parameters_nearer() -> None:
    distances = []
    for strength in (0.0, 1.0, 100.0):
        state = absorbed(Ewc(strength=strength), State())
        [training] = Ewc(strength=strength).plan(state, make_examples(7), {}, MEASURES).trainings
        after = train_tiny(training, rate=0.01).adapter[0]
        distances.append(sum(float((after[k] - v).norm()) for k, v in ADAPTED[0].items()))
    assert distances[0] > distances[1] > distances[2] > 0


def test_nonsense_values_are_refused() -> None:
    with pytest.raises(StrategyError, match="strength is -1"):
        Ewc(strength=-1.0)
    with pytest.raises(StrategyError, match="samples 0"):
        Ewc(samples=0)
