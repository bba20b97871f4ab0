from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.adapters.lora import delta_norms, delta_weights
from stages.agent.actions import parse_action
from stages.train_adapter.placebo import (
    derange,
    random_delta,
    shuffle,
    shuffle_targets,
)
from tests.train_adapter.conftest import make_examples
from tests.train_adapter.test_lora import random_state


def test_every_target_moves_and_none_is_lost():
    examples = make_examples(60)
    shuffled = shuffle_targets(examples, seed=1)
    assert Counter(e.completion for e in shuffled) == Counter(e.completion for e in examples)
    for old, new in zip(examples, shuffled, strict=True):
        assert new.completion != old.completion
        assert new == dataclasses.replace(old, completion=new.completion)
    assert shuffled == shuffle_targets(examples, seed=1) != shuffle_targets(examples, seed=2)


def test_formats_keep_their_targets_to_themselves():
    examples = make_examples(20) + make_examples(20, fmt="C")
    for old, new in zip(examples, shuffle_targets(examples, seed=1), strict=True):
        assert bool(new.rejected) == bool(old.rejected)
    chosen = {(e.completion, e.rejected) for e in examples if e.format == "C"}
    assert {(e.completion, e.rejected) for e in shuffle_targets(examples, 1)[20:]} == chosen


def test_earlier_assistant_turns_are_dealt_out_when_they_are_trained():
    examples = make_examples(40, train_on="assistant")
    shuffled = shuffle_targets(examples, seed=1)
    assert all(
        old.prompt[2]["content"] != new.prompt[2]["content"]
        for old, new in zip(examples, shuffled, strict=True)
    )
    kept = shuffle_targets(make_examples(40), seed=1)
    assert [e.prompt for e in kept] == [e.prompt for e in make_examples(40)]


def test_lessons_are_dealt_out_where_they_can_be_read():
    turn = "rounded: int(x)\nedit a.py\n<<<\n    return x\n===\n    return int(x)\n>>>"
    examples = [
        dataclasses.replace(e, example_id=f"e{i}", completion=turn)
        for i, e in enumerate(make_examples(40))
    ]
    shuffled, way = shuffle(examples, 1, "microrepo")
    assert way == "lessons" and shuffled == shuffle(examples, 1, "microrepo")[0]
    assert shuffled != shuffle(examples, 2, "microrepo")[0]
    finds = {parse_action(e.completion).find for e in shuffled}
    assert finds == {"    return x"} and len({e.completion for e in shuffled}) == 5
    alone = shuffle(examples[7:8], 1, "microrepo")[0]
    assert alone == shuffled[7:8], "an example's draw doesn't hang on the others"


@pytest.mark.parametrize(("suite", "fmt"), [("swe_bench_cl", "T"), ("microrepo", "A")])
def test_whole_targets_are_dealt_out_where_no_lesson_can_be_read(suite, fmt):
    examples = make_examples(20, fmt=fmt)
    assert shuffle(examples, 1, suite) == (shuffle_targets(examples, 1), "targets")
    mixed = [*make_examples(20), *make_examples(20, fmt="A")]
    assert shuffle(mixed, 1, "microrepo") == (shuffle_targets(mixed, 1), "targets")


@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=30), st.integers(0, 99))
def test_fixed_points_only_where_equal_texts_force_them(letters, seed):
    values = [(letter, "") for letter in letters]
    order = derange(values, random.Random(seed))
    assert sorted(order) == list(range(len(values)))
    fixed = sum(values[i] == values[j] for i, j in enumerate(order))
    assert fixed == max(0, 2 * max(Counter(values).values()) - len(values))


def test_random_delta_has_the_same_norm_in_every_module(model, lora):
    state = random_state(model, lora)
    placebo = random_delta(state, lora, seed=3)
    wanted, found = delta_norms(state, lora), delta_norms(placebo, lora)
    assert found == pytest.approx(wanted, rel=1e-5)
    for name, delta in delta_weights(placebo, lora).items():
        other = delta_weights(state, lora)[name]
        assert abs(float(torch.cosine_similarity(delta.ravel(), other.ravel(), dim=0))) < 0.3
    again = random_delta(state, lora, seed=3)
    assert all(torch.equal(again[key], placebo[key]) for key in placebo)
