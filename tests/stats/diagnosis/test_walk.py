"""Each cause is planted in a sound refuted result, and the tree names it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from stages.params import CriterionParams
from stages.records import Outcome
from stages.stats.diagnosis.case import Case
from stages.stats.diagnosis.evaluation import gain_gap
from stages.stats.diagnosis.walk import TREE, diagnose
from stages.stats.intervals import Estimate
from stages.stats.results import TEST, TRAIN, Results, Row
from tests.stats.checks.run_files import make_lab

NODES = ("data count", "format validity", "adapter live", "overfit", "forgetting", "harness")
TASKS = 40


def rows(condition: str, half: str, solved: int, **changes: Any) -> list[Row]:
    """Two seeds over the same tasks, the first ``solved`` of them resolved."""
    standard: dict[str, Any] = {
        "attempt": 0,
        "pathology": "none",
        "difficulty": "easy",
        "kinds": (),
        "steps": 4,
        "ok_steps": 4,
        "input_tokens": 9,
        "output_tokens": 5,
        "cached_tokens": 0,
        "submitted_empty": False,
    }
    return [
        Row(
            world="oak_harbor",
            split="C",
            half=half,
            condition=condition,
            seed=seed,
            instance_id=f"{half}{n}",
            outcome=Outcome.RESOLVED if n < solved else Outcome.UNRESOLVED,
            run_id=f"{condition}-{half}-s{seed}",
            **{**standard, **changes},
        )
        for seed in (0, 1)
        for n in range(TASKS)
    ]


def guard(passed: int) -> list[dict[str, Any]]:
    place = {"world": "oak_harbor", "split": "C"}
    return [
        {**place, "seed": seed, "problem_id": f"p{n}", "passed": n < passed}
        for seed in (0, 1)
        for n in range(200)
    ]


def kept(right: int) -> list[dict[str, Any]]:
    place = {"world": "oak_harbor", "split": "C", "seed": 0}
    return [{**place, "instance_id": f"t{n}", "origin": n, "right": n < right} for n in range(60)]


def sound(base: int = 20, skill: int = 20, **changes: Any) -> Results:
    """A refuted pilot in which nothing went wrong: the adapter does nothing, on both halves."""
    plain = {
        "lab": make_lab(),
        "rows": (
            *rows("base", TEST, base),
            *rows("base", TRAIN, base),
            *rows("skill", TEST, skill),
            *rows("skill", TRAIN, skill),
        ),
        "guard": {"base": guard(120), "skill": guard(120)},
        "retention": kept(60),
        "losses": {"oak_harbor/C/skill-s0": [1.2, 0.4]},
        "facts": {"oak_harbor/C/skill-s0": {"examples": 120}},
        "certificates": {"oak_harbor/C/skill-s0": {"delta_norm": 3.0, "logit_shift_max": 0.5}},
    }
    return Results(**{**plain, **changes})


def check(status: str = "pass", level: str = "stop", **evidence: Any) -> dict[str, Any]:
    return {"name": "a check", "level": level, "status": status, "evidence": evidence, "remedy": ""}


CHECKS = {"3": check(), "9": check(targets=300), "30": check(level="warn"), "11": check()}


def refuted(verdict: str = "refuted", **changes: Any) -> dict[str, Any]:
    return {"verdict": verdict, "n": TASKS, "unit": "task", "n_to_decide": None, **changes}


def explain(
    results: Results, checks: dict[str, Any] | None = None, row: dict[str, Any] | None = None
) -> dict[str, Any]:
    found = diagnose(results, {**CHECKS, **(checks or {})}, {"ft": row or refuted()})["ft"]
    assert tuple(node["name"] for node in found["nodes"]) == NODES
    return found


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {node["name"]: node["status"] for node in found["nodes"]}


def test_a_sound_negative_has_every_node_measured_and_none_suspect() -> None:
    found = explain(sound())
    assert set(statuses(found).values()) == {"passed"}
    assert found["cause"] == "none" and "is the effect" in found["remedy"]
    for node in found["nodes"]:
        assert node["evidence"] and "p1" in node["source"]


def test_supported_and_exploratory_are_not_explained() -> None:
    words = {"a": "supported", "b": "EXPLORATORY"}
    assert diagnose(sound(), CHECKS, {k: refuted(w) for k, w in words.items()}) == {}


def test_inconclusive_says_how_many_units_would_decide() -> None:
    found = explain(sound(), row=refuted("inconclusive", n_to_decide=412))
    assert found["remedy"] == "No node is suspect: 412 tasks would decide it, 40 were measured."
    found = explain(sound(), row=refuted("inconclusive"))
    assert "no number of tasks" in found["remedy"]


def test_undefined_says_why() -> None:
    row = refuted("inconclusive", n=None, undefined="undefined: the guard was not run")
    assert "the guard was not run" in explain(sound(), row=row)["remedy"]


FEW = {"oak_harbor/C/skill-s0": {"examples": 9}}
DEAD = {"oak_harbor/C/skill-s0": {"delta_norm": 0.0, "logit_shift_max": 0.0}}
BY_HEART = (
    *rows("base", TEST, 20),
    *rows("base", TRAIN, 20),
    *rows("skill", TEST, 20),
    *rows("skill", TRAIN, 40),
)
HELD_OUT = {"held_out_first_loss": 0.4, "held_out_last_loss": 0.9}
CUT = {"skill_held_out_truncated": 0.3, "skill_held_out_truncated_lo": 0.2}


@pytest.mark.parametrize(
    ("cause", "results", "checks"),
    [
        ("data count", sound(facts=FEW), {}),
        ("data count", sound(), {"11": check("fail")}),
        ("format validity", sound(), {"9": check("fail", first_problem="no action in 'diff'")}),
        ("format validity", sound(), {"10": check("fail")}),
        ("format validity", sound(), {"30": check("fail", "warn", **CUT)}),
        ("adapter live", sound(certificates=DEAD), {}),
        ("adapter live", sound(), {"5": check("fail")}),
        ("overfit", sound(rows=BY_HEART), {}),
        ("overfit", sound(facts={"oak_harbor/C/skill-s0": {"examples": 120, **HELD_OUT}}), {}),
        ("forgetting", sound(base=30, skill=10), {}),
        ("forgetting", sound(guard={"base": guard(120), "skill": guard(90)}), {}),
        ("forgetting", sound(retention=kept(6)), {}),
        ("forgetting", sound(), {"8": check("fail")}),
        ("harness", sound(), {"26": check("fail", first_problem="fences kept")}),
        ("harness", sound(), {"24": check("fail")}),
    ],
)
def test_a_planted_cause_is_named(cause: str, results: Results, checks: dict[str, Any]) -> None:
    found = explain(results, checks)
    assert found["cause"] == cause
    wrong = [name for name, status in statuses(found).items() if status == "suspect"]
    assert wrong == [cause]


def test_harness_errors_of_one_condition_are_named() -> None:
    results = sound()
    lost = [
        dataclasses.replace(row, outcome=Outcome.HARNESS_ERROR)
        if row.condition == "skill" and row.half == TEST and row.instance_id == "test3"
        else row
        for row in results.rows
    ]
    found = explain(dataclasses.replace(results, rows=tuple(lost)))
    assert found["cause"] == "none"  # 2 of 160: under 2 %
    lost = [
        dataclasses.replace(row, outcome=Outcome.HARNESS_ERROR)
        if row.condition == "skill" and row.instance_id in {"test3", "test4", "train3"}
        else row
        for row in results.rows
    ]
    found = explain(dataclasses.replace(results, rows=tuple(lost)))
    assert found["cause"] == "harness" and "skill" in found["remedy"]


def test_the_first_of_several_causes_is_the_one_named() -> None:
    found = explain(sound(facts=FEW, certificates=DEAD), {"9": check("fail")})
    assert found["cause"] == "data count"
    assert list(statuses(found).values())[:3] == ["suspect"] * 3


def test_too_few_test_tasks_are_a_data_count() -> None:
    found = explain(sound(), row=refuted(n=6))
    assert found["cause"] == "data count" and "10 tasks or more, not 6" in found["remedy"]


def test_what_was_not_measured_says_so() -> None:
    bare = sound(rows=(), guard={}, retention=[], losses={}, facts={}, certificates={})
    found = diagnose(bare, {}, {"ft": refuted("inconclusive", n=None)})["ft"]
    assert set(statuses(found).values()) == {"not measured"}
    assert all(node["evidence"]["reason"] for node in found["nodes"])


def test_only_the_arms_that_a_criterion_names_are_looked_at() -> None:
    criterion = CriterionParams(
        estimand="difference.skill.format_A", comparator=">", threshold=0.0, test="none"
    )
    results = sound(
        lab=make_lab(criteria={"ft": criterion}),
        facts={
            "oak_harbor/C/skill-s0": {"examples": 120},
            "oak_harbor/C/format_B-s0": {"examples": 2},
            "oak_harbor/C/placebo_random-s0": {},
        },
    )
    assert explain(results)["cause"] == "none"
    assert Case(results, {}, "ft", "both.x", {}).arms == ("format_B", "skill")
    assert Case(results, {}, "ft", "resolve_rate.both", {}).arms == ("skill",)


def test_an_arm_whose_name_says_its_number_is_held_to_it() -> None:
    facts = {"oak_harbor/C/skill_25-s0": {"examples": 25}}
    criterion = CriterionParams(
        estimand="forward_transfer.skill_25", comparator=">", threshold=0.0, test="none"
    )
    lab = make_lab(
        criteria={"ft": criterion},
        train=dataclasses.replace(make_lab().experiment.train, min_examples=100),
    )
    found = explain(sound(lab=lab, facts=facts))
    assert statuses(found)["data count"] == "passed"


def test_the_gap_of_gains_has_the_interval_of_two_independent_halves() -> None:
    case = Case(sound(rows=BY_HEART), CHECKS, "ft", "forward_transfer.skill", refuted())
    gap = gain_gap(case, "skill", 0.05)
    assert isinstance(gap, Estimate) and gap.value == 0.5 and 0 < gap.lo < 0.5 < gap.hi
    assert gain_gap(case, "format_A", 0.05) is None


def test_every_stop_check_belongs_to_a_node() -> None:
    from stages.stats.audit import CHECKS as ALL

    for one in ALL:
        if one.level == "stop":
            failed = {str(one.id): check("fail", first_problem=f"planted {one.id}")}
            found = diagnose(sound(), failed, {"ft": refuted("inconclusive: audit")})["ft"]
            assert found["cause"] != "none", one.name
            assert f"planted {one.id}" in str(found["nodes"]), one.name


def test_the_tree_has_the_six_nodes_in_order() -> None:
    assert len(TREE) == len(NODES)
