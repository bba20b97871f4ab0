"""Merging adapters: a weighted sum of ΔW, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from stages.adapters.arrays import Arrays
from stages.adapters.lora import LoraSettings, factors
from stages.adapters.merge import merge_adapters
from tests.adapters.peft_merge import merged_by_peft

FIRST, SECOND = LoraSettings(rank=2, alpha=8.0), LoraSettings(rank=3, alpha=3.0)


def make_arrays(rank: int, seed: int, names: tuple[str, ...] = ("l.0.up", "l.1.down")) -> Arrays:
    rng = np.random.default_rng(seed)
    arrays = {}
    for name in names:
        for factor, shape in (("A", (rank, 7)), ("B", (5, rank))):
            key = f"base_model.model.{name}.lora_{factor}.weight"
            arrays[key] = rng.normal(size=shape).astype(np.float32)
    return arrays


def deltas(arrays: Arrays, lora: LoraSettings) -> dict[str, np.ndarray]:
    return {name: lora.scale * (b @ a) for name, (a, b) in factors(arrays).items()}


PAIR = [(make_arrays(2, 0), FIRST), (make_arrays(3, 1), SECOND)]


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.3, 0.7), (-1.0, 2.0)])
def test_merged_is_the_weighted_sum(weights: tuple[float, float]) -> None:
    merged = deltas(*merge_adapters(PAIR, weights))
    parts = [deltas(*adapter) for adapter in PAIR]
    for name, found in merged.items():
        wanted = sum(w * part[name] for w, part in zip(weights, parts, strict=True))
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.3, 0.7), (-1.0, 2.0)])
def test_it_is_pefts_cat_bit_for_bit(weights: tuple[float, float]) -> None:
    ours, settings = merge_adapters(PAIR, weights)
    theirs, wanted = merged_by_peft(PAIR, weights, "cat")
    assert ours.keys() == theirs.keys() and settings == wanted
    for key, array in ours.items():
        assert array.dtype == theirs[key].dtype and np.array_equal(array, theirs[key])


def test_linear_is_not_that_sum() -> None:
    pair = [(make_arrays(2, 0), FIRST), (make_arrays(2, 1), FIRST)]
    merged = deltas(*merged_by_peft(pair, (0.5, 0.5), "linear"))
    parts = [deltas(*adapter) for adapter in pair]
    name = next(iter(merged))
    wanted = (parts[0][name] + parts[1][name]) / 2
    assert np.linalg.norm(merged[name] - wanted) / np.linalg.norm(wanted) > 0.1


def test_modules_of_different_ranks_are_merged_too() -> None:
    uneven = {**make_arrays(2, 0, ("l.0.up",)), **make_arrays(5, 2, ("l.1.down",))}
    pair = [(uneven, FIRST), PAIR[1]]
    ours = deltas(*merge_adapters(pair, (0.3, 0.7)))
    theirs = deltas(*merged_by_peft(pair, (0.3, 0.7), "cat"))  # zeros fill the shorter one
    for name, found in ours.items():
        np.testing.assert_allclose(found, theirs[name], rtol=1e-5, atol=1e-5)


def test_merging_leaves_its_inputs_alone() -> None:
    before = {key: array.copy() for key, array in PAIR[0][0].items()}
    merge_adapters(PAIR, (0.5, 0.5))
    assert all(np.array_equal(before[key], array) for key, array in PAIR[0][0].items())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="one each"):
        merge_adapters(PAIR, (1.0,))
    other = (make_arrays(2, 2, ("l.0.up",)), FIRST)
    with pytest.raises(ValueError, match="different modules"):
        merge_adapters([PAIR[0], other], (0.5, 0.5))
