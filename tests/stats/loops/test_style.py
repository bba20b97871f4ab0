"""Collapse of style: the published one is caught on held-out items, ordinary change is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from stages.stats.loops.style import COLLAPSED, INCONCLUSIVE, KEPT, Answer, style

PARTS = {"trained": 80, "held-out": 20, "guard": 30}


def answers(rng: np.random.Generator, tokens: float, empty: float = 0.0) -> dict:
    return {
        part: {
            f"{part}{i}": Answer(tokens * rng.lognormal(0, 0.3), float(rng.random() < empty), 0.0)
            for i in range(n)
        }
        for part, n in PARTS.items()
    }


def test_the_published_collapse() -> None:
    """From about 711 to about 10 tokens."""
    rng = np.random.default_rng(0)
    found = style(answers(rng, 711), answers(rng, 10))
    assert found.reading == COLLAPSED
    assert found.reason == "trained: length, held-out: length, guard: length"
    length = found.parts["held-out"]["length"]
    assert length.change.value == pytest.approx(10 / 711, rel=0.3)
    assert length.change.hi < 0.1


def test_collapse_on_held_out_items_alone_is_seen() -> None:
    rng = np.random.default_rng(1)
    base = answers(rng, 200)
    now = {**base, "held-out": answers(rng, 20)["held-out"]}
    found = style(base, now)
    assert (found.reading, found.reason) == (COLLAPSED, "held-out: length")
    assert found.parts["trained"]["length"].reading == KEPT


def test_empty_truncated_and_unreasoned_answers() -> None:
    rng = np.random.default_rng(2)
    base = answers(rng, 100)
    assert style(base, answers(np.random.default_rng(3), 100, empty=0.5)).reason.startswith(
        "trained: empty"
    )
    for name in ("truncated", "unreasoned"):
        before, after = (each_with(base, {"unreasoned": 0.0, name: share}) for share in (0.0, 1.0))
        assert f"guard: {name}" in style(before, after).reason
        assert style(after, before).reading != COLLAPSED


def each_with(parts: dict, fields: dict[str, float]) -> dict:
    return {
        part: {item: dataclasses.replace(answer, **fields) for item, answer in answers_.items()}
        for part, answers_ in parts.items()
    }


def test_the_same_style_is_kept_and_few_items_are_inconclusive() -> None:
    rng = np.random.default_rng(4)
    base = answers(rng, 100)
    same = style({"trained": base["trained"]}, {"trained": base["trained"]})
    assert same.reading == KEPT
    few = {"held-out": dict(list(base["held-out"].items())[:5])}
    found = style(few, {"held-out": {i: Answer(1, 1, 0) for i in few["held-out"]}})
    assert found.reading == INCONCLUSIVE


def test_noise_is_rarely_called_collapse() -> None:
    rng = np.random.default_rng(5)
    calls = [style(answers(rng, 100), answers(rng, 100)).reading == COLLAPSED for _ in range(25)]
    assert sum(calls) <= 1


def test_the_same_items_are_compared() -> None:
    one = {"trained": {"a": Answer(1, 0, 0)}}
    with pytest.raises(ValueError, match="same parts"):
        style(one, {"guard": {"a": Answer(1, 0, 0)}})
    with pytest.raises(ValueError, match="same items"):
        style(one, {"trained": {"b": Answer(1, 0, 0)}})
    with pytest.raises(ValueError, match="of none"):
        style({"trained": {"a": Answer(1, 0, 0, 0.0)}}, one)
