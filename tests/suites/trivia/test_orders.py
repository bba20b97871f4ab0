"""Orders of items: permutations, decided by items, seed and numbers alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.records import UserError
from stages.suites.items import Item
from stages.suites.trivia import trivia_items
from stages.suites.trivia.orders import ORDERS, strengths

ITEMS = trivia_items()
NUMBERS = st.fixed_dictionaries({item.item_id: st.floats(0, 1) for item in ITEMS})


@given(st.sampled_from(sorted(ORDERS)), st.integers(0, 99), st.none() | NUMBERS, st.randoms())
def test_an_order_is_a_permutation_whatever_order_the_items_come_in(
    name: str, seed: int, numbers: dict | None, chance
) -> None:
    given_in = chance.sample(ITEMS, len(ITEMS))
    row = ORDERS[name](given_in, seed, numbers)
    assert sorted(item.item_id for item in row) == sorted(item.item_id for item in ITEMS)
    assert row == ORDERS[name](ITEMS, seed, numbers)


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_seeds_give_different_orders(name: str) -> None:
    assert ORDERS[name](ITEMS, 0, None) != ORDERS[name](ITEMS, 1, None)


@given(NUMBERS)
def test_hard_first_goes_down(numbers: dict) -> None:
    row = [numbers[item.item_id] for item in ORDERS["hard_first"](ITEMS, 3, numbers)]
    assert row == sorted(row, reverse=True)


def test_adversarial_puts_wrong_obvious_answers_first() -> None:
    row = [item.payload.strength for item in ORDERS["adversarial"](ITEMS, 0, None)]
    assert row == ["strong"] * 37 + ["weak"] * 33 + ["none"] * 30
    numbers = {item.item_id: 0.0 for item in ITEMS} | {"geo_003": 0.2, "sci_013": 0.9}
    first = ORDERS["adversarial"](ITEMS, 0, numbers)[:2]
    assert [item.item_id for item in first] == ["sci_013", "geo_003"]


def test_interleaved_has_each_group_once_in_every_round() -> None:
    row = ORDERS["interleaved"](ITEMS, 4, None)
    rounds = [{item.group for item in row[i : i + 5]} for i in range(0, 100, 5)]
    assert all(len(groups) == 5 for groups in rounds)
    uneven = [item for item in ITEMS if item.group != "science" or item.item_id < "sci_005"]
    places = [i for i, x in enumerate(ORDERS["interleaved"](uneven, 4, None)) if x.group[0] == "s"]
    assert all(b - a > 10 for a, b in itertools.pairwise(places))  # 4 spread over 84


def test_an_item_without_a_number_is_named() -> None:
    with pytest.raises(UserError, match="geo_001: no number"):
        ORDERS["hard_first"](ITEMS[:1], 0, {})
    with pytest.raises(UserError, match="not a number"):
        ORDERS["hard_first"](ITEMS[:1], 0, {"geo_001": float("nan")})
    with pytest.raises(UserError, match="x: its payload"):
        strengths([Item("x", "train", "g", 1, "?", "y")])
