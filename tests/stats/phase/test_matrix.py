"""Cells across a matrix: what is there is analysed, what isn't is named and never pooled."""

from __future__ import annotations

import dataclasses

import pytest

from stages.params import ParamsError
from stages.records import read_json
from stages.stats.intervals import Estimate, Undefined
from stages.stats.phase import tables
from stages.stats.phase.estimands import (
    anova,
    anova_table,
    matrix_estimand,
    shared_tests,
    transfer,
)
from stages.stats.phase.matrix import read_matrix
from stages.stats.phase.work import analyse
from tests.stats.phase.conftest import TASKS, matrix_lab, model_labs


def helps(model: str, world: str, split: str, condition: str) -> float:
    """The adapter helps everywhere but in one cell's repository, on one model."""
    hurt = (model, world) == ("tiny_short", "blue_mill")
    if condition not in ("skill", "both"):
        return 0.8 if hurt else 0.2
    return 0.05 if hurt else 0.9


def nothing(model: str, world: str, split: str, condition: str) -> float:
    return 0.4


def test_the_whole_matrix_is_64_cells_and_its_verdicts_are_of_one_family(place) -> None:
    lab = matrix_lab()
    folder = place(helps, *model_labs(lab))
    matrix = read_matrix(lab, folder / "metrics")
    assert (len(matrix.cells), matrix.missing, matrix.incomplete) == (64, (), "")
    lines = analyse(lab, folder / "metrics", folder / "plots")
    found = read_json(folder / "metrics/verdicts/p3.json")
    assert found.keys() == lab.experiment.criteria.keys()
    assert found["forward_transfer"]["verdict"] == "supported"
    assert found["forward_transfer"]["unit"] == "repository"
    assert found["forward_transfer"]["n"] == 8
    assert found["interaction"]["verdict"] == "supported"
    assert min(row["alpha"] for row in found.values()) == round(0.05 / len(found), 4)  # Holm
    details = read_json(folder / "metrics/details/p3.json")
    assert details["negatives"]["below_zero"] == 2
    names = ["tiny_short, blue_mill, A", "tiny_short, blue_mill, D"]
    assert sorted(details["negatives"]["cells_below_zero"]) == names
    assert {row["cell"] for row in details["cells"][:2]} == set(names)
    assert "2 of 64 cells below zero" in lines[0] and names[0] in "".join(lines[1:3])
    assert set(read_json(folder / "metrics/p3.json")) == {*lab.experiment.evaluate.conditions}


def test_no_effect_is_not_found(place) -> None:
    lab = matrix_lab()
    folder = place(nothing, *model_labs(lab))
    analyse(lab, folder / "metrics", folder / "plots")
    found = read_json(folder / "metrics/verdicts/p3.json")
    assert {row["verdict"] for row in found.values()} <= {"inconclusive", "refuted"}
    details = read_json(folder / "metrics/details/p3.json")
    assert details["negatives"]["not_above_zero"] > 50


def test_missing_cells_are_named_and_never_pooled(place) -> None:
    lab = matrix_lab()
    there = model_labs(lab)[:3]
    folder = place(helps, *there)
    lines = analyse(lab, folder / "metrics", folder / "plots")
    text = "\n".join(lines)
    assert "16 of 64 cells are missing" in text
    assert "dvc repro stats@p3--tiny_short" in text
    found = read_json(folder / "metrics/verdicts/p3.json")
    assert {row["verdict"] for row in found.values()} == {
        "inconclusive: 16 of 64 cells are missing"
    }
    details = read_json(folder / "metrics/details/p3.json")
    assert set(details["by_model"]) == {"tiny", "tiny_narrow", "tiny_shallow"}
    assert len(details["cells"]) == 48 and len(details["missing"]) == 8
    assert found["every_model"]["undefined"].startswith("undefined")


def test_cells_of_other_values_do_not_count(place) -> None:
    lab = matrix_lab()
    first, *rest = model_labs(lab)
    folder = place(helps, *rest)
    place(helps, first, hash_="cd" * 32)
    matrix = read_matrix(lab, folder / "metrics")
    assert {cell.model for cell in matrix.missing} == {"tiny"}
    assert "other values (cdcdcdcdcdcd, now abababababab)" in matrix.missing[0].why


def test_real_cells_of_one_repository_each_are_read_too(place) -> None:
    """r3's form: an entry of `run` per model and repository, of which two are there."""
    lab = matrix_lab("r3")
    folder = place(nothing, "r3--qwen-3b--django__django", "r3--qwen-3b--sympy__sympy")
    matrix = read_matrix(lab, folder / "metrics")
    assert [cell.world for cell in matrix.cells] == ["django__django"] * 2 + ["sympy__sympy"] * 2
    assert matrix.incomplete == "60 of 64 cells are missing"
    lines = "\n".join(analyse(lab, folder / "metrics", folder / "plots"))
    assert "`r3--qwen-coder-7b--django__django: r3` under `run`" in lines
    found = read_json(folder / "metrics/verdicts/r3.json")["forward_transfer"]
    assert found["n"] == 2 and found["verdict"].startswith("inconclusive: 60 of 64")


def test_nothing_at_all_is_an_error_with_a_remedy(place) -> None:
    lab = matrix_lab()
    folder = place(nothing)
    with pytest.raises(ParamsError, match="it was not run"):
        analyse(lab, folder / "metrics", folder / "plots")


def test_a_failed_stop_check_of_any_cell_stops_every_verdict(place) -> None:
    lab = matrix_lab()
    names = model_labs(lab)
    folder = place(helps, *names, failed=names[2])
    analyse(lab, folder / "metrics", folder / "plots")
    found = read_json(folder / "metrics/verdicts/p3.json")
    assert {row["verdict"] for row in found.values()} == {"inconclusive: audit (2)"}
    row = read_json(folder / "metrics/audit/p3.json")["2"]
    assert (row["status"], row["remedy"]) == ("fail", "Mend it.")
    assert row["evidence"]["first_problem"] == f"a patch of {names[2]}"
    assert row["evidence"][names[0]] == {"status": "pass"}


def test_estimands_by_hand(place) -> None:
    """One repository helped by all models in both splits, seven untouched."""

    def one(model: str, world: str, split: str, condition: str) -> float:
        if condition == "base":
            return 0.0
        return 1.0 if world == "oak_harbor" else 0.0

    lab = matrix_lab()
    matrix = read_matrix(lab, place(one, *model_labs(lab)) / "metrics")
    assert transfer(matrix.cells[0]) == 1.0 and transfer(matrix.cells[-1]) == 0.0
    values = {}
    for name in ("forward_transfer.skill", "share_below_zero.skill"):
        values[name] = matrix_estimand(matrix, name)(0.05)
    assert isinstance(values["forward_transfer.skill"], Estimate)
    assert values["forward_transfer.skill"].value == 1 / 8
    assert values["forward_transfer.skill"].lo < 0  # one of eight repositories decides nothing
    assert isinstance(values["share_below_zero.skill"], Estimate)
    assert values["share_below_zero.skill"].value == 7 / 8 / 2  # seven at zero, each half
    least = matrix_estimand(matrix, "forward_transfer.skill.min_repository")(0.05)
    assert isinstance(least, Estimate) and least.value == 0.0
    model = matrix_estimand(matrix, "partial_eta_squared.model")(0.05)
    assert isinstance(model, Undefined)  # no value varies within a cell
    assert shared_tests(matrix) == 0.0
    with pytest.raises(ParamsError, match=r"'forward\.skill' is no estimand of a matrix"):
        matrix_estimand(matrix, "forward.skill")


def test_splits_with_the_same_tasks_are_no_replicates(place) -> None:
    """With nothing to find, base's luck on the shared tasks would look like an interaction."""
    lab = matrix_lab()
    matrix = read_matrix(lab, place(nothing, *model_labs(lab), shared=True) / "metrics")
    assert shared_tests(matrix) == 1.0
    found = matrix_estimand(matrix, "partial_eta_squared.interaction")(0.05)
    assert isinstance(found, Undefined) and "no replicates" in str(found)


def test_the_anova_s_replicates_are_the_splits(place) -> None:
    lab = matrix_lab()
    matrix = read_matrix(lab, place(helps, *model_labs(lab)) / "metrics")
    found = anova(anova_table(matrix))
    assert not isinstance(found, Undefined)
    freedom = {name: effect.df for name, effect in found.effects.items()}
    assert freedom == {"model": 3, "repository": 7, "model × repository": 21}
    assert (found.residual_df, found.residual) == (32, "replicates within cells")


def test_base_episodes_of_both_splits_count_once_in_the_odds(place) -> None:
    lab = matrix_lab()
    matrix = read_matrix(lab, place(helps, *model_labs(lab), shared=True) / "metrics")
    own = tuple(cell for cell in matrix.cells if cell.model == "tiny")
    odds = tables._odds(own, 0.05)
    # 8 repositories: base once, the adapter in each of two splits
    assert odds["episodes"] == 8 * TASKS * 3
    assert odds["mixed"]["lo"] > 0


def test_least_variance_is_exploratory_and_decides_nothing(place) -> None:
    from stages.records import write_json

    lab = matrix_lab()
    folder = place(helps, *model_labs(lab))
    spread = {"A": 0.02, "B": 0.3, "C": 0.2, "D": 0.01, "E": 0.4}
    table = {name: {"value": 0.5, "lo": 0.5 - s, "hi": 0.5 + s} for name, s in spread.items()}
    write_json(folder / "metrics/details/p2.json", {"by_split": {"forward_transfer": table}})
    analyse(lab, folder / "metrics", folder / "plots")
    found = read_json(folder / "metrics/details/p3.json")["exploratory"]["best_two_splits"]
    assert (found["status"], found["chosen"]) == ("EXPLORATORY", ["A", "D"])
    assert found["forward_transfer"]["n"] == 8
    table["B"] = {"value": 0.5, "lo": 0.5, "hi": 0.5}
    write_json(folder / "metrics/details/p2.json", {"by_split": {"forward_transfer": table}})
    analyse(lab, folder / "metrics", folder / "plots")
    found = read_json(folder / "metrics/details/p3.json")["exploratory"]["best_two_splits"]
    assert found["chosen"] == ["B", "D"] and found["not_in_the_matrix"] == ["B"]
    assert "experiments.p3.splits=[B,D]" in found["forward_transfer"]


def test_plots_hold_every_cell_and_the_heat_map_the_mean_of_splits(place) -> None:
    lab = matrix_lab()
    folder = place(helps, *model_labs(lab))
    analyse(lab, folder / "metrics", folder / "plots")
    strip = read_json(folder / "plots/p3/cells.json")
    gains = [row["forward_transfer"] for row in strip]
    assert len(strip) == 64 and gains == sorted(gains)
    heat = read_json(folder / "plots/p3/matrix.json")
    assert len(heat) == 32 and {row["splits"] for row in heat} == {2}
    low = min(heat, key=lambda row: row["forward_transfer"])
    assert (low["model"], low["repository"]) == ("tiny_short", "blue_mill")
    assert next(iter(read_json(folder / "plots/p3/anova.json")))["effect"] == "model"


def test_a_condition_that_was_not_run_is_undefined(place) -> None:
    lab = matrix_lab()
    matrix = read_matrix(lab, place(helps, *model_labs(lab)) / "metrics")
    empty = dataclasses.replace(matrix, cells=())
    for name in ("forward_transfer.skill", "share_below_zero.skill", "partial_eta_squared.model"):
        assert isinstance(matrix_estimand(empty, name)(0.05), Undefined)
