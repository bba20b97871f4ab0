"""Everything that is written of a matrix: metrics/, plots/ and what is said on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.lab.context import Lab
from stages.params import ParamsError
from stages.records import write_json
from stages.stats import summary
from stages.stats.audit import blocking
from stages.stats.diagnosis.walk import diagnose
from stages.stats.phase import tables
from stages.stats.phase.audits import union
from stages.stats.phase.best_splits import best_two_splits
from stages.stats.phase.estimands import matrix_estimand
from stages.stats.phase.matrix import METRICS, Matrix, read_matrix
from stages.stats.verdict import Criterion, Verdict, judge
from stages.stats.verdict_row import verdict_row

PLOTS = Path("plots")


def analyse(lab: Lab, metrics: Path = METRICS, plots: Path = PLOTS) -> list[str]:
    """Analyse what there is of the matrix ``lab``; returns the lines that say it, negatives first.

    While a cell is missing every verdict is inconclusive and says so. ParamsError where there is no
    cell at all.
    """
    matrix = read_matrix(lab, metrics)
    if not matrix.cells:
        first = matrix.missing[0]
        raise ParamsError(
            f"{lab.name}: none of its cells is there: {first.model}, {first.world}: {first.why}. "
            f"Make the first ones with `{first.remedy}`."
        )
    status, ran = lab.registration()
    verdicts = _verdicts(matrix, ran if status == "REGISTERED" else "", ran)
    checks = union(matrix, metrics)
    stopped = blocking(checks)
    found = {v.name: verdict_row(v, stopped, matrix.incomplete) for v in verdicts}
    rows, details = tables.cells(matrix), _details(matrix, status, ran, metrics)
    details["diagnosis"] = summary.rounded(diagnose(matrix.pooled(), checks, found))
    write_json(metrics / f"{lab.name}.json", summary.conditions(matrix.pooled()))
    write_json(metrics / "details" / f"{lab.name}.json", details)
    write_json(metrics / "verdicts" / f"{lab.name}.json", found)
    write_json(metrics / "audit" / f"{lab.name}.json", checks)
    _write_plots(rows, details, plots / lab.name)
    return said(matrix, status, details, found)


def _verdicts(matrix: Matrix, registered: str, ran: str) -> list[Verdict]:
    experiment = matrix.lab.experiment
    criteria = [
        Criterion(name, matrix_estimand(matrix, c.estimand), c.comparator, c.threshold)
        for name, c in experiment.criteria.items()
    ]
    return judge(criteria, registered, ran, experiment.alpha, experiment.power)


def _details(matrix: Matrix, status: str, ran: str, metrics: Path) -> dict[str, Any]:
    """The negatives first, as science.md asks of this phase."""
    experiment, pooled = matrix.lab.experiment, matrix.pooled()
    rows = tables.cells(matrix)
    return {
        "negatives": tables.negatives(rows),
        "missing": [vars(cell) for cell in matrix.missing],
        "registration": {"status": status, "hash": ran},
        "experiment": {
            "title": experiment.title,
            "hypothesis": experiment.hypothesis,
            "kind": experiment.kind,
            "worlds": list(experiment.worlds),
            "models": list(experiment.models),
            "splits": list(experiment.splits),
            "seeds": list(experiment.seeds),
        },
        "cells": rows,
        "anova": tables.variance(matrix),
        "logistic": tables.logistic(matrix),
        "agreement_of_models": tables.agreement(matrix),
        "by_model": tables.by_model(matrix),
        "by_repository": tables.by_repository(matrix),
        "by_registered_split": tables.by_split(matrix),
        "comparisons": summary.comparisons(pooled),
        "capability": summary.capability(pooled),
        "power": summary.power(pooled),
        "outcomes": summary.outcomes(pooled),
        "exploratory": {"best_two_splits": best_two_splits(matrix, metrics)},
    }


def _write_plots(rows: list[dict[str, Any]], details: dict[str, Any], folder: Path) -> None:
    """The strip of cells, lowest first; the heat map; the table of the ANOVA."""
    measured = [row for row in rows if row["forward_transfer"] is not None]
    strip = ("cell", "forward_transfer", "lo", "hi", "n")
    write_json(folder / "cells.json", [{key: row[key] for key in strip} for row in measured])
    write_json(folder / "matrix.json", _heat(measured, details["experiment"]))
    effects = details["anova"].get("effects", {})
    flat = [{"effect": name, **_flat(row)} for name, row in effects.items()]
    write_json(folder / "anova.json", flat)


def _heat(rows: list[dict[str, Any]], about: dict[str, Any]) -> list[dict[str, Any]]:
    """Mean of the splits by model and repository, in the registration's order."""
    table = []
    for model in about["models"]:
        for world in about["worlds"]:
            own = [r for r in rows if (r["model"], r["repository"]) == (model, world)]
            if own:
                value = sum(row["forward_transfer"] for row in own) / len(own)
                place = {"model": model, "repository": world}
                table.append({**place, "forward_transfer": value, "splits": len(own)})
    return summary.rounded(table)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """An effect's row with its share's interval as plain columns."""
    share = row["partial_eta_squared"]
    known = isinstance(share, dict)
    ends = {key: share[key] if known else None for key in ("value", "lo", "hi")}
    plain = {key: row[key] for key in ("sum_of_squares", "df", "f", "p")}
    return {**plain, "partial_eta_squared": ends["value"], "lo": ends["lo"], "hi": ends["hi"]}


def said(
    matrix: Matrix, status: str, details: dict[str, Any], verdicts: dict[str, dict[str, Any]]
) -> list[str]:
    """What is printed: negatives and what is missing come before any mean."""
    against = details["negatives"]
    lines = [
        f"{matrix.lab.name}: {status}; {against['below_zero']} of {against['cells']} cells below "
        f"zero, {against['interval_below_zero']} of them with their whole interval; "
        f"{against['not_above_zero']} not clearly above zero"
    ]
    lines += [f"  below zero: {name}" for name in against["cells_below_zero"]]
    whys = dict.fromkeys((missing.why, missing.remedy) for missing in matrix.missing)
    lines += [f"  {matrix.incomplete}:"] if whys else []
    lines += [f"  - {why}; make it with: {remedy}" for why, remedy in whys]
    lines += [f"  {name}: {row['verdict']}" for name, row in verdicts.items()]
    return lines
