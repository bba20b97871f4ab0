"""A language model as the teacher: prompts from files, answers read strictly and kept.

Every example names the attempt and step it rests on, which must exist; what the model refused or
garbled is counted by reason. Format T stays the agent's own actions, by whoever writes those.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from stages.agent.model import Request
from stages.lab.context import Lab
from stages.records import Example, Outcome, Task, Trajectory, canonical_json, sha256_text
from stages.synthesize.answers import Answer, Answers
from stages.synthesize.parse import NUMBERS, TEXTS, read_answer
from stages.synthesize.teacher import Teacher, Written, make_example

PROMPTS = Path(__file__).with_name("prompts")
NO_FAILURE = "no failed attempt"
TOO_LONG = "session longer than the teacher's context"
NEED_FAILURE = ("C", "D")
"""Formats that contrast what worked with what was tried and failed."""
REJECTED = '- "rejected" is never the same as "answer".\n'


@dataclasses.dataclass(frozen=True)
class Asking:
    """How the teacher is asked."""

    temperature: float
    """softmax temperature; 0 is greedy"""
    seed: int
    """seed of the answers' sampling"""
    max_new_tokens: int
    """most tokens of one answer"""
    observation_characters: int
    """most characters shown of one observation or fix"""
    examples: int
    """most examples asked for from one session and format"""


class LanguageTeacher:
    """Writes formats A–E with a language model; T is left to ``actions``."""

    def __init__(self, answers: Answers, asking: Asking, actions: Teacher | None = None) -> None:
        self._answers, self._asking, self._actions = answers, asking, actions
        self._systems: dict[str, list[dict[str, str]]] = {}
        self._said: dict[tuple[str, str], Answer] = {}

    def prepare(self, lab: Lab, sessions: Sequence[tuple[Task, Sequence[Trajectory]]]) -> None:
        """Ask about every session in every format at once; TeacherError when that can't be done."""
        if self._actions is not None:
            self._actions.prepare(lab, sessions)
        self._systems = {
            task.instance_id: [m for m in lab.suite.messages(task, ()) if m["role"] == "system"]
            for task, _ in sessions
        }
        requests = {
            (name, task.instance_id): self._request(name, task, attempts)
            for name in lab.experiment.synthesis.formats
            if name in TEXTS
            for task, attempts in sessions
            if _teaches(name, attempts)
        }
        said = self._answers.ask(list(requests.values()))
        self._said = dict(zip(requests, said, strict=True))

    def write(self, format_name: str, task: Task, attempts: Sequence[Trajectory]) -> Written:
        """Examples from what the model answered in ``prepare``; each points at its step."""
        if format_name not in TEXTS:
            assert self._actions is not None, "chosen.open_teacher gives one where T is asked for"
            return self._actions.write(format_name, task, attempts)
        if not _teaches(format_name, attempts):
            return Written((), (NO_FAILURE,))
        said = self._said[format_name, task.instance_id]
        if said.finish == "length" and not said.output_tokens:
            return Written((), (TOO_LONG,))
        pairs, missing = read_answer(format_name, said.text, said.finish, attempts)
        examples: list[Example] = [
            make_example(
                format_name,
                [*self._systems[task.instance_id], {"role": "user", "content": pair.question}],
                pair.answer,
                rejected=pair.rejected,
                source=pair.source,
                step=pair.step,
                skill=pair.skill,
            )
            for pair in pairs
        ]
        return Written(tuple(examples), tuple(missing))

    def cost(self) -> dict[str, Any]:
        """What the answers since ``prepare`` took, whether asked now or in an earlier run."""
        return self._answers.cost(list(self._said.values()))

    def _request(self, name: str, task: Task, attempts: Sequence[Trajectory]) -> Request:
        asking = self._asking
        fields = ", ".join(
            [f'"{field}": "..."' for field in TEXTS[name]] + [f'"{field}": 0' for field in NUMBERS]
        )
        extra = REJECTED if "rejected" in TEXTS[name] else ""
        system = _prompt("system", fields=fields, extra=extra, count=str(asking.examples))
        session = session_text(task, attempts, asking.observation_characters)
        user = _prompt(name, session=session)
        seed = int(sha256_text(f"{asking.seed} {name} {user}")[:8], 16)
        return Request(
            (
                {"role": "system", "content": system},
                {"role": "user", "content": user},
            ),
            temperature=asking.temperature,
            max_new_tokens=asking.max_new_tokens,
            seed=seed,
            key=(name, task.instance_id),
        )


def session_text(task: Task, attempts: Sequence[Trajectory], most: int) -> str:
    """A session as the teacher reads it: the task, every attempt's numbered steps, the merged fix.

    All from the record. Observations and the fix are cut to ``most`` characters.
    """
    lines = [f"Project: {task.repo}", "Task:", task.problem_statement]
    for number, attempt in enumerate(attempts):
        lines.append(f"\nAttempt {number}, which ended as {attempt.info['outcome']}:")
        for index, step in enumerate(attempt.info["steps"]):
            failed = "" if step["ok"] else " (failed)"
            lines.append(f"Step {index}{failed}: {step['action']}")
            lines.append(f"Observed: {_cut(step['observation'], most)}")
    if message := attempts[0].info.get("upstream_message"):
        lines.append(f"\nWhat was merged in the end: {message}")
    if fix := attempts[0].info.get("upstream_fix"):
        lines.append(f"Its change:\n{_cut(str(fix), most)}")
    return "\n".join(lines)


def prompts_sha256() -> str:
    """Hash of the prompt files, which the import graph doesn't see."""
    files = sorted(PROMPTS.glob("*.txt"))
    return sha256_text(canonical_json([[f.name, f.read_text(encoding="utf-8")] for f in files]))


def _prompt(name: str, **values: str) -> str:
    return Template((PROMPTS / f"{name}.txt").read_text(encoding="utf-8")).substitute(values)


def _teaches(format_name: str, attempts: Sequence[Trajectory]) -> bool:
    """Whether there is a failed try to contrast with, where the format needs one."""
    return format_name not in NEED_FAILURE or any(
        attempt.info["outcome"] != Outcome.RESOLVED
        or not all(step["ok"] for step in attempt.info["steps"])
        for attempt in attempts
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} [{len(text) - most} characters left out]"
