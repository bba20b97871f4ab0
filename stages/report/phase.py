"""What a matrix of repositories × models adds to a report: its negatives in front, its ANOVA."""

from __future__ import annotations

from typing import Any

EFFECTS = ("model", "repository", "model × repository")
SHOWN = 6
"""Cells that are named on the screen; metrics/details has all."""


def negatives(details: dict[str, Any]) -> str:
    """What speaks against generalisation, in one paragraph; empty for what is no matrix."""
    found = details.get("negatives")
    if not found:
        return ""
    names = found["cells_below_zero"]
    text = (
        f"Negatives first: {found['below_zero']} of {found['cells']} cells are below zero, "
        f"{found['interval_below_zero']} with their whole interval; {found['not_above_zero']} are "
        "not clearly above."
    )
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        text += f" Below zero: {'; '.join(names[:SHOWN])}{more}."
    if lacking := details.get("missing"):
        text += f" Not run, and not pooled: {len(lacking)} pairs of model and repository."
    return text


def values(details: dict[str, Any]) -> list[list[str]]:
    """Name and text of the ANOVA's effects, the odds and the agreement of models."""
    rows = []
    for name, row in _effects(details):
        share = row["partial_eta_squared"]
        if not isinstance(share, dict):
            rows.append([f"ANOVA: {name}", str(share)])
            continue
        ends = f"{share['value']:.3f} [{share['lo']:.3f}, {share['hi']:.3f}]"
        tested = f"F({row['df']}, {details['anova']['residual_df']}) = {row['f']:.2f}"
        rows.append([f"ANOVA: {name}", f"partial η² {ends}, {tested}, p = {row['p']:.2g}"])
    odds = details.get("logistic", {}).get("all", {}).get("mixed")
    if isinstance(odds, dict):
        ends = f"{odds['value']:+.2f} [{odds['lo']:+.2f}, {odds['hi']:+.2f}]"
        rows.append(["adapter's effect, log odds", f"{ends}, mixed logistic model, level per task"])
    agreed = details.get("agreement_of_models")
    if isinstance(agreed, dict):
        text = f"Kendall's W {agreed['kendall_w']:.2f}, p = {agreed['p']:.2g}"
        rows.append(["models rank repositories", text])
    return rows


def _effects(details: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    effects = details.get("anova", {}).get("effects", {})
    return [(name, effects[name]) for name in EFFECTS if name in effects]
