"""Issues of every kind and value, graded in the real sandbox."""

from __future__ import annotations

import dataclasses
import itertools
import random
import re

import pytest

from stages.agent.sandbox import Sandbox
from stages.agent.workspace import materialise, tree_hash_of_files
from stages.suites.microrepo.conventions import (
    VALUES,
    fixed_line,
)
from stages.suites.microrepo.issues import (
    PLAIN_KINDS,
)
from stages.suites.microrepo.suite import Microrepo
from stages.suites.microrepo.world import (
    Issue,
    World,
    hidden_test,
    repository,
)
from tests.small_lab import filed, issue_of, sandbox_or_skip
from tests.suites.worlds import HARD, world_with


@pytest.fixture(scope="module")
def sandbox():
    with sandbox_or_skip() as opened:
        yield opened


def names_in(text: str) -> list[str]:
    return re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)


def grade(
    sandbox: Sandbox, world: World, issue: Issue, files: dict[str, str]
) -> tuple[list[bool], list[bool]]:
    """Whether each hidden and each visible test of the issue passes in ``files``."""
    path, hidden = hidden_test(issue)
    visible_path = f"tests/test_{issue.module.stem}.py"
    visible = filed(world, issue)[visible_path]
    hidden_names = [f"{path}::{name}" for name in names_in(hidden)]
    visible_names = [f"{visible_path}::{name}" for name in names_in(visible)]
    with sandbox.workspace() as folder:
        materialise(folder, files)
        results = sandbox.run_tests(
            folder, {path: hidden, visible_path: visible}, hidden_names + visible_names
        )
    passed = [result.passed for result in results]
    return passed[: len(hidden_names)], passed[len(hidden_names) :]


def asked() -> list[tuple[World, tuple[str, ...]]]:
    """Every convention value, every plain kind, every hard pair, each in its own world."""
    every = [
        (world_with(seed, **{kind: value}), (kind,))
        for kind, values in VALUES.items()
        for seed, value in enumerate(values)
    ]
    plain = [(world_with(seed), (kind,)) for seed in (1, 2) for kind in PLAIN_KINDS]
    return [*every, *plain, *((world_with(seed), pair) for seed, pair in enumerate(HARD))]


def test_every_kind_and_value_fails_before_and_passes_after_the_gold_patch(sandbox):
    rng = random.Random(3)
    for world, kinds in asked():
        issue = issue_of(world, kinds, rng)
        hidden, visible = grade(sandbox, world, issue, filed(world, issue))
        told = (kinds, issue.draft.before, issue.draft.after)
        assert hidden and not any(hidden), told
        assert visible and all(visible), told
        hidden, visible = grade(sandbox, world, issue, filed(world, issue, fixed=True))
        assert all(hidden) and all(visible), told


@pytest.mark.parametrize("kind", list(VALUES))
def test_hidden_tests_tell_every_two_values_apart(sandbox, kind):
    for right, wrong in itertools.permutations(VALUES[kind], 2):
        world = world_with(**{kind: right})
        issue = issue_of(world, (kind,), random.Random(f"{right} {wrong}"))
        change = issue.draft.changes[0]
        other = dataclasses.replace(change, replace=fixed_line(kind, wrong, change.find))
        draft = dataclasses.replace(issue.draft, changes=(other,))
        mistaken = dataclasses.replace(issue, draft=draft)
        files = filed(world, mistaken, fixed=True)
        files["core.py"] += f"def {wrong}(top, bottom):\n    return None\n" * (kind == "wrapper")
        hidden, _ = grade(sandbox, world, issue, files)
        assert not all(hidden), (right, wrong, draft.after)


def test_half_of_a_hard_fix_is_not_enough(sandbox):
    rng = random.Random(5)
    for pair in HARD:
        world = world_with()
        issue = issue_of(world, pair, rng)
        assert len(issue.draft.changes) == 2 and issue.draft.difficulty == "hard"
        for kept in issue.draft.changes:
            draft = dataclasses.replace(issue.draft, changes=(kept,))
            half = dataclasses.replace(issue, draft=draft)
            hidden, visible = grade(sandbox, world, issue, filed(world, half, fixed=True))
            assert sorted(hidden) == [False, True] and all(visible), (pair, draft.after)


def test_tasks_of_the_suite_are_sound_in_their_own_repository(sandbox):
    suite = Microrepo(24, seed=7)
    for task in suite.tasks("wild_meadow")[::3]:
        names = [*task.FAIL_TO_PASS, *task.PASS_TO_PASS]
        files = suite.files(task)
        assert tree_hash_of_files(files) == task.tree_hash
        gold = repository(suite.world(task.repo), task.meta["index"], fixed=True)
        assert {path for path in files if files[path] != gold[path]} == {task.meta["path"]}
        for state, want in ((files, False), (gold, True)):
            with sandbox.workspace() as folder:
                materialise(folder, state)
                results = sandbox.run_tests(folder, suite.tests(task), names)
            passed = {result.name: result.passed for result in results}
            assert all(passed[name] is want for name in task.FAIL_TO_PASS)
            assert all(passed[name] for name in task.PASS_TO_PASS)
