"""Sessions on a small lab, scripted and played for real, for every kind of teacher."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from stages.agent.scripted import ScriptedModel
from stages.lab.episodes import Condition, Plan, play
from stages.pretrain_base.corpus import document, persistent_worlds
from stages.pretrain_base.tokenizer import render, train_tokenizer
from stages.suites.microrepo.conventions import SCRIPT_VALUES, VALUES, fixed_line
from stages.suites.texts import TextHarness
from tests.small_lab import sandbox_or_skip, small_lab

WORLD = "oak_harbor"
FORMATS = ("A", "B", "C", "D", "E", "T")
TASKS = 12


def edit(path: str, find: str, replace: str) -> str:
    return f"edit {path}\n<<<\n{find}\n===\n{replace}\n>>>"


def answers(lab, task, attempt: int) -> list[str]:
    """Attempt 0 uses other conventions and a wrong command; attempt 1 gives up at once."""
    if attempt:
        return ["submit"]
    path = task.meta["path"]
    command = lab.suite.world(WORLD).conventions.script
    wrong = next(script for script in SCRIPT_VALUES if script != command)
    said = [f"open {path}"]
    for change in lab.suite.issue(task).draft.changes:
        replace = change.replace
        if change.convention:
            values = VALUES[change.convention]
            others = [fixed_line(change.convention, v, change.find) for v in values]
            replace = next(other for other in others if other != change.replace)
        said.append(edit(path, change.find, replace))
    return [*said, f"test python {wrong}.py", "submit"]


@pytest.fixture(scope="session")
def tokenizer():
    rng = random.Random("tokenizer")
    texts = (render(document(rng, persistent_worlds(2, 1), 1.0)) for _ in range(600))
    return train_tokenizer(texts, 1100)


@pytest.fixture(scope="session")
def lab():
    small = small_lab(TASKS)
    synthesis = dataclasses.replace(small.experiment.synthesis, formats=FORMATS, tokens=8_000)
    experiment = dataclasses.replace(small.experiment, synthesis=synthesis)
    model = dataclasses.replace(small.model, context_tokens=1_024)
    return dataclasses.replace(small, experiment=experiment, model=model)


@pytest.fixture(scope="session")
def sessions(lab):
    tasks = lab.suite.tasks(WORLD)[: TASKS // 2]
    script = {
        (task.instance_id, attempt): answers(lab, task, attempt)
        for task in tasks
        for attempt in (0, 1)
    }

    class ByAttempt(ScriptedModel):
        def _script(self, key: Any):
            return self._answers[key[:2]]

    with sandbox_or_skip() as sandbox:
        plan = Plan(tasks, seed=1, attempts=2, temperature=0.0)
        harness = TextHarness(lab.suite, sandbox)
        played, _ = play(lab, ByAttempt(script), harness, Condition("base"), plan)
    merged = [
        dataclasses.replace(t, info={**t.info, **lab.suite.upstream(task)})
        for t, task in zip(played, [task for task in tasks for _ in (0, 1)], strict=True)
    ]
    return [(task, merged[2 * n : 2 * n + 2]) for n, task in enumerate(tasks)]
