"""What every format is read into, and how that becomes a trajectory record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from stages.records import Outcome, Step, Trajectory, UserError

UNKNOWN = "unknown"
"""Outcome and pathology of a session that nothing in the files tells of."""


class ImportFault(UserError):
    """A log can't be read; the message names file, line, field and remedy."""


@dataclasses.dataclass(frozen=True)
class Log:
    """One session as a log tells it."""

    where: str
    """file, and line where it has several sessions"""
    source: str
    """format and the version that the file names"""
    instance_id: str
    """the task; empty where the log doesn't say"""
    messages: tuple[dict[str, str], ...]
    """the chat as it was held, tool calls written out"""
    steps: tuple[Step, ...]
    exit_status: str
    submission: str
    outcome: str
    """an Outcome where the file itself records one, else ``UNKNOWN``"""
    exit_codes: int
    """steps whose exit code the log records; the others count as not ok"""
    model: str = ""


def trajectory(
    log: Log, instance_id: str, attempt: int, outcome: str, task: Mapping[str, Any]
) -> Trajectory:
    """The record of a log. Nothing of its configuration is copied, which may hold keys."""
    steps = [dataclasses.asdict(step) for step in log.steps]
    info: dict[str, Any] = {
        "instance_id": instance_id,
        "condition": "imported",
        "seed": 0,
        "attempt": attempt,
        "outcome": outcome,
        "pathology": UNKNOWN,
        "exit_status": log.exit_status,
        "n_steps": len(steps),
        "input_tokens": sum(step.input_tokens for step in log.steps),
        "output_tokens": sum(step.output_tokens for step in log.steps),
        "cached_tokens": sum(step.cached_tokens for step in log.steps),
        "submission": log.submission,
        "tree_hash": str(task.get("tree_hash") or ""),
        "adapter_hash": "",
        "steps": steps,
        "source": log.source,
        "model": log.model,
        "exit_codes_known": log.exit_codes,
    }
    if task.get("patch"):
        info["upstream_fix"] = str(task["patch"])
        info["upstream_message"] = ""
    return Trajectory(log.messages, info)


def outcome_of(value: Any) -> str | None:
    """An outcome by its name, or true and false for resolved or not; None for anything else."""
    if isinstance(value, bool):
        return str(Outcome.RESOLVED if value else Outcome.UNRESOLVED)
    return value if value in [str(each) for each in Outcome] else None
