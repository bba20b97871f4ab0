"""The verdict rule: each verdict, Holm against statsmodels, and no verdict when exploratory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from statsmodels.stats.multitest import multipletests

from stages.stats.clusters import clustered_difference
from stages.stats.intervals import Estimate, Undefined, paired_risk_difference, wilson
from stages.stats.verdict import (
    EXPLORATORY,
    INCONCLUSIVE,
    REFUTED,
    SUPPORTED,
    Criterion,
    Estimand,
    holm_levels,
    judge,
    minimum_of,
    p_by_inversion,
)


def normal(value: float, error: float = 0.1) -> Estimand:
    """Estimand with a normal interval, whose p against 0 is known."""

    def estimate(alpha: float) -> Estimate:
        half = -special.ndtri(alpha / 2) * error
        return Estimate(value, value - half, value + half, 25, "task", alpha)

    return estimate


def fixed(lo: float, hi: float) -> Estimand:
    return lambda alpha: Estimate((lo + hi) / 2, lo, hi, 25, "task", alpha)


@pytest.mark.parametrize(
    ("comparator", "lo", "hi", "verdict"),
    [
        (">", 0.91, 0.99, SUPPORTED),
        (">", 0.9, 0.99, INCONCLUSIVE),
        (">=", 0.9, 0.99, SUPPORTED),
        (">", 0.7, 0.9, REFUTED),
        (">=", 0.7, 0.9, INCONCLUSIVE),
        ("<", 0.7, 0.89, SUPPORTED),
        ("<", 0.9, 0.95, REFUTED),
        ("<=", 0.7, 0.9, SUPPORTED),
        ("<=", 0.9, 0.95, INCONCLUSIVE),
        ("within", -0.8, 0.8, SUPPORTED),
        ("within", -0.95, 0.8, INCONCLUSIVE),
        ("within", -1.2, -0.9, REFUTED),
        ("within", 0.95, 1.2, REFUTED),
    ],
)
def test_the_whole_interval_must_lie_on_one_side(
    comparator: str, lo: float, hi: float, verdict: str
) -> None:
    criterion = Criterion("c", fixed(lo, hi), comparator, 0.9)
    assert judge([criterion], "h", "h")[0].verdict == verdict


@given(st.floats(-0.6, 0.6))
def test_p_is_the_two_sided_p(value: float) -> None:
    p = 2 * special.ndtr(-abs(value) / 0.1)
    ours = p_by_inversion(Criterion("c", normal(value), ">", 0.0))
    assert ours == pytest.approx(max(p, 1e-12), rel=2e-4)


def test_an_estimate_on_the_threshold_has_p_one() -> None:
    assert p_by_inversion(Criterion("c", normal(0.0), ">", 0.0)) == 1.0


def holm(ps: list[float], alpha: float) -> list[bool]:
    """Holm's procedure in its other form, by adjusted p-values."""
    order = np.argsort(ps, kind="stable")
    adjusted = np.maximum.accumulate(np.array(ps)[order] * np.arange(len(ps), 0, -1))
    rejected = np.zeros(len(ps), dtype=bool)
    rejected[order] = adjusted <= alpha
    return rejected.tolist()


def test_holm_is_statsmodels() -> None:
    for ps in ([0.01, 0.04, 0.03, 0.005], [0.2, 0.012, 0.012, 0.9], [0.04], [0.06, 0.02]):
        assert multipletests(ps, 0.05, method="holm")[0].tolist() == holm(ps, 0.05)


@given(st.lists(st.floats(0.0005, 1), min_size=1, max_size=8), st.sampled_from([0.01, 0.05, 0.2]))
def test_holm_steps_down(ps: list[float], alpha: float) -> None:
    levels = holm_levels(ps, alpha)
    assert [p <= level for p, level in zip(ps, levels, strict=True)] == holm(ps, alpha)
    assert all(alpha / len(ps) - 1e-12 <= level <= alpha + 1e-12 for level in levels)


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=6))
def test_every_verdict_can_be_read_from_its_interval(values: list[float]) -> None:
    criteria = [Criterion(f"c{i}", normal(v), ">", 0.0) for i, v in enumerate(values)]
    verdicts = judge(criteria, "h", "h")
    ps = [2 * special.ndtr(-abs(v) / 0.1) for v in values]
    for criterion, verdict, rejected in zip(criteria, verdicts, holm(ps, 0.05), strict=True):
        assert isinstance(verdict.estimate, Estimate)
        assert verdict.verdict == criterion.read(verdict.estimate)
        assert verdict.estimate.alpha == verdict.alpha
        assert (verdict.verdict != INCONCLUSIVE) == rejected


def test_the_order_of_criteria_does_not_matter() -> None:
    criteria = [Criterion(f"c{v}", normal(v), ">", 0.0) for v in (0.3, 0.22, 0.2, -0.4)]
    expected = {v.name: v for v in judge(criteria, "h", "h")}
    for order in itertools.permutations(criteria):
        assert {v.name: v.verdict for v in judge(order, "h", "h")} == {
            name: v.verdict for name, v in expected.items()
        }


def test_an_exploratory_run_never_gets_a_verdict() -> None:
    criteria = [Criterion("c", normal(0.9), ">", 0.0), Criterion("d", normal(-0.9), ">", 0.0)]
    for registered, ran in (("h1", "h2"), ("", ""), ("", "h2")):
        for verdict in judge(criteria, registered, ran):
            assert verdict.verdict == EXPLORATORY == verdict.verdict.upper()
            assert (verdict.registration, verdict.n_to_decide) == ("", None)
            assert isinstance(verdict.estimate, Estimate)
    assert [v.registration for v in judge(criteria, "h1", "h1")] == ["h1", "h1"]


def test_inconclusive_says_what_would_decide() -> None:
    gain = Criterion("ft", lambda a: paired_risk_difference(3, 1, 25, a), ">", 0.0)
    verdict = judge([gain], "h", "h")[0]
    assert verdict.verdict == INCONCLUSIVE
    assert verdict.detectable_effect is not None
    assert 0.2 < verdict.detectable_effect < 0.35
    assert verdict.n_to_decide is not None
    scale = verdict.n_to_decide / 25
    larger = paired_risk_difference(round(3 * scale), round(scale), verdict.n_to_decide)
    assert larger.lo > 0
    decided = Criterion("ft", lambda a: paired_risk_difference(12, 0, 25, a), ">", 0.0)
    assert judge([decided], "h", "h")[0].n_to_decide is None


def test_an_undefined_estimand_is_inconclusive_with_its_reason() -> None:
    verdict = judge([Criterion("m", lambda _: Undefined("2 checkpoints"), ">", 0.0)], "h", "h")[0]
    assert (verdict.verdict, verdict.p) == (INCONCLUSIVE, 1.0)
    assert str(verdict.estimate) == "undefined: 2 checkpoints"


@pytest.mark.parametrize(
    ("comparator", "threshold"), [("=>", 0.1), (">", float("nan")), ("within", 0.0)]
)
def test_a_malformed_criterion_is_refused(comparator: str, threshold: float) -> None:
    with pytest.raises(ValueError, match="Criterion 'c'"):
        Criterion("c", normal(0.0), comparator, threshold)


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="share a name"):
        judge([Criterion("c", normal(0.0), ">", 0.0)] * 2, "h", "h")


def test_minimum_over_origins() -> None:
    kept = [(99, 100), (95, 100), (97, 100)]
    least = minimum_of([lambda a, k=k, n=n: wilson(k, n, a, "pair") for k, n in kept])
    e = least(0.05)
    assert isinstance(e, Estimate)
    assert e.value == 0.95
    assert e.lo == wilson(95, 100).lo
    assert e.hi == wilson(95, 100, 0.05 / 3).hi
    undefined = minimum_of([normal(0.1), lambda _: Undefined("no pairs")])
    assert isinstance(undefined(0.05), Undefined)


def test_minimum_covers_at_least_as_promised() -> None:
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(400):
        hits = rng.binomial(200, [0.9, 0.9, 0.92])
        e = minimum_of([lambda a, k=int(k): wilson(k, 200, a) for k in hits])(0.05)
        assert isinstance(e, Estimate)
        missed += not e.lo <= 0.9 <= e.hi
    assert missed / 400 <= 0.05


def test_a_null_family_is_supported_at_most_at_alpha() -> None:
    rng = np.random.default_rng(1)
    families, any_wrong = 400, 0
    for _ in range(families):
        tables = rng.multinomial(25, [0.15, 0.15, 0.7], size=3)
        cells = [np.repeat([1.0, -1.0, 0.0], table) for table in tables]
        criteria = [
            Criterion(f"c{i}", lambda a, c=c: clustered_difference(c, a), ">", 0.0)
            for i, c in enumerate(cells)
        ]
        # Holm rejects anything only if the smallest p is at most α/m: one look suffices.
        any_wrong += any(criterion.clear(0.05 / 3) for criterion in criteria)
    print(f"family of three nulls: any verdict in {any_wrong / families:.3f}")
    assert any_wrong / families <= 0.05
