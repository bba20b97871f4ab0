"""Teachers turn a finished session into training examples, one format at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from stages.lab.context import Lab
from stages.records import Example, Task, Trajectory, canonical_json, sha256_text

FORMATS = {
    "A": "question and answer",
    "B": "chain of thought",
    "C": "preference pairs",
    "D": "reflexion",
    "E": "contextual memory",
    "T": "the agent's own actions",
}


@dataclasses.dataclass(frozen=True)
class Written:
    """What a teacher made of one session: examples, and what it could not make, by reason."""

    examples: tuple[Example, ...]
    missing: tuple[str, ...] = ()


class Teacher(Protocol):
    """Whoever writes training examples: rules on the embedded world, a language model elsewhere."""

    def write(self, format_name: str, task: Task, attempts: Sequence[Trajectory]) -> Written:
        """Examples of one format from every attempt at one task."""
        ...

    def prepare(self, lab: Lab, sessions: Sequence[tuple[Task, Sequence[Trajectory]]]) -> None:
        """Called once before writing, with every session of a half."""
        ...

    def cost(self) -> dict[str, Any]:
        """What writing took since ``prepare``, for the manifest; nothing where it was free."""
        ...


def make_example(
    format_name: str,
    prompt: Sequence[dict[str, str]],
    completion: str,
    *,
    source: Trajectory,
    step: int,
    skill: str,
    rejected: str = "",
    train_on: str = "completion",
) -> Example:
    """An example with its provenance; its id hashes its content and its source."""
    content = [format_name, list(prompt), completion, rejected, source.trajectory_id, step, skill]
    return Example(
        example_id=sha256_text(canonical_json(content))[:16],
        format=format_name,
        prompt=tuple(prompt),
        completion=completion,
        rejected=rejected,
        train_on=train_on,
        skill=skill,
        instance_id=str(source.info["instance_id"]),
        trajectory_id=source.trajectory_id,
        step=step,
    )
