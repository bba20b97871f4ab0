"""Claims about the largest of many comparisons between formats."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from stages.stats.estimands import estimand
from stages.stats.formats import mover
from stages.stats.intervals import Estimate, Undefined, wilson
from stages.stats.results import Results, Row
from tests.small_lab import small_lab
from tests.stats.test_results import rows

FORMATS = ("format_A", "format_B", "format_C")


def made(outcomes: dict[str, str], kinds: str = "") -> Results:
    """Results of one seed; ``kinds`` has a letter per task, u for a unit convention."""
    lab = small_lab()
    evaluate = dataclasses.replace(lab.experiment.evaluate, conditions=tuple(outcomes))
    lab = dataclasses.replace(
        lab, experiment=dataclasses.replace(lab.experiment, evaluate=evaluate)
    )
    played: list[Row] = []
    for condition, text in outcomes.items():
        for n, row in enumerate(rows(condition, text)):
            kind = ("unit",) if not kinds or kinds[n] == "u" else ()
            played.append(dataclasses.replace(row, kinds=kind))
    return Results(lab, tuple(played), {}, [], {}, {}, {})


def found(results: Results, name: str, alpha: float = 0.05) -> Estimate:
    one = estimand(results, name)(alpha)
    assert isinstance(one, Estimate), one
    assert one.lo <= one.value <= one.hi
    return one


def test_spread_and_lead_by_hand() -> None:
    results = made(
        {"base": "0" * 20, "format_A": "1" * 18 + "00", "format_B": "1" * 15 + "0" * 5}
        | {"format_C": "1" * 4 + "0" * 16}
    )
    assert found(results, "spread.format").value == pytest.approx(0.7)
    assert found(results, "lead.format").value == pytest.approx(0.15)
    assert found(results, "spread.format").lo > 0 > found(results, "lead.format").lo


def test_equal_formats_show_no_spread() -> None:
    results = made(dict.fromkeys(FORMATS, "1100" * 6))
    assert found(results, "spread.format").value == 0
    assert found(results, "spread.format").lo < 0


def test_an_interaction_is_a_difference_of_differences() -> None:
    """A beats B by 1 on tasks with a unit and loses by 0.5 on the others."""
    results = made(
        {"format_A": "1" * 10 + "0" * 10, "format_B": "0" * 10 + "10" * 5},
        kinds="u" * 10 + "-" * 10,
    )
    one = found(results, "interaction.format")
    assert one.value == pytest.approx(1.5)
    assert one.lo > 0


def test_one_format_alone_has_no_comparison() -> None:
    results = made({"base": "0101", "format_A": "1111"})
    assert isinstance(estimand(results, "lead.format")(0.05), Undefined)


def test_mover_is_newcombes_interval_for_two_proportions() -> None:
    """Newcombe (1998), Statistics in Medicine 17: 56/70 - 48/80 has (0.0524, 0.3339), method 10."""
    one = mover(lambda a: wilson(56, 70, a), lambda a: wilson(48, 80, a))(0.05)
    assert isinstance(one, Estimate)
    assert (round(one.lo, 4), round(one.hi, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize("name", ["spread.format", "lead.format", "interaction.format"])
def test_without_an_effect_it_is_rarely_found(name: str) -> None:
    """100 experiments of 40 tasks in which all formats are alike."""
    rng = np.random.default_rng(3)
    supported = 0
    for _ in range(100):
        chance = rng.uniform(0.2, 0.9, 40)
        texts = {f: "".join("01"[int(x)] for x in rng.random(40) < chance) for f in FORMATS}
        supported += found(made(texts, kinds="u-" * 20), name).lo > 0
    assert supported / 100 <= 0.05
