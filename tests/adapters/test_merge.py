"""Merging adapters: a weighted sum of ΔW, exactly."""

from __future__ import annotations

import pytest
import torch

from stages.adapters.lora import LoraSettings, State, delta_weights
from stages.adapters.merge import merge_adapters
from tests.adapters.peft_merge import merged_by_peft

FIRST, SECOND = LoraSettings(rank=2, alpha=8.0), LoraSettings(rank=3, alpha=3.0)


def make_state(rank: int, seed: int, names: tuple[str, ...] = ("l.0.up", "l.1.down")) -> State:
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name in names:
        state[f"base_model.model.{name}.lora_A.weight"] = torch.randn(rank, 7, generator=generator)
        state[f"base_model.model.{name}.lora_B.weight"] = torch.randn(5, rank, generator=generator)
    return state


PAIR = [(make_state(2, 0), FIRST), (make_state(3, 1), SECOND)]


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.3, 0.7), (-1.0, 2.0)])
def test_merged_is_the_weighted_sum(weights: tuple[float, float]) -> None:
    merged = delta_weights(*merge_adapters(PAIR, weights))
    parts = [delta_weights(state, lora) for state, lora in PAIR]
    for name, found in merged.items():
        wanted = sum(w * part[name] for w, part in zip(weights, parts, strict=True))
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.3, 0.7), (-1.0, 2.0)])
def test_it_is_pefts_cat_bit_for_bit(weights: tuple[float, float]) -> None:
    ours, settings = merge_adapters(PAIR, weights)
    theirs, wanted = merged_by_peft(PAIR, weights, "cat")
    assert ours.keys() == theirs.keys() and settings == wanted
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_linear_is_not_that_sum() -> None:
    pair = [(make_state(2, 0), FIRST), (make_state(2, 1), FIRST)]
    merged = delta_weights(*merged_by_peft(pair, (0.5, 0.5), "linear"))
    parts = [delta_weights(state, lora) for state, lora in pair]
    name = next(iter(merged))
    wanted = (parts[0][name] + parts[1][name]) / 2
    assert float((merged[name] - wanted).norm() / wanted.norm()) > 0.1


def test_modules_of_different_ranks_are_merged_too() -> None:
    uneven = make_state(2, 0, ("l.0.up",)) | make_state(5, 2, ("l.1.down",))
    pair = [(uneven, FIRST), PAIR[1]]
    ours = delta_weights(*merge_adapters(pair, (0.3, 0.7)))
    theirs = delta_weights(*merged_by_peft(pair, (0.3, 0.7), "cat"))  # zeros fill the shorter one
    for name, found in ours.items():
        torch.testing.assert_close(found, theirs[name], rtol=1e-5, atol=1e-5)


def test_merging_leaves_its_inputs_alone() -> None:
    before = {key: value.clone() for key, value in PAIR[0][0].items()}
    merge_adapters(PAIR, (0.5, 0.5))
    assert all(torch.equal(before[key], value) for key, value in PAIR[0][0].items())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="one each"):
        merge_adapters(PAIR, (1.0,))
    other = (make_state(2, 2, ("l.0.up",)), FIRST)
    with pytest.raises(ValueError, match="different modules"):
        merge_adapters([PAIR[0], other], (0.5, 0.5))
