from __future__ import annotations

import dataclasses
import random

import pytest

from stages.suites.microrepo.conventions import VALUES
from stages.suites.microrepo.drift import SEVERITIES, drifted
from stages.suites.microrepo.world import HELD_OUT, World, make_issue, make_world, repository

WORLDS = [make_world(name, 7) for name in HELD_OUT]


def changed(old: World, new: World) -> tuple[int, bool, int]:
    """Files renamed, whether the test command changed, conventions flipped."""
    renamed = sum(a.stem != b.stem for a, b in zip(old.modules, new.modules, strict=True))
    values = sum(old.conventions.values[name] != new.conventions.values[name] for name in VALUES)
    return renamed, old.conventions.script != new.conventions.script, values


@pytest.mark.parametrize("world", WORLDS, ids=HELD_OUT)
def test_each_severity_changes_what_it_says_and_contains_the_milder_ones(world):
    size = len(world.modules)
    minor, moderate, major = (drifted(world, severity, 3) for severity in SEVERITIES)
    assert changed(world, minor) == (size, False, 0)
    assert changed(world, moderate) == (size, True, 0)
    assert changed(world, major) == (size, True, len(VALUES))
    assert minor.modules == moderate.modules == major.modules
    assert moderate.conventions.script == major.conventions.script


def test_no_file_takes_over_an_old_name_and_components_stay():
    for world in WORLDS:
        new = drifted(world, "minor", 1)
        assert {m.stem for m in world.modules}.isdisjoint(m.stem for m in new.modules)
        assert len({m.stem for m in new.modules}) == len(new.modules)
        for before, after in zip(world.modules, new.modules, strict=True):
            assert dataclasses.replace(after, stem=before.stem) == before


def test_issues_ask_the_same_in_the_drifted_world():
    world = WORLDS[0]
    for severity in SEVERITIES:
        new = drifted(world, severity, 1)
        for index in range(30):
            old_issue, new_issue = make_issue(world, index), make_issue(new, index)
            assert new_issue.text == old_issue.text and new_issue.date == old_issue.date
            assert new_issue.path != old_issue.path
            assert new_issue.draft.before == old_issue.draft.before
            if old_issue.draft.difficulty != "easy" and severity == "major":
                assert new_issue.draft.after != old_issue.draft.after
            if severity != "major":
                assert new_issue.draft == old_issue.draft


def test_the_drifted_repository_is_whole():
    world = drifted(WORLDS[2], "major", 5)
    files = repository(world, 4)
    assert f"{world.conventions.script}.py" in files
    assert {f"{m.stem}.py" for m in world.modules} <= files.keys()
    assert {f"tests/test_{m.stem}.py" for m in world.modules} <= files.keys()


def test_drift_is_repeatable_and_another_seed_drifts_elsewhere():
    random.seed(1)
    first = drifted(WORLDS[1], "major", 1)
    assert dataclasses.asdict(first) == dataclasses.asdict(drifted(WORLDS[1], "major", 1))
    assert first.modules != drifted(WORLDS[1], "major", 2).modules


def test_an_unknown_severity_is_refused():
    with pytest.raises(ValueError, match="'severe' is none of minor, moderate, major"):
        drifted(WORLDS[0], "severe", 1)
