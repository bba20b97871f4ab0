"""Estimands of a changed environment (e10): indicators of staleness, and conflicts with context.

They read every ``indicators*.jsonl`` below ``data/evaluations/NAME/``. A row is one episode: world,
split, seed, condition, instance_id; ``stale`` (1 where the adapter was trained before the change
and this is after it, else 0); ``scores`` (indicator → number, higher says stale); ``decisions``
(how often the context settled what to do) and ``conflicts`` (how often the agent did otherwise).

``auc.INDICATOR``: probability that a stale episode scores above a sound one, in [0, 1]; tasks are
  clusters (Obuchowski).
``compare_auc.A.B``: AUC of A - of B on the same episodes.
``conflict_rate.CONDITION``: conflicts / decisions of a condition or arm, by task.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

from stages.lab.context import Lab
from stages.params import ParamsError
from stages.records import read_jsonl
from stages.stats.conflict import conflict_rate
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import Results
from stages.stats.roc import auc, compare_auc
from stages.stats.verdict import Estimand

Rows = list[dict[str, Any]]


def read_indicators(lab: Lab) -> Rows:
    """Every row of the experiment's indicators; none where none were written."""
    paths = sorted(lab.folder("data/evaluations").rglob("indicators*.jsonl"))
    return [row for path in paths for row in read_jsonl(path, dict)]


def drift_estimand(name: str, results: Results, parts: Sequence[str]) -> Estimand | None:
    """The estimand ``NAME.<parts>``; None for a name of another shape."""
    rows = read_indicators(results.lab)
    if name == "conflict_rate" and len(parts) == 1:
        return partial(_conflicts, [row for row in rows if row["condition"] == parts[0]])
    if (name, len(parts)) not in (("auc", 1), ("compare_auc", 2)):
        return None
    there = sorted({indicator for row in rows for indicator in row["scores"]})
    if rows and (unknown := [part for part in parts if part not in there]):
        raise ParamsError(
            f"criteria: {unknown[0]!r} is no indicator; the rows have {', '.join(there)}."
        )
    cases = [row for row in rows if all(part in row["scores"] for part in parts)]
    return partial(_auc if name == "auc" else _compared, cases, *parts)


def _task(row: dict[str, Any]) -> tuple[str, str]:
    return (row["world"], row["instance_id"])


def _auc(cases: Rows, indicator: str, alpha: float) -> Estimate | Undefined:
    scores = [row["scores"][indicator] for row in cases]
    return auc(scores, [row["stale"] for row in cases], alpha, [_task(row) for row in cases])


def _compared(cases: Rows, first: str, second: str, alpha: float) -> Estimate | Undefined:
    one, other = ([row["scores"][name] for row in cases] for name in (first, second))
    stale, clusters = [row["stale"] for row in cases], [_task(row) for row in cases]
    found = compare_auc(one, other, stale, alpha, clusters)
    return found if isinstance(found, Undefined) else found.difference


def _conflicts(rows: Rows, alpha: float) -> Estimate | Undefined:
    """Both counts summed over a task's episodes: the task is the cluster."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        counts[_task(row)][0] += row["conflicts"]
        counts[_task(row)][1] += row["decisions"]
    pairs = [counts[task] for task in sorted(counts)]
    return conflict_rate([pair[0] for pair in pairs], [pair[1] for pair in pairs], alpha)
