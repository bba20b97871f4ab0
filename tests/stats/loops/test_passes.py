"""pass@k by type and iteration against counting every subset of samples."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from stages.stats.intervals import Estimate, Undefined
from stages.stats.loops.passes import ALL, pass_table


def test_against_all_subsets() -> None:
    rng = np.random.default_rng(0)
    right = {(t, f"p{i}"): rng.random(6) < 0.3 for t in ("fibonacci", "rpn") for i in range(4)}
    rows = pass_table(
        [(2, t, p, bool(ok)) for (t, p), samples in right.items() for ok in samples], ks=[1, 3]
    )
    assert [row.group for row in rows] == ["fibonacci", "rpn", ALL]
    for row in rows:
        own = [samples for (t, _), samples in right.items() if row.group in (t, ALL)]
        slow = np.mean([np.mean([any(c) for c in combinations(s, 3)]) for s in own])
        passed = row.passes[3]
        assert isinstance(passed, Estimate)
        assert passed.value == pytest.approx(slow)
        first = row.passes[1]
        assert isinstance(first, Estimate)
        assert first.value == pytest.approx(np.mean(own))
        assert (row.iteration, row.problems, passed.n) == (2, len(own), len(own))


def test_equal_ids_of_two_types_are_two_problems() -> None:
    rows = pass_table([(0, "a", "1", True), (0, "b", "1", False), (1, "a", "1", False)], ks=[1, 2])
    assert [(r.iteration, r.group, r.problems) for r in rows] == [
        (0, "a", 1),
        (0, "b", 1),
        (0, ALL, 2),
        (1, "a", 1),
        (1, ALL, 1),
    ]
    assert isinstance(rows[0].passes[2], Undefined)
    with pytest.raises(ValueError, match="Rename"):
        pass_table([(0, ALL, "1", True)], ks=[1])
