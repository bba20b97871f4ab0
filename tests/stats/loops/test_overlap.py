"""Updates between checkpoints against dense matrices; Spearman against pingouin."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import subspace_angles

from stages.adapters.lora import PREFIX, LoraSettings, delta_weights, factors
from stages.stats.intervals import Undefined
from stages.stats.loops.overlap import (
    ModuleOverlap,
    Relation,
    overlap_rows,
    spearman,
    updates_between,
)

SETTINGS = LoraSettings(rank=2, alpha=6.0)


def adapter(seed: int) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    shapes = {"q.lora_A.weight": (2, 9), "q.lora_B.weight": (12, 2)}
    return {PREFIX + name: torch.tensor(rng.normal(size=s)) for name, s in shapes.items()}


def checkpoints(*seeds: int) -> list[tuple[dict, float]]:
    return [(factors(adapter(seed)), SETTINGS.scale) for seed in seeds]


def test_what_training_added_is_the_difference_of_delta_weights() -> None:
    dense = [delta_weights(adapter(seed), SETTINGS)["q"].numpy() for seed in (0, 1, 2)]
    updates = updates_between(checkpoints(0, 1, 2))
    expected = [dense[0], dense[1] - dense[0], dense[2] - dense[1]]
    for update, matrix in zip(updates, expected, strict=True):
        assert pytest.approx(matrix) == update["q"].B @ update["q"].A
    afresh = updates_between(checkpoints(0, 1, 2), start="base")
    for update, matrix in zip(afresh, dense, strict=True):
        assert pytest.approx(matrix) == update["q"].B @ update["q"].A


def test_cosine_and_angles_against_dense_matrices() -> None:
    rows = overlap_rows(updates_between(checkpoints(0, 1, 2)))
    dense = [delta_weights(adapter(seed), SETTINGS)["q"].numpy() for seed in (0, 1, 2)]
    first, second = dense[1] - dense[0], dense[2] - dense[1]
    found = rows[1].modules["q"]
    assert isinstance(found, ModuleOverlap)
    cosine = np.sum(first * second) / np.linalg.norm(first) / np.linalg.norm(second)
    assert found.cosine == pytest.approx(cosine)
    assert (rows[1].mean_cosine, rows[1].mean_abs_cosine) == pytest.approx((cosine, abs(cosine)))
    bases = [np.linalg.svd(matrix)[0][:, :4] for matrix in (first, second)]
    angles = np.degrees(subspace_angles(*bases))
    assert found.smallest_output_angle == pytest.approx(angles.min(), abs=1e-5)
    assert found.mean_output_angle == pytest.approx(angles.mean(), abs=1e-5)
    rows_of = [np.linalg.svd(matrix)[2][:4].T for matrix in (first, second)]
    into = np.degrees(subspace_angles(*rows_of))
    assert found.smallest_input_angle == pytest.approx(into.min(), abs=1e-5)
    # ΔW₁ stands in both updates, with opposite signs: they lean against each other.
    assert found.cosine < -3 * found.chance
    assert found.chance == pytest.approx((12 * 9) ** -0.5)


def test_an_iteration_without_training_has_no_overlap() -> None:
    rows = overlap_rows(updates_between(checkpoints(0, 0, 1)))
    for row in rows:
        assert isinstance(row.mean_cosine, Undefined)
        assert isinstance(row.modules["q"], Undefined)


def test_a_small_change_has_its_own_rank_and_no_rounding() -> None:
    """One entry of B changed by 1e-5: an update of rank 1, where the factors have rank 4."""
    before = adapter(0)
    after = {name: tensor.clone() for name, tensor in before.items()}
    after[PREFIX + "q.lora_B.weight"][3, 1] += 1e-5
    pair = [(factors(each), SETTINGS.scale) for each in (before, after)]
    update = updates_between(pair)[1]["q"]
    assert (update.B.shape, update.A.shape) == ((12, 1), (1, 9))
    dense = [delta_weights(each, SETTINGS)["q"].numpy() for each in (before, after)]
    found = update.B @ update.A
    assert found == pytest.approx(dense[1] - dense[0], abs=1e-13)


def test_adapters_of_other_modules_are_refused() -> None:
    weights, scale = checkpoints(0)[0]
    with pytest.raises(ValueError, match="Module 'q'"):
        updates_between([(weights, scale), ({"v": weights["q"]}, scale)])
    with pytest.raises(ValueError, match="'previous' or at 'base'"):
        updates_between([(weights, scale)], start="none")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=5, max_size=14))
def test_spearman_against_pingouin(pairs: list[tuple[int, int]]) -> None:
    import pingouin

    x, y = np.array(pairs, dtype=float).T
    found = spearman(x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert isinstance(found, Undefined)
        return
    assert isinstance(found, Relation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row = pingouin.corr(x, y, method="spearman").iloc[0]
    assert found.spearman.value == pytest.approx(float(row["r"]), abs=1e-6)
    assert -1 <= found.spearman.lo <= found.spearman.value <= found.spearman.hi <= 1
    assert found.spearman.hi - found.spearman.lo > 0.05
    if len(x) > 8:
        assert found.p == pytest.approx(float(row["p_val"]), abs=1e-6)


def test_the_exact_p_by_all_permutations() -> None:
    x, y = [1, 2, 3, 4, 5], [2, 1, 3, 5, 4]
    found = spearman(x, y)
    assert isinstance(found, Relation)
    observed = abs(stats.spearmanr(x, y).statistic)
    every = [abs(stats.spearmanr(x, order).statistic) for order in itertools.permutations(y)]
    assert found.p == pytest.approx(np.mean([rho >= observed - 1e-9 for rho in every]))


def test_the_interval_covers() -> None:
    """20 runs, normal, ρ_S = 6/π·asin(0.5/2): between 91 and 99 % of 300 intervals hold it."""
    rng = np.random.default_rng(7)
    truth = 6 / np.pi * np.arcsin(0.25)
    held = 0
    for _ in range(300):
        x = rng.normal(size=20)
        y = 0.5 * x + np.sqrt(0.75) * rng.normal(size=20)
        found = spearman(x, y)
        assert isinstance(found, Relation)
        held += found.spearman.lo <= truth <= found.spearman.hi
    assert 0.91 < held / 300 < 0.99


def test_few_pairs_say_nothing() -> None:
    assert isinstance(spearman([1, 2, 3, np.nan, 5], [1, 2, 3, 4, 5]), Undefined)
    perfect = spearman(range(6), range(6))
    assert isinstance(perfect, Relation)
    assert perfect.spearman.lo < 0.9
    with pytest.raises(ValueError, match="one pair per unit"):
        spearman([1, 2], [1, 2, 3])
