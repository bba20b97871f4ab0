from __future__ import annotations

import random

import pytest

from stages.self_improve.draw import DrawError, draw_items
from tests.self_improve.attempts import make_item

POOL = [make_item(f"{group}{i}", group) for group in "abc" for i in range(10)]


def test_groups_share_alike_and_nothing_comes_twice():
    used: set[str] = set()
    for generation in range(3):
        drawn = draw_items(POOL, 9, used, random.Random(generation))
        assert len({item.item_id for item in drawn}) == 9
        assert not used & {item.item_id for item in drawn}
        assert {g: sum(i.group == g for i in drawn) for g in "abc"} == {"a": 3, "b": 3, "c": 3}
        used |= {item.item_id for item in drawn}
    with pytest.raises(DrawError, match="3 are left"):
        draw_items(POOL, 9, used, random.Random(3))


def test_a_target_is_drawn_from_alone():
    drawn = draw_items(POOL, 6, set(), random.Random(0), ("b",))
    assert {item.group for item in drawn} == {"b"}


def test_equal_seeds_draw_equal_items():
    assert draw_items(POOL, 5, set(), random.Random(1)) == draw_items(
        POOL, 5, set(), random.Random(1)
    )


def test_fresh_test_problems_per_generation_are_refused():
    """Planted: a generation that draws the problems it is measured on."""
    pool = [make_item(f"t{i}", part="test") for i in range(20)]
    with pytest.raises(DrawError, match="drawn anew for each generation"):
        draw_items(pool, 5, set(), random.Random(0))
