"""The named estimands on hand-made rows."""

from __future__ import annotations

import math

import pytest

from stages.params import ParamsError
from stages.records import Outcome
from stages.stats.estimands import estimand, origins
from stages.stats.families.guard import share_passed
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import TEST, TRAIN, Results, Row, mean
from stages.stats.summary import comparisons, conditions
from tests.small_lab import small_lab

OUTCOMES = {"1": Outcome.RESOLVED, "0": Outcome.UNRESOLVED, "x": Outcome.HARNESS_ERROR}


def rows(
    condition: str,
    outcomes: str,
    *,
    seed: int = 0,
    half: str = TEST,
    steps: int = 4,
    run_id: str = "",
    split: str = "A",
) -> list[Row]:
    """One row per character: 1 resolved, 0 not, x a harness error."""
    return [
        Row(
            world="oak",
            split=split,
            half=half,
            condition=condition,
            seed=seed,
            attempt=0,
            instance_id=f"{half}{n}",
            outcome=OUTCOMES[char],
            pathology="none",
            difficulty="easy",
            kinds=("unit",),
            steps=steps,
            ok_steps=steps,
            input_tokens=10,
            output_tokens=5,
            cached_tokens=0,
            submitted_empty=False,
            run_id=run_id or f"{condition}-{half}-{split}-s{seed}",
        )
        for n, char in enumerate(outcomes)
    ]


def results(*groups: list[Row], guard=None, retention=None) -> Results:
    made = tuple(row for group in groups for row in group)
    return Results(small_lab(), made, guard or {}, retention or [], {}, {}, {})


def value(made: Results, name: str) -> float:
    found = estimand(made, name)(0.05)
    assert isinstance(found, Estimate), found
    assert found.lo <= found.value <= found.hi
    return round(found.value, 10)


def test_rates_and_paired_differences_by_hand():
    made = results(
        rows("base", "1000", seed=0),
        rows("base", "1100", seed=1),
        rows("skill", "1110", seed=0, steps=3),
        rows("skill", "1111", seed=1, steps=2),
    )
    assert value(made, "resolve_rate.base") == 0.375
    assert value(made, "resolve_rate.skill") == 0.875
    assert value(made, "forward_transfer.skill") == 0.5
    assert value(made, "difference.base.skill") == -0.5
    assert value(made, "steps.skill") == -1.5
    assert made.cells("skill").shape == (4, 2)
    assert made.conditions == ["base", "skill"]


def test_a_harness_error_is_no_failure_of_the_agent():
    made = results(rows("base", "10x"), rows("skill", "x11"))
    assert value(made, "resolve_rate.base") == 0.5
    assert value(made, "forward_transfer.skill") == 1.0
    assert conditions(made)["base"]["harness_errors"] == 1


def test_only_pairs_of_the_same_task_and_run_are_compared():
    made = results(
        rows("base", "0011"),
        rows("base", "1111", seed=1),
        rows("skill", "11"),
    )
    assert made.differences("base", "skill").tolist() == [[1.0], [1.0]]


def test_comparisons_take_the_tasks_and_runs_that_both_conditions_measured():
    """Base played every task; the skill adapter the first four, and one episode was lost."""
    made = results(
        rows("base", "000011", seed=0),
        rows("base", "0x0111", seed=1),
        rows("skill", "0111", seed=0, steps=3),
        rows("skill", "x111", seed=1, steps=3),
    )
    found = comparisons(made)["skill"]
    small = results(
        rows("base", "0000", seed=0),
        rows("base", "xx01", seed=1),
        rows("skill", "0111", seed=0, steps=3),
        rows("skill", "xx11", seed=1, steps=3),
    )
    alike = comparisons(small)["skill"]
    names = ("mcnemar_first_seed", "paired_t", "wilcoxon", "cohens_dz", "cohens_h", "odds_ratio")
    assert {name: found[name] for name in names} == {name: alike[name] for name in names}
    assert found["forward_transfer"]["n"] == alike["forward_transfer"]["n"]


def test_two_conditions_from_one_run_are_refused():
    made = results(rows("base", "10", run_id="one.jsonl"), rows("aa", "10", run_id="one.jsonl"))
    with pytest.raises(ValueError, match=r"base and aa are computed from one run, one\.jsonl"):
        estimand(made, "forward_transfer.aa")(0.05)


def test_forgetting_is_base_minus_skill_on_the_training_tasks():
    made = results(
        rows("base", "1111"),
        rows("base", "1100", half=TRAIN),
        rows("skill", "0000"),
        rows("skill", "1111", half=TRAIN),
    )
    assert value(made, "forgetting.skill") == -0.5
    assert value(made, "forward_transfer.skill") == -1.0


def test_splits_reuse_tasks_as_further_runs():
    made = results(
        *(rows("base", "00", split=split) for split in "AB"),
        *(rows("skill", "01", split=split) for split in "AB"),
    )
    assert made.differences("base", "skill").tolist() == [[0.0, 0.0], [1.0, 1.0]]


def guard(passed: str, seed: int = 0) -> list[dict[str, object]]:
    """Two samples a problem."""
    place = {"world": "oak", "split": "A", "seed": seed}
    return [
        {**place, "problem_id": f"p{n // 2}", "sample": n % 2, "passed": char == "1"}
        for n, char in enumerate(passed)
    ]


def test_capability_drop_is_paired_by_problem():
    made = results(guard={"base": guard("111001"), "skill": guard("110000")})
    assert share_passed(made.guard["base"]) == {
        (f"p{n}", ("oak", "A", 0)): share for n, share in enumerate((1.0, 0.5, 0.5))
    }
    assert value(made, "capability_drop.skill") == round(1 / 3, 10)


def kept(origin: int, right: str, seed: int = 0) -> list[dict[str, object]]:
    place = {"world": "oak", "split": "A", "seed": seed, "instance_id": f"t{origin}"}
    return [{**place, "origin": origin, "right": char == "1"} for char in right]


def test_retention_is_the_smallest_share_over_the_registered_origins():
    turns = [row for n in range(1, 9) for row in kept(n, "11" if n < 7 else "10")]
    made = results(retention=turns)
    assert origins(made) == (1, 2, 4, 6, 8)
    assert value(made, "retention.skill.min") == 0.5


@pytest.mark.parametrize(
    "name",
    [
        "forward_transfer.skill",
        "difference.skill.base",
        "resolve_rate.skill",
        "steps.skill",
        "forgetting.skill",
        "capability_drop.skill",
        "retention.skill.min",
    ],
)
def test_what_was_not_run_is_undefined_with_its_reason(name):
    found = estimand(results(rows("base", "10")), name)(0.05)
    assert isinstance(found, Undefined) and str(found)


@pytest.mark.parametrize(
    "name",
    ["", "forward_transfer", "difference.skill", "forgetting.base", "speed.skill", "steps.a.b"],
)
def test_an_unknown_estimand_is_refused_with_the_known_ones(name):
    with pytest.raises(ParamsError, match=r"is unknown\. There are forward_transfer\.C"):
        estimand(results(), name)


def test_mean_leaves_out_what_is_unknown():
    assert mean([1.0, math.nan, 3.0]) == 2.0
    assert math.isnan(mean([]))
