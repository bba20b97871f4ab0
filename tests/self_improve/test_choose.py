from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.self_improve.choose import (
    Choice,
    ChoiceError,
    dealt_anew,
    essence,
    example_of,
    loopholes,
    mixed,
    preferences,
)
from tests.self_improve.attempts import make_attempt


def texts(attempts):
    return [(a.item.item_id, a.text) for a in attempts]


ATTEMPTS = [
    make_attempt("p", "a = 1", sample=0),
    make_attempt("p", "b  =  1", sample=1),
    make_attempt("p", "return 79", correct=False, visible=True, sample=2),
    make_attempt("q", "wrong", correct=False, sample=0),
    make_attempt("q", "right but cut", finish="length", sample=1),
    make_attempt("q", "right", sample=2),
]


def test_best_of_k_takes_verified_answers_that_end():
    assert texts(Choice().chosen(ATTEMPTS)) == [("p", "a = 1"), ("p", "b  =  1"), ("q", "right")]


def test_an_unverified_arm_takes_wrong_answers_but_no_loophole():
    found = texts(Choice(verified=False).chosen(ATTEMPTS))
    assert ("q", "wrong") in found
    assert ("p", "return 79") not in found


def test_answers_that_compute_nothing_are_counted_and_never_trained_on():
    """Planted: an answer that passes the visible cases by a constant (check 29)."""
    for choice in (Choice(), Choice(verified=False), Choice(diverse=True), Choice(keep=9)):
        assert all(e.completion != "return 79" for e in choice.select(ATTEMPTS))
    assert loopholes(ATTEMPTS) == {"g": 1}
    right = Choice().select(ATTEMPTS)
    assert all(e.completion != "return 79" for e in preferences(right, ATTEMPTS))


def test_keep_is_a_number_per_item():
    assert texts(Choice(keep=1).chosen(ATTEMPTS)) == [("p", "a = 1"), ("q", "right")]


def test_diversity_goes_by_what_a_program_does_not_by_its_names():
    assert texts(Choice(diverse=True).chosen(ATTEMPTS)) == [("p", "a = 1"), ("q", "right")]
    one = essence("def f(a, b):\n    return a + b")
    assert one == essence("def h(x, y): return x+y")
    assert one != essence("def f(a, b):\n    return b + a")
    assert essence("no  program here") == "no program here"


def test_diversity_of_one_item_says_nothing_of_another():
    twins = [make_attempt("p", "a = 1"), make_attempt("q", "a = 1")]
    assert texts(Choice(diverse=True).chosen(twins)) == texts(twins)


def test_what_is_tested_on_is_never_an_example():
    with pytest.raises(ChoiceError, match="part test"):
        example_of(make_attempt("t", "x", part="test"))


def examples_of(*names: str, group: str = "g"):
    return [
        example_of(make_attempt(name, f"{name}{n}", group=group)) for n, name in enumerate(names)
    ]


@settings(max_examples=40)
@given(st.integers(1, 30), st.sampled_from([0.0, 0.3, 0.5, 0.7]), st.integers(1, 9))
def test_mixing_gives_its_share(n_own, share, n_others):
    own = examples_of(*(f"o{i}" for i in range(n_own)))
    others = examples_of(*(f"r{i}" for i in range(n_others)), group="other")
    whole = mixed(own, others, share, random.Random(0))
    replayed = [e for e in whole if e.skill == "other"]
    assert len(whole) - len(replayed) == n_own
    assert abs(len(replayed) - share * len(whole)) <= 0.5
    counts = [sum(e is other for e in replayed) for other in others]
    assert max(counts) - min(counts) <= 1


def test_mixing_without_anything_to_replay_is_refused():
    with pytest.raises(ChoiceError, match="no verified answer of another group"):
        mixed(examples_of("o"), [], 0.5, random.Random(0))


def test_preferences_pair_a_right_answer_with_a_failed_one_of_its_item():
    chosen = Choice().select(ATTEMPTS)
    pairs = preferences([*chosen, *chosen, *examples_of("never failed")], ATTEMPTS)
    assert [(p.instance_id, p.completion, p.rejected) for p in pairs] == [
        ("p", "a = 1", "return 79"),
        ("p", "b  =  1", "return 79"),
        ("q", "right", "wrong"),
    ]
    assert len({p.example_id for p in pairs}) == 3


@settings(max_examples=40)
@given(st.lists(st.sampled_from("abcd"), max_size=24), st.integers(0, 9))
def test_the_placebo_leaves_no_answer_with_its_item(names, seed):
    examples = examples_of(*names)
    dealt = dealt_anew(examples, random.Random(seed))
    assert all(e.completion[0] != e.instance_id for e in dealt)
    most = max(map(names.count, names), default=0)
    if 2 * most <= len(names):
        assert [e.prompt for e in dealt] == sorted((e.prompt for e in examples), key=str)
        assert sorted(e.completion for e in dealt) == sorted(e.completion for e in examples)
    else:
        assert len(dealt) == 2 * (len(names) - most)
