"""Layers and switches on hand-made rows: what each is worth, alone and together."""

from __future__ import annotations

from typing import Any

import pytest

from stages.params import ArmParams, ParamsError
from stages.stats.estimands import estimand
from stages.stats.families.ablation import METRICS, metric_mean
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import Results
from tests.stats.families.small_rows import results, rows

FACTORIAL = (
    rows("base", "1000000000"),
    rows("fuzzy", "1100000000"),
    rows("skill", "1111100000"),
    rows("fuzzy_skill", "1111111110"),
)


def found(made: Results, name: str, alpha: float = 0.05) -> Estimate:
    estimate = estimand(made, name)(alpha)
    assert isinstance(estimate, Estimate), estimate
    assert estimate.lo <= estimate.value <= estimate.hi
    return estimate


def value(made: Results, name: str) -> float:
    return round(found(made, name).value, 10)


def test_main_effects_add_up_to_what_both_are_worth_and_the_interaction_is_the_rest():
    made = results(*FACTORIAL)
    assert value(made, "interaction.fuzzy.skill") == 0.3  # 9 - 5 - 2 + 1
    assert value(made, "interaction.skill.fuzzy") == 0.3
    assert value(made, "main_effect.fuzzy.skill") == 0.25  # (1 + 4) / 2
    assert value(made, "main_effect.skill.fuzzy") == 0.55  # (4 + 7) / 2
    assert value(made, "difference.fuzzy_skill.base") == pytest.approx(0.25 + 0.55)


def test_skill_and_knowledge_together_are_both():
    made = results(
        rows("base", "1000"), rows("knowledge", "1100"), rows("skill", "1010"), rows("both", "1111")
    )
    assert value(made, "interaction.skill.knowledge") == 0.25
    assert value(made, "main_effect.knowledge.skill") == 0.375


def test_a_pair_that_was_not_played_together_is_undefined():
    made = results(*FACTORIAL[:3])
    for name in ("interaction.fuzzy.skill", "main_effect.skill.fuzzy"):
        assert "no condition has both" in str(estimand(made, name)(0.05))
    assert isinstance(estimand(made, "relative.steps.skill.missing")(0.05), Undefined)


def test_only_episodes_that_all_four_completed_count():
    made = results(rows("base", "1x00"), rows("a", "1100"), rows("b", "110x"), rows("a_b", "1110"))
    assert found(made, "interaction.a.b").n == 2
    assert value(made, "main_effect.a.b") == 0.25  # tasks 0 and 2: a_b - b is 1 of 2, a - base 0


def test_the_interaction_may_be_as_large_as_two():
    made = results(
        rows("base", "1" * 9), rows("a", "0" * 9), rows("b", "0" * 9), rows("a_b", "1" * 9)
    )
    assert value(made, "interaction.a.b") == 2.0


MANY = "1110" * 10


def layers(both: dict[str, Any]) -> Results:
    """Forty tasks × two seeds; notes alone take 8 steps, 2 of them in vain, and 200 tokens."""
    alone: dict[str, Any] = {
        "steps": [8, 7, 9],
        "ok_steps": [6, 5, 7],
        "context_tokens": [200, 190, 210],
    }
    return results(
        *(rows("knowledge", MANY, seed=seed, **alone) for seed in (0, 1)),
        *(rows("both", MANY, seed=seed, **both) for seed in (0, 1)),
        *(rows("base", MANY, seed=seed, **{**alone, "context_tokens": [90]}) for seed in (0, 1)),
    )


def test_relative_gains_are_shares_of_the_others_mean_and_less_is_better_but_for_resolving():
    made = layers({"steps": [6, 5, 7], "ok_steps": [5, 4, 6], "context_tokens": [220, 210, 230]})
    near = {name: round(value(made, f"relative.{name}.both.knowledge"), 2) for name in METRICS}
    assert near == {"steps": 0.25, "errors": 0.5, "context_tokens": -0.1, "resolve_rate": 0.0}
    assert value(made, "relative_best.both.knowledge") == 0.5
    assert value(made, "context_tokens.both.knowledge") == 20
    assert round(value(made, "context_tokens.knowledge")) == 110
    assert value(made, "errors.both.knowledge") == -1


def test_the_best_of_four_asks_more_of_its_lower_end_than_one_alone():
    made = layers({"steps": [6, 5, 8], "ok_steps": [4, 3, 6], "context_tokens": [200, 190, 210]})
    alone = found(made, "relative.steps.both.knowledge")
    best = found(made, "relative_best.both.knowledge")
    assert best.value == alone.value > 0.2
    assert best.lo < alone.lo <= best.value <= best.hi
    assert found(made, "relative_best.both.knowledge", 0.01).lo <= best.lo


def test_a_metric_that_is_zero_cannot_be_the_best_and_leaves_the_others():
    few: dict[str, Any] = {"steps": [3, 4, 3]}
    many: dict[str, Any] = {"steps": [8, 7, 9]}
    made = results(
        *(rows("a", MANY, seed=s, ok_steps=few["steps"], **few) for s in (0, 1)),
        *(
            rows("b", MANY.replace("1", "0"), seed=s, ok_steps=many["steps"], **many)
            for s in (0, 1)
        ),
    )
    assert isinstance(estimand(made, "relative.resolve_rate.a.b")(0.05), Undefined)
    assert isinstance(estimand(made, "relative.errors.a.b")(0.05), Undefined)
    assert value(made, "relative_best.a.b") > 0.5


def test_means_have_their_own_unit_and_stay_within_what_is_possible():
    made = layers({"steps": [6, 5, 7]})
    limit = made.lab.agent_params.max_steps
    mean = metric_mean(made, "steps", "knowledge", 0.05)
    assert isinstance(mean, Estimate) and mean.value == pytest.approx(8, abs=0.1)
    assert 0 <= mean.lo < 8 < mean.hi <= limit
    assert isinstance(metric_mean(made, "steps", "nothing", 0.05), Undefined)


def test_a_last_observation_may_exceed_the_token_limit():
    limit = results().lab.agent_params.max_tokens
    made = results(
        rows("base", "1111", context_tokens=limit + 50), rows("skill", "1111", context_tokens=10)
    )
    assert value(made, "context_tokens.skill") == 10 - limit - 50


@pytest.mark.parametrize(
    "name", ["interaction.a", "relative.speed.a.b", "relative_best.a", "context_tokens.a.b.c"]
)
def test_names_of_another_shape_are_refused(name):
    with pytest.raises(ParamsError, match="is unknown"):
        estimand(results(arms={"a": ArmParams()}), name)
