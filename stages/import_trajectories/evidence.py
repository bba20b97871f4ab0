"""What other files say of the sessions: their tasks, and how their patches were graded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.import_trajectories.fields import Fields, read_lines, read_object
from stages.import_trajectories.log import ImportFault, Log, outcome_of
from stages.records import Outcome

REPORT = {
    "resolved_ids": Outcome.RESOLVED,
    "unresolved_ids": Outcome.UNRESOLVED,
    "empty_patch_ids": Outcome.EMPTY_PATCH,
    "error_ids": Outcome.HARNESS_ERROR,
}
"""Lists of a report of swebench's run_evaluation (schema version 2), and what they mean here."""


def read_results(path: Path) -> dict[str, str]:
    """Instance id -> outcome, from a report of swebench's run_evaluation, from an object of ids
    (true, false, an outcome, or an object with ``resolved``), or from lines with ``instance_id``
    and ``resolved`` or ``outcome``."""
    if path.suffix == ".jsonl":
        return {_id(line): _outcome(line.value, line) for line in read_lines(path)}
    file = read_object(path)
    if "resolved_ids" not in file.value:
        return {name: _outcome(value, file, name) for name, value in file.value.items()}
    found: dict[str, str] = {}
    for field, outcome in REPORT.items():
        names = file.value.get(field) or []
        if not isinstance(names, list):
            raise file.wrong(field, "a list of instance ids")
        found |= {str(name): str(outcome) for name in names}
    return found


def read_tasks(path: Path) -> dict[str, Mapping[str, Any]]:
    """Instance id -> task, from JSON Lines with ``instance_id`` and ``problem_statement``."""
    return {_id(line): line.value for line in read_lines(path)}


def task_of(log: Log, tasks: Mapping[str, Mapping[str, Any]]) -> str:
    """The instance id of a log: its own; else that of the one task whose statement it holds.

    Raises ImportFault where ``tasks`` are given and the log's isn't among them.
    """
    if not tasks or log.instance_id in tasks:
        return log.instance_id
    if log.instance_id:
        raise ImportFault(
            f"{log.where}: the session is of {log.instance_id!r}, which isn't among the tasks. "
            "Give the file that has it as --tasks, or leave the log out."
        )
    said = "\n".join(message["content"] for message in log.messages if message["role"] == "user")
    fitting = [
        name for name, task in tasks.items() if _statement(task) and _statement(task) in said
    ]
    if len(fitting) != 1:
        raise ImportFault(
            f"{log.where}: the session names no task (field 'instance_id'), and the statements of "
            f"{len(fitting)} tasks stand in it instead of one. Add the field to it."
        )
    return fitting[0]


def _statement(task: Mapping[str, Any]) -> str:
    return str(task.get("problem_statement") or "").strip()


def _id(line: Fields) -> str:
    name = line.text("instance_id")
    if not name:
        raise line.wrong("instance_id", "the task's name")
    return name


def _outcome(value: Any, file: Fields, name: str = "resolved") -> str:
    if isinstance(value, Mapping):
        value = value.get("outcome", value.get("resolved"))
    found = outcome_of(value)
    if found is None:
        raise file.wrong(name, f"true, false, or one of {', '.join(Outcome)}")
    return found


def numbered(names: Sequence[str]) -> list[int]:
    """The number of each session among those of its task, from 0.

    >>> numbered(["a", "b", "a"])
    [0, 0, 1]
    """
    seen: Counter[str] = Counter()
    numbers = []
    for name in names:
        numbers.append(seen[name])
        seen[name] += 1
    return numbers
