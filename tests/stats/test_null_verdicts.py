"""Where nothing is, the verdict rule says 'supported' no oftener than α: the families in use.

A family of one criterion is judged at α itself, so its verdict is what the interval at α says;
``judge`` is run beside on some, since its bisection for p costs forty intervals more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest

from stages.stats.estimands import estimand
from stages.stats.nulls import clopper_pearson, permuted_arms
from stages.stats.results import Results
from stages.stats.streams import Streams
from stages.stats.verdict import SUPPORTED, Criterion, judge
from tests.stats.families.small_stream import made_results, made_stream

ALPHA, EXPERIMENTS = 0.05, 200


def paired_difference(rng: np.random.Generator) -> Iterator[Criterion]:
    """60 tasks of differing difficulty, 2 runs; the arms' labels permuted by task."""
    while True:
        ease = rng.beta(1.0, 1.0, (1, 60, 1))
        outcomes = (rng.random((2, 60, 2)) < ease).astype(float)
        yield from permuted_arms(outcomes)(rng)


def stream_results(rng: np.random.Generator, plain: Results) -> Results:
    """Two arms that keep alike: 40 sessions of 3 examples, 2 seeds, labels permuted by session."""
    ease = rng.beta(4.0, 1.0, (40, 1, 1))
    kept_AST = (rng.random((2, 2, 40, 3)) < ease[None, None, :, :, 0]).astype(int)
    swap = rng.random(40) < 0.5
    kept_AST[:, :, swap] = kept_AST[::-1, :, swap]
    streams = [
        made_stream(arm, {1: kept_AST[a, seed].tolist()}, seed=seed, every=40)
        for a, arm in enumerate(("a", "b"))
        for seed in (0, 1)
    ]
    return dataclasses.replace(plain, streams=Streams(tuple(streams)))


def stream_family(name: str, threshold: float, rng: np.random.Generator) -> Iterator[Criterion]:
    plain = made_results([made_stream(arm, {1: [[1]]}) for arm in ("a", "b")])
    while True:
        results = stream_results(rng, plain)
        yield Criterion(name, estimand(results, f"stream.{name}.a.b"), ">", threshold)


def supported(criteria: Iterator[Criterion]) -> int:
    drawn = [next(criteria) for _ in range(EXPERIMENTS)]
    verdicts = [criterion.read(criterion.estimand(ALPHA)) for criterion in drawn]
    for criterion, word in list(zip(drawn, verdicts, strict=True))[:3]:
        assert judge([criterion], "h", "h", ALPHA)[0].verdict == word
    return verdicts.count(SUPPORTED)


@pytest.mark.parametrize("family", ["paired", "retention_difference", "retention_ratio"])
def test_nothing_is_supported_oftener_than_alpha(family: str):
    rng = np.random.default_rng(20)
    criteria = {
        "paired": lambda: paired_difference(rng),
        "retention_difference": lambda: stream_family("retention_difference", 0.0, rng),
        "retention_ratio": lambda: stream_family("retention_ratio", 1.0, rng),
    }[family]()
    rate = clopper_pearson(supported(criteria), EXPERIMENTS, unit="experiment")
    assert rate.lo <= ALPHA and rate.value <= ALPHA, rate


def test_the_same_simulation_finds_an_effect_that_is_there():
    """The null test has teeth: a shift of 30 points, with three runs, is found nearly always."""
    rng = np.random.default_rng(21)
    found = 0
    for _ in range(40):
        ease = rng.beta(1.0, 1.0, (60, 1))
        base = rng.random((60, 3)) < ease
        adapted = rng.random((60, 3)) < np.clip(ease + 0.3, 0, 1)
        outcomes = np.stack([base, adapted]).astype(float)
        (criterion,) = permuted_arms(outcomes)(cast(np.random.Generator, _Identity()))
        found += criterion.read(criterion.estimand(ALPHA)) == SUPPORTED
    assert found >= 32


class _Identity:
    """A generator whose permutation leaves the arms where they are."""

    def random(self, shape: tuple[int, int]) -> np.ndarray:
        return np.broadcast_to(np.arange(shape[0], dtype=float)[:, None], shape)
