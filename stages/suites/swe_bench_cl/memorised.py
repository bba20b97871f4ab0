"""The memorisation probe (check 17): is a task solved with its repository withheld?

A model that writes a patch which resolves the task, without having seen a single file, has seen
the fix in training. Such tasks are named, and tables are given with and without them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from stages.agent.chat import Message
from stages.agent.model import Model, Request
from stages.records import Outcome, Task
from stages.suites.completions import cut_at, without_thoughts
from stages.suites.swe_bench_cl.executor import Executor
from stages.suites.swe_bench_cl.grading import Report, grade

PROMPT = (
    "An issue of the repository {repo} follows. You can't see the repository. Write the patch that "
    "solves the issue as a unified diff (`diff --git a/… b/…`), in one code block, from what you "
    "know of the repository.\n\n{issue}"
)


@dataclasses.dataclass(frozen=True)
class Probe:
    """What a model wrote about one task without its repository."""

    instance_id: str
    memorised: bool
    """the patch resolves the task"""
    files_named: float
    """share of the gold patch's files that the answer changes, 0 to 1"""
    report: Report


def probe_memory(
    model: Model,
    executor: Executor,
    tasks: Sequence[Task],
    *,
    max_new_tokens: int,
    never: Mapping[str, Collection[str]] | None = None,
    adapter: str | None = None,
) -> list[Probe]:
    """One greedy answer per task, graded; ``never``: instance id -> tests that can't pass.

    A harness error isn't a memorised task, nor proof of the contrary: see ``report.outcome``.
    """
    requests = [
        Request(
            messages=tuple(question(task)),
            adapter=adapter,
            max_new_tokens=max_new_tokens,
            key=("memory", task.instance_id),
        )
        for task in tasks
    ]
    answers = model.complete(requests)
    return [
        _probe(executor, task, answer.text, (never or {}).get(task.instance_id, ()))
        for task, answer in zip(tasks, answers, strict=True)
    ]


def question(task: Task) -> list[Message]:
    """The chat that asks for a patch without showing the repository."""
    text = PROMPT.format(repo=task.repo, issue=task.problem_statement)
    return [{"role": "user", "content": text}]


def _probe(executor: Executor, task: Task, text: str, never: Collection[str]) -> Probe:
    patch = patch_of(text)
    report = grade(executor, task, patch, never)
    files = task.meta["modified_files"]
    named = sum(f" b/{name}\n" in f"{patch}\n" for name in files) / len(files) if files else 0.0
    return Probe(task.instance_id, report.outcome is Outcome.RESOLVED, named, report)


def patch_of(text: str) -> str:
    """The unified diff in an answer; empty when there is none."""
    answer = without_thoughts(text)
    start = answer.find("diff --git ")
    if start < 0:
        return ""
    return cut_at(answer[start:], ("\n```", "\n~~~")).rstrip() + "\n"
