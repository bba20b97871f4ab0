"""Continual-learning metrics: by hand, against a second implementation, and planted mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.stats import continual as cl

MATRICES = st.integers(2, 8).flatmap(
    lambda n: hnp.arrays(float, (n + 1, n), elements=st.floats(0, 1, width=16))
)
HAND = [[0.2, 0.4, 0.0], [1.0, 0.5, 0.1], [0.6, 0.8, 0.3], [0.7, 0.6, 0.9]]


def matrix(values: object) -> cl.AccuracyMatrix:
    array = np.asarray(values, dtype=float)
    return cl.AccuracyMatrix(array, tuple(f"run-{i}" for i in range(len(array))))


def test_by_hand() -> None:
    a = matrix(HAND)
    assert cl.ft_stream(a) == pytest.approx(((0.5 - 0.4) + (0.3 - 0.0)) / 2)
    assert cl.fwt_gem(a, [0.1, 0.1, 0.1], "random") == pytest.approx((0.4 + 0.2) / 2)
    assert cl.bwt(a) == pytest.approx(((0.7 - 1.0) + (0.6 - 0.8)) / 2)
    assert cl.forgetting(a) == pytest.approx(((1.0 - 0.7) + (0.8 - 0.6)) / 2)
    assert cl.acc(a) == pytest.approx((0.7 + 0.6 + 0.9) / 3)
    assert cl.plasticity(a) == pytest.approx((1.0 + 0.8 + 0.9) / 3)
    assert cl.aulc(a) == pytest.approx((1.0 + 0.9 + 0.9) / 3)
    p, s = 0.9, 0.75
    assert cl.cl_f_beta(a) == pytest.approx(2 * p * s / (p + s))
    weights = cl.ScoreWeights(forgetting=1, forward=2, backward=0.5, aulc=0.1, beta=1)
    by_hand = 2.2 / 3 - 0.25 + 2 * 0.2 - 0.5 * 0.25 + 0.1 * 2.8 / 3 + 2 * p * s / (p + s)
    assert cl.cl_score(a, weights) == pytest.approx(by_hand)


def test_both_forgettings_differ_where_the_best_came_before_or_after_training() -> None:
    late_best = matrix([[0, 0, 0], [0.5, 0, 0], [1.0, 0.5, 0], [0.5, 0.5, 1]])
    assert cl.forgetting(late_best) == pytest.approx(0.25)
    assert cl.forgetting_cl(late_best) == 0.0


@given(MATRICES, st.floats(0.1, 4))
def test_against_arrays(values: np.ndarray, beta: float) -> None:
    a, n = matrix(values), values.shape[1]
    trained, base = values[1:], values[0]
    diagonal, final = np.diag(trained), values[-1]
    assert cl.ft_stream(a) == pytest.approx(np.mean(np.diag(trained, 1) - base[1:]))
    b = np.linspace(0, 1, n)
    assert cl.fwt_gem(a, b.tolist(), "r") == pytest.approx(np.mean(np.diag(trained, 1) - b[1:]))
    assert cl.bwt(a) == pytest.approx(np.mean((final - diagonal)[:-1]))
    f = np.mean((trained[:-1].max(axis=0) - final)[:-1])
    assert cl.forgetting(a) == pytest.approx(f)
    upper = np.where(np.triu(np.ones((n, n), dtype=bool)), trained, -np.inf)
    f_cl = np.mean((upper.max(axis=0) - final)[:-1])
    assert cl.forgetting_cl(a) == pytest.approx(f_cl)
    assert cl.forgetting_cl(a) <= cl.forgetting(a) + 1e-12
    assert cl.acc(a) == pytest.approx(final.mean())
    curve = [diagonal[: i + 1].mean() for i in range(n)]
    assert cl.aulc(a) == pytest.approx(np.mean(curve))
    p, s = diagonal.mean(), 1 - f
    if p > 1e-6 and s > 1e-6:  # the weighted harmonic mean, written as one
        harmonic = (1 + beta**2) / (1 / p * 1 + beta**2 / s)
        assert cl.cl_f_beta(a, beta) == pytest.approx(harmonic)


@given(MATRICES)
def test_a_frozen_model_neither_transfers_nor_forgets(values: np.ndarray) -> None:
    a = matrix(np.tile(values[0], (len(values), 1)))
    assert (cl.ft_stream(a), cl.bwt(a), cl.forgetting(a)) == (0, 0, 0)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 3), (1, 2)])
def test_one_run_in_two_rows_is_an_error(first: int, second: int) -> None:
    runs = ["r0", "r1", "r2", "r3"]
    runs[second] = runs[first]
    with pytest.raises(cl.SameRunError, match="run of its own"):
        cl.AccuracyMatrix(np.array(HAND), tuple(runs))


def test_one_run_in_both_arms_is_an_error() -> None:
    base = cl.ArmScores("r0", {"t1": 1.0})
    with pytest.raises(cl.SameRunError):
        cl.forward_transfer(base, cl.ArmScores("r0", {"t1": 1.0}))
    with pytest.raises(cl.SameRunError):
        cl.fwt_gem(matrix(HAND), [0, 0, 0], "run-0")


def test_forward_transfer_pairs_by_task() -> None:
    base = cl.ArmScores("r0", {"b": 1.0, "a": 0.0, "c": 0.0})
    adapted = cl.ArmScores("r1", {"a": 1.0, "c": 1.0, "b": 0.0})
    assert cl.paired_differences(base, adapted).tolist() == [1.0, -1.0, 1.0]
    e = cl.forward_transfer(base, adapted)
    assert e.value == pytest.approx(1 / 3)
    assert (e.n, e.unit) == (3, "task")
    with pytest.raises(ValueError, match="one arm only"):
        cl.forward_transfer(base, cl.ArmScores("r1", {"a": 1.0}))


def test_an_unmeasured_cell_is_named_only_where_it_is_needed() -> None:
    values = np.array(HAND)
    values[1, 0] = np.nan
    a = matrix(values)
    assert cl.acc(a) == pytest.approx(2.2 / 3)
    with pytest.raises(ValueError, match=r"a\(1, 1\) was not measured"):
        cl.bwt(a)


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.full((3, 2), 2.0), np.zeros((1, 0))])
def test_a_malformed_matrix_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"accuracy matrix|success rate"):
        matrix(bad)


def test_run_ids_are_counted_and_not_empty() -> None:
    with pytest.raises(ValueError, match="2 run ids for 4 rows"):
        cl.AccuracyMatrix(np.array(HAND), ("a", "b"))
    with pytest.raises(ValueError, match="empty"):
        cl.AccuracyMatrix(np.array(HAND), ("a", "b", "c", ""))


def test_one_task_has_no_sequence() -> None:
    with pytest.raises(ValueError, match="undefined"):
        cl.forgetting(matrix([[0.0], [1.0]]))


@pytest.mark.parametrize(
    ("sessions", "origins"),
    [(1, (1,)), (2, (1, 2)), (10, (1, 3, 5, 8, 10)), (100, (1, 25, 50, 75, 100))],
)
def test_origins(sessions: int, origins: tuple[int, ...]) -> None:
    assert cl.registered_origins(sessions) == origins


@given(st.integers(1, 500))
def test_origins_ascend_from_first_to_last(sessions: int) -> None:
    origins = cl.registered_origins(sessions)
    assert origins[0] == 1
    assert origins[-1] == sessions
    assert list(origins) == sorted(set(origins))


def test_retention_by_origin() -> None:
    pairs = {o: [True] * o + [False] * (10 - o) for o in range(1, 11)}
    kept = cl.retention(pairs, 10)
    assert {o: e.value for o, e in kept.items()} == {1: 0.1, 3: 0.3, 5: 0.5, 8: 0.8, 10: 1.0}
    assert kept[5].unit == "pair"
    with pytest.raises(ValueError, match="Session 3 of 10"):
        cl.retention({**pairs, 3: []}, 10)
