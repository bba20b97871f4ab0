"""The published SWE-Bench-CL file, or SWE-bench Verified rows, as tasks in eight sequences."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.params import SweBenchClParams
from stages.records import Task
from stages.suites.guard import GuardError
from stages.suites.rows import HubSet, load_rows, read_rows
from stages.suites.swe_bench_cl.errors import SweBenchError
from stages.suites.swe_bench_cl.rows import task_of
from stages.suites.swe_bench_cl.sequences import build_sequences

HUB = HubSet("princeton-nlp/SWE-bench_Verified", ("default",), ("test",))
BLOCKS = ("metadata", "task", "evaluation", "continual_learning")
Row = dict[str, Any]


def load_tasks(params: SweBenchClParams) -> dict[str, list[Task]]:
    """Repository -> its sequence in the published order; SweBenchError when it can't be had."""
    if params.path is not None:
        sequences = read_sequences(Path(params.path))
    else:
        try:
            rows = load_rows(None, HUB, params.revision)
        except GuardError as error:
            raise SweBenchError(str(error)) from None
        sequences = build_sequences(_tasks(rows, HUB.dataset))
    return {
        repo: runnable(tasks, params.leave_out_without_tests) for repo, tasks in sequences.items()
    }


def read_sequences(path: Path) -> dict[str, list[Task]]:
    """Repository -> tasks in the published order, from either kind of file."""
    published = _published(path)
    if published is not None:
        return published
    try:
        rows = read_rows(path)
    except GuardError as error:
        raise SweBenchError(str(error)) from None
    return build_sequences(_tasks(rows, str(path)))


def runnable(tasks: Iterable[Task], leave_out: bool = False) -> list[Task]:
    """The tasks that have tests; SweBenchError names the others, unless they may be left out."""
    tasks = list(tasks)
    bare = [task.instance_id for task in tasks if not (task.test_patch and task.FAIL_TO_PASS)]
    if bare and not leave_out:
        raise SweBenchError(
            f"{bare[0]} has no tests (test_patch or FAIL_TO_PASS is empty), and so have "
            f"{len(bare) - 1} more of these {len(tasks)} tasks: nothing could tell whether a patch "
            "solves them. Give a file with the complete rows of SWE-bench Verified as "
            "swe_bench_cl.path (or its revision on the hub), or set leave_out_without_tests: true."
        )
    return [task for task in tasks if task.instance_id not in set(bare)]


def _tasks(rows: Iterable[Row], source: str) -> list[Task]:
    """A task per row, none of them twice."""
    tasks = [task_of(row, f"{source}, row {n}") for n, row in enumerate(rows, start=1)]
    seen: dict[str, int] = {}
    for number, task in enumerate(tasks, start=1):
        first = seen.setdefault(task.instance_id, number)
        if first != number:
            raise SweBenchError(
                f"{source}, row {number}: field 'instance_id' is {task.instance_id!r}, as in row "
                f"{first}. Remove one of the two rows, or fetch the file again."
            )
    return tasks


def _published(path: Path) -> dict[str, list[Task]] | None:
    """The sequences of a SWE-Bench-CL file as they stand there; None for any other file."""
    if path.suffix != ".json" or not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SweBenchError(f"{path}: not JSON ({error}). Fetch the file again.") from None
    if not isinstance(data, dict):
        return None
    sequences = data.get("sequences")
    if not isinstance(sequences, list):
        raise SweBenchError(
            f"{path}: field 'sequences' is missing or no list. Give the published SWE-Bench-CL "
            "JSON, or a list of SWE-bench Verified rows."
        )
    found: dict[str, list[Task]] = {}
    flat = [row for n, part in enumerate(sequences, 1) for row in _flat(part, f"{path}, #{n}")]
    for task in _tasks(flat, str(path)):
        found.setdefault(task.repo, []).append(task)
    return found


def _flat(sequence: Any, where: str) -> list[Row]:
    """The tasks of one sequence, the four blocks of each laid together."""
    tasks = sequence.get("tasks") if isinstance(sequence, dict) else None
    if not isinstance(tasks, list):
        raise SweBenchError(f"{where}: field 'tasks' is missing or no list. Fetch the file again.")
    rows = []
    for number, task in enumerate(tasks, start=1):
        row: Row = {}
        for block in BLOCKS:
            part = task.get(block) if isinstance(task, dict) else None
            if not isinstance(part, dict):
                raise SweBenchError(
                    f"{where}, task {number}: field {block!r} is missing or no object. "
                    "Fetch the file again."
                )
            row |= part
        rows.append(row)
    return rows
