"""Estimands over arms named by a number, against curves with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from stages.params import ParamsError
from stages.stats.estimands import estimand
from stages.stats.intervals import Estimate, Undefined
from tests.stats.families.small_stream import made_results, made_stream


def by_buffer(shares: dict[int, float]) -> list:
    """Arms buffer_N that keep a share of 20 sessions' examples, two seeds."""
    streams = []
    for number, share in shares.items():
        kept = [[1] if n < round(20 * share) else [0] for n in range(20)]
        streams += [
            made_stream(f"buffer_{number}", {1: kept}, seed=seed, every=20) for seed in (0, 1)
        ]
    return streams


def found(streams: list, name: str, alpha: float = 0.05) -> Estimate | Undefined:
    return estimand(made_results(streams), name)(alpha)


def test_the_knee_of_retention_over_buffers():
    rising = by_buffer({1: 0.1, 2: 0.3, 3: 0.5, 4: 0.7, 5: 0.7, 6: 0.7, 7: 0.7})
    knee = found(rising, "knee.retention.buffer")
    assert isinstance(knee, Estimate) and knee.value == pytest.approx(4.0, abs=0.01)
    straight = by_buffer({n: 0.1 * n for n in range(1, 8)})
    assert isinstance(found(straight, "knee.retention.buffer"), Undefined)


def test_slopes_and_differences_by_hand():
    streams = by_buffer({1: 0.2, 2: 0.4, 3: 0.6})
    slope = found(streams, "slope.retention.buffer")
    assert isinstance(slope, Estimate) and slope.value == pytest.approx(0.2) and slope.n == 20
    assert slope.lo < 0.2 < slope.hi
    gain = found(streams, "level_difference.retention.buffer")
    assert isinstance(gain, Estimate) and gain.value == pytest.approx(0.4)


def test_a_threshold_of_retention_has_no_base():
    assert isinstance(found(by_buffer({1: 0.2, 2: 0.4}), "threshold.retention.buffer"), Undefined)


def test_names_that_do_not_fit():
    with pytest.raises(ParamsError, match="1 arms are named buffer_N"):
        found(by_buffer({1: 0.2}), "knee.retention.buffer")
    with pytest.raises(ParamsError, match="unknown"):
        found(by_buffer({1: 0.2, 2: 0.3}), "knee.colour.buffer")


def test_a_smaller_alpha_never_gives_a_narrower_interval():
    streams = by_buffer({1: 0.2, 2: 0.45, 3: 0.6, 4: 0.65, 5: 0.7})
    for name in ("slope.retention.buffer", "knee.retention.buffer"):
        known = [found(streams, name, alpha) for alpha in (0.5, 0.05, 0.001)]
        ends = np.array([(e.lo, e.hi) for e in known if isinstance(e, Estimate)])
        assert (np.diff(ends[:, 0]) <= 0).all() and (np.diff(ends[:, 1]) >= 0).all()
