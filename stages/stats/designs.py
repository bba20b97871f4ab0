"""What an experiment's own design adds to details and plots: ablation, attribution, drift.

Each part is there only for an experiment of its kind, so that others' files stay as they are.
"""

from __future__ import annotations

import itertools
from typing import Any

from stages.stats.families import ablation, staleness
from stages.stats.families.drift import drift_estimand, read_indicators
from stages.stats.intervals import Estimate
from stages.stats.results import Results
from stages.stats.roc import Roc, roc_curve
from stages.stats.summary import rounded
from stages.suites.releases import severity_of

ADAPTER = "skill"
"""The factor that x4 crosses every switch with."""
ROC_POINTS = 60
Rows = list[dict[str, Any]]


def details(results: Results) -> dict[str, Any]:
    """The tables of the experiment's design; empty for one without."""
    found: dict[str, Any] = {}
    if _is_ablation(results):
        found["layers"] = layers(results)
    if scaffolds(results):
        found["attribution"] = attribution(results)
    if severities(results):
        found["drift"] = drift_table(results)
    return rounded(found)


def plots(results: Results) -> dict[str, Rows]:
    """Rows of the design's own plots, by file name."""
    found: dict[str, Rows] = {}
    if scaffolds(results):
        found["attribution"] = attribution_rows(results)
    if severities(results):
        found["recovery"] = recovery_rows(results)
        found["indicators"] = roc_rows(results)
    return rounded(found)


def _is_ablation(results: Results) -> bool:
    """Whether some criterion compares layers by metric."""
    names = (criterion.estimand for criterion in results.lab.experiment.criteria.values())
    return any(name.partition(".")[0] in ("relative", "relative_best") for name in names)


def layers(results: Results) -> dict[str, Any]:
    """Every condition's metrics, and by what share each layer is better than another."""
    alpha, names = results.lab.experiment.alpha, results.conditions
    pairs = [
        ("skill", "base"),
        ("knowledge", "base"),
        ("skill", "knowledge"),
        ("both", "knowledge"),
    ]
    return {
        "metrics": {
            name: {m: ablation.metric_mean(results, m, name, alpha) for m in ablation.METRICS}
            for name in names
        },
        "relative": {
            f"{first} over {second}": {
                m: ablation.relative(results, m, first, second)(alpha) for m in ablation.METRICS
            }
            for first, second in pairs
            if {first, second} <= set(names)
        },
        "interaction": ablation.interaction(results, "skill", "knowledge")(alpha),
    }


def scaffolds(results: Results) -> list[str]:
    """Arms that were played without and with the adapter."""
    names = results.conditions
    return [name for name in names if f"{name}_{ADAPTER}" in names]


def attribution(results: Results) -> dict[str, Any]:
    """switch → its effect without and with the adapter, on average, and the interaction.

    ``adapter`` is the adapter's own main effect beside that switch: the two main effects add up to
    what both are worth over neither, so they are each one's share of it.
    """
    alpha, table = results.lab.experiment.alpha, {}
    for name in scaffolds(results):
        made = {
            "without_adapter": ablation.aligned_difference(results, name, "base"),
            "with_adapter": ablation.aligned_difference(results, f"{name}_{ADAPTER}", ADAPTER),
            "main_effect": ablation.main_effect(results, name, ADAPTER),
            "adapter": ablation.main_effect(results, ADAPTER, name),
            "interaction": ablation.interaction(results, name, ADAPTER),
            "together": ablation.aligned_difference(results, f"{name}_{ADAPTER}", "base"),
        }
        table[name] = {effect: estimand(alpha) for effect, estimand in made.items()}
    return table


def attribution_rows(results: Results) -> Rows:
    """One row per switch and effect, in points of resolve rate."""
    return [
        {"scaffold": name, "condition": effect, "difference": e.value, "lo": e.lo, "hi": e.hi}
        for name, effects in attribution(results).items()
        for effect, e in effects.items()
        if isinstance(e, Estimate)
    ]


def severities(results: Results) -> list[str]:
    """Severities of change among the experiment's worlds, mildest first as registered."""
    return [s for s in dict.fromkeys(map(severity_of, results.lab.worlds)) if s]


def _arms(results: Results) -> list[str]:
    return list(results.lab.experiment.arms or {})


def before_and_stale(results: Results) -> tuple[str, str] | None:
    """The arm before the change, and the one that plays its adapter after it, unhelped."""
    for name, arm in (results.lab.experiment.arms or {}).items():
        if arm.adapter and arm.adapter_world and arm.examples is None and not arm.notes:
            return arm.adapter, name
    return None


def drift_table(results: Results) -> dict[str, Any]:
    """By severity: loss, conflicts by kind of decision, recovery; and the indicators' ROC."""
    pair, alpha = before_and_stale(results), results.lab.experiment.alpha
    if pair is None:
        return {}
    table: dict[str, Any] = {s: _severity(results, *pair, s) for s in severities(results)}
    names = indicators(results)
    table["indicators"] = {name: _indicator(results, name, alpha) for name in names}
    table["compared"] = {
        f"{first} - {second}": compared(alpha)
        for first, second in itertools.combinations(names, 2)
        if (compared := drift_estimand("compare_auc", results, [first, second])) is not None
    }
    return table


def indicators(results: Results) -> list[str]:
    """Names of the indicators that were measured."""
    return sorted({name for row in read_indicators(results.lab) for name in row["scores"]})


def _indicator(results: Results, name: str, alpha: float) -> dict[str, Any]:
    changes = ("", *severities(results))
    return {
        "auc": {
            s or "any": staleness.severity_auc(results, name, s, "stale")(alpha) for s in changes
        },
        "auc_of_failure": staleness.severity_auc(results, name, "", "failed")(alpha),
        **_trigger(results, name),
    }


def _severity(results: Results, before: str, stale: str, severity: str) -> dict[str, Any]:
    alpha = results.lab.experiment.alpha
    arms = [name for name in _arms(results) if staleness.rows_in(results, name, severity)]
    kinds = ("", "file", "command", "convention")
    return {
        "degradation": staleness.degradation(results, before, stale, severity)(alpha),
        "against_base": staleness.drifted(results, stale, "base", severity)(alpha),
        "conflict_rate": {
            name: {k or "any": staleness.conflict(results, name, severity, k)(alpha) for k in kinds}
            for name in arms
        },
        "recovery": staleness.recovered(results, before, stale, severity, alpha),
    }


def _trigger(results: Results, name: str) -> dict[str, Any]:
    """The threshold with the most detections less false alarms (Youden 1950), on these sessions."""
    curve = _curve(results, name)
    if curve is None:
        return {}
    at = int((curve.detections - curve.false_alarms).argmax())
    return {
        "threshold": float(curve.threshold[at]),
        "detections": float(curve.detections[at]),
        "false_alarms": float(curve.false_alarms[at]),
    }


def _curve(results: Results, name: str) -> Roc | None:
    rows = staleness.measured(results, name)
    curve = roc_curve([row["scores"][name] for row in rows], [row["stale"] for row in rows])
    return curve if isinstance(curve, Roc) else None


def recovery_rows(results: Results) -> Rows:
    """Resolve rate by severity and sessions after the change."""
    pair, alpha = before_and_stale(results), results.lab.experiment.alpha
    rows: Rows = []
    if pair is None:
        return rows
    for severity in severities(results):
        found = staleness.recovered(results, *pair, severity, alpha)
        if isinstance(found, staleness.Recovery):
            rows += [
                {
                    "condition": severity,
                    "sessions": k,
                    "resolve_rate": e.value,
                    "lo": e.lo,
                    "hi": e.hi,
                }
                for k, e in found.success.items()
            ]
    return rows


def roc_rows(results: Results) -> Rows:
    """Corners of each indicator's ROC curve, at most ``ROC_POINTS`` of them."""
    rows: Rows = []
    for name in indicators(results):
        curve = _curve(results, name)
        if curve is not None:
            last = len(curve.detections) - 1
            for at in sorted({round(last * i / ROC_POINTS) for i in range(ROC_POINTS + 1)}):
                point = {"false_alarms": curve.false_alarms[at], "detections": curve.detections[at]}
                rows.append({"condition": name, **point})
    return rows
