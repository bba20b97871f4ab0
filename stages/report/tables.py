"""The tables of a report as rows of text, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from typing import Any

from stages.report import phase
from stages.report.read import Measured, place

Rows = list[list[str]]
CONDITIONS = ["condition", "resolve rate", "tasks", "steps", "tokens in", "cached", "out"]
TRANSFER = ["against base", "forward transfer", "McNemar p", "t p", "Wilcoxon p", "perm. p", "d_z"]
VERDICTS = ["criterion", "estimate", "asked", "verdict", "to decide"]
SAID = {"fail": "FAILED", "warn": "WARNED"}


def number(value: Any, digits: int = 3, signed: bool = False) -> str:
    """A number for reading; a dash where there is none."""
    if not isinstance(value, (int, float)):
        return "–"
    return f"{value:{'+' if signed else ''}.{digits}f}"


def interval(row: Any, key: str = "value", digits: int = 3, signed: bool = False) -> str:
    """``value [lo, hi]``; what isn't defined says why."""
    if not isinstance(row, dict):
        return str(row) if row else "–"
    lo, hi = (number(row.get(end), digits, signed) for end in ("lo", "hi"))
    return f"{number(row.get(key), digits, signed)} [{lo}, {hi}]"


def p_value(test: Any) -> str:
    if not isinstance(test, dict) or not isinstance(test.get("p"), (int, float)):
        return "–"
    return "<0.001" if test["p"] < 0.001 else f"{test['p']:.3f}"


def conditions(measured: Measured) -> Rows:
    """One row per condition, see ``CONDITIONS``; tokens are means of an episode."""
    return [
        [
            name,
            interval(row, "resolve_rate"),
            str(row.get("n", "–")),
            number(row.get("steps"), 1),
            *(number(row.get(f"{kind}_tokens"), 0) for kind in ("input", "cached", "output")),
        ]
        for name, row in measured.conditions.items()
    ]


def transfer(measured: Measured) -> Rows:
    """One row per condition but base, see ``TRANSFER``."""
    table = measured.details.get("comparisons", {})
    tests = ("mcnemar_first_seed", "paired_t", "wilcoxon", "permutation_clustered")
    return [
        [
            name,
            interval(table[name].get("forward_transfer"), signed=True),
            *(p_value(table[name].get(test)) for test in tests),
            effect(table[name].get("cohens_dz")),
        ]
        for name in sorted(table, key=place)
    ]


def effect(value: Any) -> str:
    """An effect size, which some functions give bare and some with an interval."""
    return number(value.get("value") if isinstance(value, dict) else value, 2, signed=True)


def verdicts(measured: Measured) -> Rows:
    """One row per criterion, see ``VERDICTS``."""
    return [verdict(name, row) for name, row in measured.verdicts.items()]


def verdict(name: str, row: dict[str, Any]) -> list[str]:
    asked = f"{row['comparator']} {row['threshold']:g}" if "comparator" in row else "–"
    shown = row.get("undefined") or interval(row, "estimate", signed=True)
    return [name, shown, asked, row["verdict"], to_decide(row)]


JUDGED = ["criterion", "estimate", "asked", "n", "unit", "p", "verdict", "to decide"]


def judged(name: str, row: dict[str, Any]) -> list[str]:
    """A row of the table of all experiments, see ``JUDGED``."""
    criterion, shown, asked, said, needed = verdict(name, row)
    n, p = row.get("n"), p_value(row)
    return [criterion, shown, asked, str(n or "–"), row.get("unit") or "–", p, said, needed]


def to_decide(row: dict[str, Any]) -> str:
    """What would decide an inconclusive criterion."""
    if not row["verdict"].startswith("inconclusive"):
        return ""
    if row.get("n_to_decide"):
        unit = row.get("unit") or "unit"
        return f"{row['n_to_decide']} {unit}s (now {row.get('n', '–')})"
    found = row.get("detectable_effect")
    return f"no n; finds {found:g} off" if found is not None else "no n would"


def single_values(measured: Measured) -> Rows:
    """Guard, forgetting, retention, power and splits: name and text of those that were measured."""
    details = measured.details
    rows = phase.values(details)
    if guard := details.get("capability"):
        shown = interval(guard.get("drop"), signed=True)
        margin, power = guard.get("margin"), number(guard.get("power_to_see_margin"), 2)
        words = f"{guard.get('non_inferiority')} at {margin:g}; power to see it {power}"
        rows.append(["guard: capability drop", f"{shown}, {words}"])
    if lost := details.get("forgetting"):
        rows.append(["forgetting", interval(lost, signed=True)])
    if kept := details.get("retention"):
        shown = [f"{o}: {interval(kept[o], digits=2)}" for o in sorted(kept, key=int)]
        rows.append(["retention by origin", "; ".join(shown)])
    if power := details.get("power"):
        least = number(power.get("minimum_detectable_effect"), 3)
        rows.append(["smallest effect found", f"{least} at {power.get('tasks')} tasks"])
    if splits := details.get("by_split"):
        rows += [["by split: " + key, _over_splits(splits, key)] for key in SPLIT_VALUES]
    return rows


SPLIT_VALUES = ("forward_transfer", "forgetting")


def _over_splits(splits: dict[str, Any], key: str) -> str:
    each = {name: interval(row, digits=2, signed=True) for name, row in splits[key].items()}
    mean = number(splits.get(f"{key}_mean"), 3, signed=True)
    variance = number(splits.get(f"{key}_variance"), 5)
    text = "  ".join(f"{name}: {value}" for name, value in sorted(each.items()))
    if key == "forward_transfer":
        above, sign = splits.get("splits_with_positive_transfer"), p_value(splits.get("sign_test"))
        text += f"; above 0 in {above}/{splits.get('splits')} (sign test p {sign})"
    return f"mean {mean}, variance {variance}; {text}"


def audit_counts(measured: Measured) -> str:
    states = [row["status"] for row in measured.audit.values()]
    absent = sum(state not in ("pass", "warn", "fail") for state in states)
    extra = f", {states.count('warn')} warned" if "warn" in states else ""
    extra += f", {absent} not applicable" if absent else ""
    return f"{states.count('pass')} of {len(states) - absent} checks passed{extra}"


def failed_checks(measured: Measured) -> Rows:
    """``FAILED stop 12 name``, evidence and remedy of each check that failed or warned."""
    return [
        [
            f"{SAID.get(row['status'], 'FAILED')} {row['level']} {name} {row['name']}",
            evidence(row),
            row.get("remedy", ""),
        ]
        for name, row in measured.audit.items()
        if row["status"] not in ("pass", "not applicable")
    ]


def evidence(row: dict[str, Any]) -> str:
    """The first problem in words, else the numbers."""
    found = row.get("evidence", {})
    if not isinstance(found, dict):
        return str(found)
    if "first_problem" in found:
        return str(found["first_problem"])
    return ", ".join(f"{key} {value}" for key, value in found.items())


DIAGNOSIS = ["criterion", "cause", "data", "format", "live", "overfit", "forgetting", "harness"]
MARKS = {"passed": "ok", "suspect": "SUSPECT", "not measured": "–"}


def diagnoses(measured: Measured) -> Rows:
    """One row per negative or inconclusive verdict, see ``DIAGNOSIS``: its cause and six nodes."""
    return [
        [name, row["cause"], *(MARKS[node["status"]] for node in row["nodes"])]
        for name, row in measured.details.get("diagnosis", {}).items()
    ]


NODES = ["criterion", "node", "found", "evidence", "from"]


def nodes(measured: Measured) -> Rows:
    """Every node of every diagnosis with its evidence and the file that it comes from."""
    return [
        [name, node["name"], node["status"], node_evidence(node), node["source"]]
        for name, row in measured.details.get("diagnosis", {}).items()
        for node in row["nodes"]
    ]


def node_evidence(node: dict[str, Any]) -> str:
    """The reason of what wasn't measured, else every number that is there."""
    found = node["evidence"]
    if node["status"] == "not measured" and "reason" in found:
        return str(found["reason"])
    return ", ".join(f"{key} {value}" for key, value in found.items() if value is not None)


def remedies(measured: Measured) -> Rows:
    """Criterion, cause, and what to do about it."""
    return [
        [name, row["cause"], row["remedy"]]
        for name, row in measured.details.get("diagnosis", {}).items()
    ]
