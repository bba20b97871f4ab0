"""Quality of corrections that the model makes itself, judged before anything is trained on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stages.stats.intervals import Estimate, Undefined, wilson


@dataclass(frozen=True)
class Revision:
    """One correction of the model's own answer."""

    before: bool
    """whether the answer was right before"""
    valid: bool
    """whether the correction has the form asked for, so that it could be trained on at all"""
    correct: bool
    """whether what it says is right; an invalid one never is"""
    restated: bool
    """whether it says the same as the answer before"""


@dataclass(frozen=True)
class RevisionQuality:
    """Counts and rates of a set of corrections."""

    revisions: int
    """corrections made"""
    valid: Estimate
    """of the right form / made"""
    correct: Estimate
    """right / made"""
    correct_of_valid: Estimate | Undefined
    """right / valid: what the training set's targets are worth"""
    fixed: Estimate | Undefined
    """made right / wrong before"""
    broke: Estimate | Undefined
    """made wrong by a valid correction / right before: an invalid one changes nothing"""
    restated: Estimate | Undefined
    """the answer before said again / valid"""
    net: int
    """answers fixed - answers broken, if every valid correction replaced its answer"""


def revision_quality(revisions: Iterable[Revision], alpha: float = 0.05) -> RevisionQuality:
    """Quality of ``revisions``, one per item; Wilson intervals over items.

    Source: science.md, section 1 and 6 (adaptible's first self-made corrections: 3 of 84 valid, 1
    correct). ValueError for none, or for a correct one that is invalid.

    >>> made = [Revision(False, True, True, False), Revision(True, True, False, False)]
    >>> q = revision_quality(made)
    >>> q.correct.value, q.fixed.value, q.broke.value, q.net
    (0.5, 1.0, 1.0, 0)
    """
    made = list(revisions)
    if not made:
        raise ValueError("There is no correction to judge. Leave the arm's row out.")
    odd = next((i for i, r in enumerate(made) if r.correct and not r.valid), None)
    if odd is not None:
        raise ValueError(
            f"Correction {odd} is correct and not valid. Judge what can be parsed, and call the "
            "rest neither."
        )
    wrong, right = [r for r in made if not r.before], [r for r in made if r.before]
    valid = [r for r in made if r.valid]
    fixed = sum(r.correct for r in wrong)
    broke = sum(r.valid and not r.correct for r in right)

    def rate(count: int, total: int, what: str) -> Estimate | Undefined:
        return wilson(count, total, alpha, "item") if total else Undefined(f"no {what}")

    return RevisionQuality(
        len(made),
        wilson(len(valid), len(made), alpha, "item"),
        wilson(sum(r.correct for r in made), len(made), alpha, "item"),
        rate(sum(r.correct for r in valid), len(valid), "correction was valid"),
        rate(fixed, len(wrong), "answer was wrong before"),
        rate(broke, len(right), "answer was right before"),
        rate(sum(r.restated for r in valid), len(valid), "correction was valid"),
        fixed - broke,
    )
