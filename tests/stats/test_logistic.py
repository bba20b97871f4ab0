"""The quadrature against brute-force integration and statsmodels; separation is told."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import integrate, optimize, stats

from stages.stats.intervals import Estimate, Undefined
from stages.stats.logistic import adapter_effect, mixed_fit, negative_log_likelihood


def episodes(rng: np.random.Generator, effect: float, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """(resolved, adapted) of 40 tasks × 2 models × 2 arms, flattened in that order."""
    adapted = np.tile([0.0, 1.0], 80)
    level = np.repeat(rng.normal(0, sd, 40), 4)
    rate = 1 / (1 + np.exp(0.5 - level - effect * adapted))
    return (rng.random(160) < rate).astype(float), adapted


TASK = np.repeat(np.arange(40), 4).tolist()
MODEL = ["small", "small", "large", "large"] * 40
REPOSITORY = np.repeat(["a", "b"], 80).tolist()


def test_the_likelihood_is_the_integral_and_its_gradient_its_slope() -> None:
    y, x = np.array([1.0, 0, 1, 1]), np.array([[1.0, 0], [1, 1], [1, 0], [1, 1]])
    theta, starts = np.array([0.3, -0.5, 0.2]), np.array([0, 2])

    def of_task(rows: slice) -> float:
        def product(z: float) -> float:
            p = 1 / (1 + np.exp(-(x[rows] @ theta[:2]) - np.exp(0.2) * z))
            return float(np.prod(np.where(y[rows] == 1, p, 1 - p)) * stats.norm.pdf(z))

        return float(integrate.quad(product, -9, 9)[0])

    value, gradient = negative_log_likelihood(theta, y, x, starts)
    assert value == pytest.approx(-np.log(of_task(slice(0, 2))) - np.log(of_task(slice(2, 4))))
    numeric = optimize.approx_fprime(
        theta, lambda t: negative_log_likelihood(t, y, x, starts)[0], 1e-6
    )
    assert gradient == pytest.approx(numeric, abs=1e-5)


def test_without_a_tasks_level_it_is_the_ordinary_logistic_model() -> None:
    y, adapted = episodes(np.random.default_rng(0), 1.0, 0.0)
    design = np.column_stack([np.ones(160), adapted])
    # One episode per task: the tasks' own levels cannot be told from the rest.
    rng = np.random.default_rng(1)
    e, sd = mixed_fit(y, design, rng.permutation(np.arange(160) // 4), 0.05)
    theirs = sm.Logit(y, design).fit(disp=0)
    assert isinstance(e, Estimate)
    assert isinstance(sd, float)
    if sd < 0.05:
        assert e.value == pytest.approx(theirs.params[1], abs=1e-2)
        assert e.hi == pytest.approx(theirs.conf_int()[1][1], abs=3e-2)
    assert e.value == pytest.approx(theirs.params[1], abs=0.25)


def test_an_effect_is_found_by_both_and_is_larger_within_tasks() -> None:
    y, adapted = episodes(np.random.default_rng(2), 2.0, 2.0)
    found = adapter_effect(y, adapted, TASK, MODEL, REPOSITORY)
    assert isinstance(found.gee, Estimate)
    assert isinstance(found.mixed, Estimate)
    assert isinstance(found.task_sd, float)
    assert found.gee.lo > 0
    assert 0 < found.mixed.lo < 2 < found.mixed.hi
    assert found.gee.value < found.mixed.value
    assert found.task_sd == pytest.approx(2.0, abs=1.0)


def test_separation_and_few_tasks_are_told() -> None:
    y, adapted = episodes(np.random.default_rng(3), 1.0, 1.0)
    never = np.where(adapted == 1, 0.0, y)
    assert "adapted resolves no task" in str(
        adapter_effect(never, adapted, TASK, MODEL, REPOSITORY).gee
    )
    few = adapter_effect(y[:32], adapted[:32], TASK[:32], MODEL[:32], REPOSITORY[:32])
    assert "at least 10" in str(few.mixed)
    assert isinstance(few.task_sd, Undefined)
    one = adapter_effect(y, np.ones(160), TASK, MODEL, REPOSITORY)
    assert "no episode of the base arm" in str(one.gee)


def test_a_model_that_never_resolves_is_left_out_and_said() -> None:
    y, adapted = episodes(np.random.default_rng(4), 1.0, 1.0)
    y[np.array(MODEL) == "small"] = 0
    found = adapter_effect(y, adapted, TASK, MODEL, REPOSITORY)
    assert found.notes == ["80 episodes of levels that never vary were left out"]
    assert isinstance(found.gee, Estimate)


def test_bad_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="one value per episode"):
        adapter_effect([1, 0], [1], ["a"], ["m"], ["r"])
    with pytest.raises(ValueError, match="0 or 1"):
        adapter_effect([0.5], [1], ["a"], ["m"], ["r"])
