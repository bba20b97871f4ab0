"""A matrix in a report: negatives before any mean, effects with their intervals."""

from __future__ import annotations

from typing import Any

from stages.report.phase import SHOWN, negatives, values


def details(below: int) -> dict[str, Any]:
    names = [f"tiny, world_{n}, A" for n in range(below)]
    share = {"value": 0.25, "lo": 0.05, "hi": 0.4}
    effect = {"df": 3, "f": 3.5, "p": 0.02, "partial_eta_squared": share}
    none = {**effect, "partial_eta_squared": "undefined: no value varies"}
    return {
        "negatives": {
            "cells": 64,
            "below_zero": below,
            "interval_below_zero": 1,
            "not_above_zero": below + 2,
            "cells_below_zero": names,
        },
        "missing": [],
        "anova": {"effects": {"model": effect, "repository": none}, "residual_df": 32},
        "logistic": {"all": {"mixed": {"value": 1.5, "lo": 1.0, "hi": 2.0}}},
        "agreement_of_models": {"kendall_w": 0.7, "p": 0.01},
    }


def test_negatives_are_counted_and_named() -> None:
    text = negatives(details(2))
    assert "2 of 64 cells are below zero, 1 with their whole interval; 4 are not" in text
    assert "Below zero: tiny, world_0, A; tiny, world_1, A." in text
    assert f"and {20 - SHOWN} more" in negatives(details(20))
    assert "Below zero:" not in negatives(details(0))
    lacking = {**details(0), "missing": [{"model": "tiny"}] * 8}
    assert "Not run, and not pooled: 8 pairs" in negatives(lacking)


def test_what_is_no_matrix_adds_nothing() -> None:
    assert negatives({}) == "" and values({}) == []


def test_effects_stand_with_their_intervals() -> None:
    rows = dict(values(details(0)))
    assert rows["ANOVA: model"] == "partial η² 0.250 [0.050, 0.400], F(3, 32) = 3.50, p = 0.02"
    assert rows["ANOVA: repository"] == "undefined: no value varies"
    assert rows["adapter's effect, log odds"].startswith("+1.50 [+1.00, +2.00]")
    assert rows["models rank repositories"] == "Kendall's W 0.70, p = 0.01"
