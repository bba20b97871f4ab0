"""Worlds, issues and conventions of microrepo, graded in the real sandbox."""

from __future__ import annotations

import builtins
import dataclasses
import itertools
import keyword
import random
import re
import sys
from typing import Any

import pytest

from stages.agent.sandbox import Sandbox
from stages.agent.workspace import materialise, tree_hash_of_files
from stages.pretrain_base.corpus import persistent_worlds
from stages.suites.microrepo import lexicon
from stages.suites.microrepo.conventions import (
    SCRIPT_VALUES,
    VALUES,
    Conventions,
    draw_conventions,
    fixed_line,
    flip_conventions,
    read_convention,
    rule_text,
)
from stages.suites.microrepo.issues import (
    MEDIUM_KINDS,
    PLAIN_KINDS,
    RETURN_KINDS,
    draft_issue,
    draw_kinds,
)
from stages.suites.microrepo.suite import Microrepo, UnknownWorld
from stages.suites.microrepo.world import (
    HELD_OUT,
    Issue,
    World,
    draw_name,
    hidden_test,
    make_issue,
    make_world,
    module_text,
    repository,
)
from tests.small_lab import filed, issue_of, sandbox_or_skip, small_lab

HARD = (
    *(("guard", kind) for kind in RETURN_KINDS),
    *((kind, "naming") for kind in RETURN_KINDS),
    ("guard", "naming"),
)
POOLS = (
    "ADJECTIVES",
    "NOUNS",
    "COMPONENTS",
    "STEMS",
    "FUNCTIONS",
    "PARAMETERS",
    "SCRIPTS",
    "WRAPPERS",
    "PREFIXES",
)


@pytest.fixture(scope="module")
def sandbox():
    with sandbox_or_skip() as opened:
        yield opened


def world_with(seed: Any = 1, **values: str) -> World:
    world = make_world("red_dune", seed)
    conventions = Conventions({**world.conventions.values, **values}, world.conventions.script)
    return dataclasses.replace(world, conventions=conventions)


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


def test_worlds_are_the_same_from_the_same_seed_whatever_was_asked_before():
    first, second = make_world("oak_harbor", 7), make_world("oak_harbor", 7)
    assert dataclasses.asdict(first) == dataclasses.asdict(second)
    late = repository(first, 9)
    early = [repository(second, index) for index in range(10)]
    assert early[9] == late
    assert make_issue(first, 3).draft == make_issue(second, 3).draft
    assert dataclasses.asdict(make_world("oak_harbor", 8)) != dataclasses.asdict(first)


def test_earlier_fixes_are_merged_and_stand_in_the_history():
    world = make_world("blue_mill", 7)
    for index in (1, 5):
        issue, earlier = make_issue(world, index), make_issue(world, index - 1)
        files = repository(world, index)
        if earlier.module != issue.module:
            merged = module_text(
                earlier.module, earlier.draft.after, "wrapper" in earlier.draft.kinds
            )
            assert files[earlier.path] == merged
        lines = files["HISTORY.md"].splitlines()[1:]
        assert len(lines) == index
        assert earlier.text in lines[-1] and world.conventions.test_command in lines[-1]
        assert all(hidden_test(issue)[0] != path for path in files)


def test_held_out_names_and_seeds_are_never_met_in_pretraining():
    params = small_lab().params
    rng = random.Random(0)
    drawn = {draw_name(rng) for _ in range(20_000)}
    assert len(drawn) == 30 * 30 - len(HELD_OUT)
    assert drawn.isdisjoint(HELD_OUT)
    worlds = persistent_worlds(params.organism.persistent_worlds, params.organism.seed)
    assert drawn >= {world.name for world in worlds}
    # Pretraining draws its seeds from 10^9 on (corpus.py).
    seeds = {s.seed for s in params.suites.values()}
    assert max(seeds) < 10**9 <= min(world.seed for world in worlds)
    assert set(HELD_OUT) == set(params.suites["microrepo"].worlds)  # type: ignore[union-attr]


def test_read_convention_inverts_fixed_line():
    rng = random.Random(2)
    for kind, values in VALUES.items():
        for value in values:
            world = world_with(**{kind: value})
            for _ in range(8):
                change = issue_of(world, (kind,), rng).draft.changes[0]
                assert change.replace == fixed_line(kind, value, change.find) != change.find
                assert read_convention(change.find, change.replace) == (kind, value)


def test_plain_changes_are_no_convention():
    rng = random.Random(4)
    for kind in PLAIN_KINDS * 50:
        change = issue_of(world_with(), (kind,), rng).draft.changes[0]
        assert read_convention(change.find, change.replace) is None, change
    assert read_convention("    return price", "    return price") is None


def test_rules_are_different_for_every_kind_and_value():
    rules = [rule_text(kind, value) for kind, values in VALUES.items() for value in values]
    assert len(set(rules)) == len(rules)
    assert rule_text("rounding", "int({x})") == "rounded: int(x)"
    assert rule_text("index", "n - 1") == "entry: items[n - 1]"
    assert rule_text("wrapper", "safe") == "zero: safe(x, y)"
    assert rule_text("naming", "get") == "alias: get_name"


def test_issue_texts_and_visible_tests_never_give_the_convention_away():
    """The same issue under other conventions reads the same, visible tests included."""
    for kind in MEDIUM_KINDS:
        texts = set()
        for value in VALUES[kind]:
            issue = issue_of(world_with(**{kind: value}), (kind,), random.Random(9))
            texts.add((issue.text, issue.draft.before, issue.draft.visible))
        assert len(texts) == 1, kind


def test_difficulties_come_in_their_shares():
    rng = random.Random(6)
    kinds = [draw_kinds(rng) for _ in range(4000)]
    hard = sum(len(k) == 2 for k in kinds) / len(kinds)
    easy = sum(k[0] in PLAIN_KINDS for k in kinds) / len(kinds)
    assert abs(hard - 0.28) < 0.02 and abs(easy - 0.28) < 0.02
    assert {k for k in kinds if len(k) == 2} == set(HARD)


def test_difficulty_is_the_number_of_conventions():
    for kinds, difficulty in ((("operator",), "easy"), (("unit",), "medium"), (HARD[0], "hard")):
        draft = draft_issue(
            world_with().conventions, "total", ("price", "rate"), random.Random(1), kinds
        )
        assert draft.difficulty == difficulty
        assert [c.convention for c in draft.changes if c.convention] == [
            k for k in kinds if k in VALUES
        ]


def test_flipped_conventions_differ_in_every_value():
    rng = random.Random(1)
    for _ in range(50):
        old = draw_conventions(rng)
        new = flip_conventions(old, rng)
        assert all(new.values[name] != old.values[name] for name in VALUES)
        assert new.script == old.script and old.script in SCRIPT_VALUES


def test_pools_of_words_are_disjoint():
    pools = {name: getattr(lexicon, name) for name in POOLS}
    for name, words in pools.items():
        assert len(set(words)) == len(words), name
    for one, other in itertools.combinations(pools, 2):
        assert set(pools[one]).isdisjoint(pools[other]), (one, other)


def test_no_module_builtin_or_keyword_is_shadowed():
    """Files are called by stems and scripts; names are defined by the other pools."""
    files = {*lexicon.STEMS, *lexicon.SCRIPTS, "core"}
    assert files.isdisjoint(sys.stdlib_module_names)
    defined = {*lexicon.FUNCTIONS, *lexicon.WRAPPERS, *lexicon.PARAMETERS, "items", "n"}
    assert defined.isdisjoint(dir(builtins))
    assert not any(map(keyword.iskeyword, defined | files))


def test_an_unknown_world_is_refused_by_name():
    with pytest.raises(UnknownWorld, match="'oak_harbour' is not one of the suite's: oak_harbor"):
        Microrepo(2, seed=7).tasks("oak_harbour")


def test_tasks_come_by_date_with_swe_bench_fields():
    tasks = Microrepo(9, seed=7).tasks("grey_tower")
    assert [task.created_at for task in tasks] == sorted({task.created_at for task in tasks})
    assert tasks == Microrepo(12, seed=7).tasks("grey_tower")[:9]
    for task in tasks:
        assert task.FAIL_TO_PASS and task.PASS_TO_PASS
        assert task.patch.startswith(f"diff --git a/{task.meta['path']} ")
        assert "tests/hidden_" in task.test_patch
        assert task.instance_id.startswith("grey_tower__")
