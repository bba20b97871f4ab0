from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.lab.budget import BudgetError, match_tokens, target_tokens, training_tokens
from stages.records import Example
from tests.train_adapter.conftest import make_examples


def sized(fmt: str, sizes: list[int]) -> list[Example]:
    return [Example(f"{fmt}{i}", fmt, (), "x" * size) for i, size in enumerate(sizes)]


@given(
    st.dictionaries(
        st.sampled_from("ABCDET"),
        st.lists(st.integers(10, 100), min_size=1, max_size=40),
        min_size=2,
    ),
    st.integers(0, 9),
)
def test_formats_differ_by_two_percent_at_most(sizes, seed):
    by_format = {fmt: sized(fmt, values) for fmt, values in sizes.items()}
    chosen = match_tokens(by_format, 5000, lambda e: len(e.completion), seed)
    totals = [sum(len(e.completion) for e in picked) for picked in chosen.values()]
    assert max(totals) - min(totals) <= 0.02 * 5000
    for fmt, picked in chosen.items():
        counts = [picked.count(e) for e in by_format[fmt]]
        assert max(counts) - min(counts) <= 1


def test_too_coarse_examples_are_refused_by_format():
    by_format = {"A": sized("A", [10] * 9), "T": sized("T", [70] * 9)}
    with pytest.raises(BudgetError, match="format T: whole examples come to 70"):
        match_tokens(by_format, 100, lambda e: len(e.completion))


def test_a_format_without_examples_is_refused():
    with pytest.raises(BudgetError, match="format B: there are no examples"):
        match_tokens({"B": []}, 100, lambda e: 1)


def test_a_pair_counts_both_of_its_sequences(tokenizer):
    pair, plain = make_examples(1, fmt="C")[0], make_examples(1, fmt="A")[0]
    chosen = training_tokens(tokenizer, plain)
    assert chosen < training_tokens(tokenizer, pair) <= 2 * chosen
    assert 0 < target_tokens(tokenizer, plain) < target_tokens(tokenizer, pair) < chosen
