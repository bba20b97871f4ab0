"""Conventions and difficulties: read back, told apart, never given away by an issue's text."""

from __future__ import annotations

import random

from stages.suites.microrepo.conventions import (
    SCRIPT_VALUES,
    VALUES,
    draw_conventions,
    fixed_line,
    flip_conventions,
    read_convention,
    rule_text,
)
from stages.suites.microrepo.issues import (
    MEDIUM_KINDS,
    PLAIN_KINDS,
    draft_issue,
    draw_kinds,
)
from tests.small_lab import issue_of
from tests.suites.worlds import HARD, world_with


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
