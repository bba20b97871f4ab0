"""What a self-improvement loop adds to a report: its arms, its comparisons, and single values."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stages.report.read import Measured
from stages.report.tables import Rows, interval, number

ARMS = ["arm", "runs", "base", "final", "gain", "train", "forgotten", "examples"]
DIFFERENCES = ["arms", "part", "difference"]
SETS = ("universally_stuck", "seed_dependent", "forgotten", "universally_improved")


def is_loop(measured: Measured) -> bool:
    """Whether the result is a loop's."""
    return "loop" in measured.details


def arms(measured: Measured) -> Rows:
    """One row per arm, see ``ARMS``: accuracy on the untrained part, then on the trained one."""
    part = measured.details["loop"]["untrained"]
    return [_arm(name, measured.conditions[name], part) for name in in_order(measured)]


def in_order(measured: Measured) -> list[str]:
    """The arms in the registration's order."""
    order = measured.details["loop"].get("order", [])
    return [name for name in order if name in measured.conditions] or list(measured.conditions)


def _arm(name: str, row: dict[str, Any], part: str) -> list[str]:
    said = f"{name} (evaluation only)" if row.get("evaluation_only") else name
    return [
        said,
        str(row.get("runs", "–")),
        number(row.get(f"{part}_base"), 2),
        flat(row, f"{part}_final"),
        flat(row, f"{part}_gain", signed=True),
        number(row.get("train_final"), 2),
        number(row.get("forgetting"), 2),
        number(row.get("examples"), 0),
    ]


def flat(row: dict[str, Any], key: str, signed: bool = False) -> str:
    """``value [lo, hi]`` of three plain columns; a dash where there are none."""
    if row.get(key) is None:
        return "–"
    ends = {"value": row[key], "lo": row.get(f"{key}_lo"), "hi": row.get(f"{key}_hi")}
    return interval(ends, digits=2, signed=signed)


def differences(measured: Measured) -> Rows:
    """Final accuracy of each arm - that of the first, by untrained part, see ``DIFFERENCES``."""
    part = measured.details["loop"]["untrained"]
    table = measured.details.get("differences", {})
    return [
        [names, part, interval(row[part], signed=True)]
        for names, row in table.items()
        if part in row
    ]


def values(measured: Measured) -> Rows:
    """Name and text of what stands beside the tables: why runs ended, states, seeds, curves."""
    details, about = measured.details, measured.details["loop"]
    rows = [["tested on", f"part {about['untrained']}; {about['design']}"]]
    ended = Counter(run["ended"] for run in details.get("runs", []))
    rows.append(["runs ended", ", ".join(f"{n} {why}" for why, n in sorted(ended.items()))])
    if only := about.get("evaluation_only"):
        rows.append(["evaluation only", ", ".join(only)])
    for arm, sets in details.get("item_sets", {}).items():
        shown = [f"{sets['counts'][name]} {name.replace('_', ' ')}" for name in SETS]
        rows.append([f"items, {arm}", ", ".join(shown)])
    for arm in in_order(measured):
        row = measured.conditions[arm]
        if row.get("ece") is not None:
            said = f"ECE {flat(row, 'ece')}, Brier {flat(row, 'brier')}"
            mean = number(row.get("mean_confidence"), 2)
            rows.append([f"confidence, {arm}", f"{said}; mean confidence {mean}"])
    for arm, found in details.get("half_life", {}).items():
        if isinstance(found, dict):
            rows.append([f"half-life, {arm}", _steps(found)])
    for arm, found in details.get("seeds_compared", {}).items():
        p = number(found.get("fisher_p"), 2)
        rows.append([f"seeds, {arm}", f"{found['reading']}; best against worst Fisher p {p}"])
    for arm, found in details.get("above_noise", {}).items():
        said = "; ".join(f"{name}: {text}" for name, text in found.items() if "undef" not in text)
        if said:
            rows.append([f"variance, {arm}", said])
    read = Counter(row["reading"] for row in details.get("curves", []))
    if read:
        rows.append(["curves", ", ".join(f"{n} {what}" for what, n in sorted(read.items()))])
    rows += [[f"corrections, {arm}", _corrections(c)] for arm, c in _corrected(details)]
    return rows + _power(details.get("power", {}))


def _corrected(details: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(details.get("corrections", {}).items())


def _corrections(found: dict[str, Any]) -> str:
    return (
        f"{found['valid']} of {found['corrections']} valid, {found['right']} right; fixed "
        f"{found['fixed']} of {found['of_wrong']}, broke {found['broke']} of {found['of_right']}"
    )


def _steps(found: dict[str, Any]) -> str:
    """A half-life in steps; an end beyond the last checkpoint is said, not shown as a number."""
    value, lo, hi = (number(found.get(end), 0) for end in ("value", "lo", "hi"))
    if found.get("value") is None:
        value = "beyond the last checkpoint"
    return f"{value} [{lo}, {hi}] steps; {found['lost']} of {found['learned']} learned were lost"


def _power(found: dict[str, Any]) -> Rows:
    if "minimum_detectable_effect" not in found:
        return []
    least = number(found["minimum_detectable_effect"], 3)
    return [["smallest effect found", f"{least} at {found['items']} items"]]


def figures(measured: Measured) -> list[str]:
    """``arm accuracy`` of each arm on the untrained part, for a row of the log."""
    part = measured.details["loop"]["untrained"]
    return [
        f"{name} {number(measured.conditions[name][f'{part}_final'])}"
        for name in in_order(measured)
        if isinstance(measured.conditions[name].get(f"{part}_final"), (int, float))
    ]
