"""Self-made corrections: the published 3 of 84 valid, and each kind by hand."""

from __future__ import annotations

import pytest
from statsmodels.stats.proportion import proportion_confint

from stages.stats.intervals import Estimate, Undefined
from stages.stats.loops.revisions import Revision, revision_quality

MADE = (
    Revision(before=False, valid=True, correct=True, restated=False),  # fixed
    Revision(before=False, valid=True, correct=False, restated=True),  # wrong again
    Revision(before=True, valid=True, correct=False, restated=False),  # broke
    Revision(before=True, valid=True, correct=True, restated=True),  # kept
    Revision(before=True, valid=False, correct=False, restated=False),  # no form: no harm
    Revision(before=False, valid=False, correct=False, restated=False),
)


def test_the_published_first_corrections() -> None:
    nothing = [Revision(False, False, False, False)] * 81
    valid = [Revision(False, True, False, True)] * 2 + [Revision(False, True, True, False)]
    found = revision_quality(nothing + valid)
    assert found.revisions == 84
    assert (found.valid.value, found.correct.value) == (3 / 84, 1 / 84)
    assert (found.valid.lo, found.valid.hi) == pytest.approx(
        proportion_confint(3, 84, method="wilson")
    )
    assert isinstance(found.correct_of_valid, Estimate)
    assert found.correct_of_valid.value == pytest.approx(1 / 3)
    assert found.broke == Undefined("no answer was right before")


def test_each_kind_by_hand() -> None:
    found = revision_quality(MADE)
    rates = (found.valid, found.correct, found.correct_of_valid, found.fixed, found.broke)
    shares = [rate.value for rate in (*rates, found.restated) if isinstance(rate, Estimate)]
    assert shares == pytest.approx([4 / 6, 2 / 6, 2 / 4, 1 / 3, 1 / 3, 2 / 4])
    assert found.net == 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="not valid"):
        revision_quality([Revision(False, False, True, False)])
    with pytest.raises(ValueError, match="no correction"):
        revision_quality([])
