"""Update overlap from factors against dense matrices and scipy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from stages.stats.intervals import Undefined
from stages.stats.updates import (
    LowRankUpdate,
    Overlap,
    inner_product,
    successive_overlaps,
    update_overlap,
)


def update(seed: int, rank: int, scaling: float = 1.0) -> LowRankUpdate:
    rng = np.random.default_rng(seed)
    return LowRankUpdate(rng.normal(size=(12, rank)), rng.normal(size=(rank, 9)), scaling)


def dense(u: LowRankUpdate) -> np.ndarray:
    return u.scaling * u.B @ u.A


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.floats(0.1, 10))
def test_against_dense_matrices(seed: int, r1: int, r2: int, scaling: float) -> None:
    first, second = update(seed, r1, scaling), update(seed + 1, r2, -2.0)
    d1, d2 = dense(first), dense(second)
    assert inner_product(first, second) == pytest.approx(np.sum(d1 * d2), rel=1e-9, abs=1e-9)
    overlap = update_overlap(first, second)
    assert isinstance(overlap, Overlap)
    cosine = np.sum(d1 * d2) / np.linalg.norm(d1) / np.linalg.norm(d2)
    assert overlap.cosine == pytest.approx(cosine, abs=1e-10)
    out = np.sort(subspace_angles(first.B, second.B))
    into = np.sort(subspace_angles(first.A.T, second.A.T))
    assert overlap.output_angles == pytest.approx(out, abs=1e-7)
    assert overlap.input_angles == pytest.approx(into, abs=1e-7)


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_an_update_overlaps_itself_whole(seed: int, rank: int) -> None:
    u = update(seed, rank)
    rotation = np.linalg.qr(np.random.default_rng(seed + 9).normal(size=(rank, rank)))[0]
    same = LowRankUpdate(u.B @ rotation, rotation.T @ u.A)
    overlap = update_overlap(u, same)
    assert isinstance(overlap, Overlap)
    assert overlap.cosine == pytest.approx(1)
    assert overlap.output_angles == pytest.approx(np.zeros(rank), abs=1e-7)
    opposite = update_overlap(u, LowRankUpdate(u.B, u.A, -1.0))
    assert isinstance(opposite, Overlap)
    assert opposite.cosine == pytest.approx(-1)


def test_the_rank_is_that_of_the_product() -> None:
    u = update(1, 2)
    padded = LowRankUpdate(np.hstack([u.B, u.B]), np.vstack([u.A, u.A]))
    overlap = update_overlap(padded, update(2, 3))
    assert isinstance(overlap, Overlap)
    assert overlap.output_angles.shape == (2,)


def test_a_zero_update_has_no_direction() -> None:
    zero = LowRankUpdate(np.zeros((12, 2)), np.ones((2, 9)))
    assert isinstance(update_overlap(zero, update(0, 2)), Undefined)


def test_successive_updates_by_module() -> None:
    steps: list[Mapping[str, LowRankUpdate]] = [
        {"q": update(i, 2), "v": update(i + 10, 2)} for i in range(3)
    ]
    overlaps = successive_overlaps(steps)
    assert [sorted(o) for o in overlaps] == [["q", "v"], ["q", "v"]]
    with pytest.raises(ValueError, match="'v' is in only one"):
        successive_overlaps([steps[0], {"q": steps[1]["q"]}])


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="make no update"):
        LowRankUpdate(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="different shapes"):
        update_overlap(update(0, 2), LowRankUpdate(np.ones((5, 2)), np.ones((2, 9))))
