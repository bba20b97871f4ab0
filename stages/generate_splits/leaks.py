"""What the splits are checked for before anything is spent on them (checks 16, 20, 25)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats

from stages.generate_splits.splits import Split
from stages.records import Task

NEAR_DUPLICATE = 0.98
CONFOUNDED_P = 0.05


def added_lines(patch: str) -> list[str]:
    """Lines that a unified diff adds, stripped."""
    return [line[1:].strip() for line in patch.splitlines() if re.match(r"\+(?!\+\+)", line)]


def answers_in_question(tasks: Sequence[Task]) -> list[str]:
    """Tasks whose issue text holds a line of the gold patch, or a diff (check 25)."""
    return [
        task.instance_id
        for task in tasks
        if "\n+++ " in task.problem_statement
        or any(len(line) > 3 and line in task.problem_statement for line in added_lines(task.patch))
    ]


def overlaps(split: Split, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Train/test overlap by id, and test tasks that nearly repeat a training task (check 20).

    Near-duplicate: the same issue text and gold patch up to 2 % of characters.
    """
    by_text: dict[str, list[str]] = {}
    for name in split.train:
        by_text.setdefault(tasks[name].problem_statement, []).append(name)
    twins = []
    for name in split.test:
        for other in by_text.get(tasks[name].problem_statement, []):
            ratio = difflib.SequenceMatcher(
                None, tasks[name].patch, tasks[other].patch, autojunk=False
            ).ratio()
            if ratio >= NEAR_DUPLICATE:
                twins.append([name, other])
    return {"shared_ids": sorted(set(split.train) & set(split.test)), "near_duplicates": twins}


def confounding(split: Split, tasks: Mapping[str, Task]) -> dict[str, float]:
    """Association of the split with difficulty and with date (check 16).

    ``difficulty_p``: chi-squared test of difficulty × half; ``date_p``: Mann–Whitney of dates.
    Both are 1 when a half is empty.
    """
    if not split.train or not split.test:
        return {"difficulty_p": 1.0, "date_p": 1.0}
    levels = sorted({tasks[name].difficulty for name in (*split.train, *split.test)})
    table = [
        [sum(tasks[name].difficulty == level for name in half) for level in levels]
        for half in (split.train, split.test)
    ]
    dates = [[tasks[name].created_at for name in half] for half in (split.train, split.test)]
    rank = {date: place for place, date in enumerate(sorted({*dates[0], *dates[1]}))}
    ranks = [[rank[date] for date in half] for half in dates]
    difficulty_p = 1.0 if len(levels) < 2 else _p_value(stats.chi2_contingency(table))
    date_p = _p_value(stats.mannwhitneyu(ranks[0], ranks[1]))
    return {"difficulty_p": round(difficulty_p, 6), "date_p": round(date_p, 6)}


def _p_value(result: Any) -> float:
    """The p value of a scipy result."""
    return float(result.pvalue)
