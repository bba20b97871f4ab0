"""Worlds and their tasks: reproducible, held out, named apart, in order."""

from __future__ import annotations

import builtins
import dataclasses
import itertools
import keyword
import random
import sys

import pytest

from stages.params import MicrorepoParams, ProceduralParams
from stages.pretrain_base.corpus import persistent_worlds
from stages.suites.microrepo import lexicon
from stages.suites.microrepo.suite import Microrepo, UnknownWorld
from stages.suites.microrepo.world import (
    HELD_OUT,
    draw_name,
    hidden_test,
    make_issue,
    make_world,
    module_text,
    repository,
)
from tests.small_lab import small_lab

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
    generated = (MicrorepoParams, ProceduralParams)
    seeds = {s.seed for s in params.suites.values() if isinstance(s, generated)}
    assert max(seeds) < 10**9 <= min(world.seed for world in worlds)
    assert set(HELD_OUT) == set(params.suites["microrepo"].worlds)  # type: ignore[union-attr]


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
