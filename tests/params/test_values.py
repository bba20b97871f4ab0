"""Hashes of parameters survive a field that joins a block later."""

from __future__ import annotations

import dataclasses

from stages.params.values import later, values_of
from stages.records import canonical_json


@dataclasses.dataclass(frozen=True)
class Before:
    rate: float


@dataclasses.dataclass(frozen=True)
class After:
    rate: float
    decay: float | None = later(None)


@dataclasses.dataclass(frozen=True)
class Block:
    inner: Before | After
    names: tuple[str, ...] = ("a",)
    by_name: dict[str, Before | After] = dataclasses.field(default_factory=dict)


def text(inner: Before | After) -> str:
    return canonical_json(values_of(Block(inner, by_name={"x": inner})))


def test_a_later_field_at_its_default_leaves_the_hash_alone() -> None:
    assert text(After(0.1)) == text(Before(0.1))


def test_a_later_field_with_another_value_counts() -> None:
    assert text(After(0.1, 0.5)) != text(After(0.1))


def test_an_ordinary_field_counts_at_its_default_too() -> None:
    assert values_of(Block(Before(0.1)))["names"] == ["a"]
