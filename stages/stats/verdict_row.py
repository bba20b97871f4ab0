"""A verdict as metrics/verdicts/*.json has it."""

from __future__ import annotations

from typing import Any

from stages.stats.intervals import Estimate
from stages.stats.summary import rounded
from stages.stats.verdict import EXPLORATORY, INCONCLUSIVE, Verdict


def verdict_row(verdict: Verdict, stopped: list[str], missing: str = "") -> dict[str, Any]:
    """One row; none but inconclusive while a stop check fails or something is ``missing``.

    ``stopped``: ids of the failed stop checks. ``missing``: what isn't there, in words.
    """
    estimate = verdict.estimate
    known = isinstance(estimate, Estimate)
    word = verdict.verdict
    if stopped and word != EXPLORATORY:
        word = f"{INCONCLUSIVE}: audit ({', '.join(stopped)})"
    elif missing and word != EXPLORATORY:
        word = f"{INCONCLUSIVE}: {missing}"
    row = {
        "verdict": word,
        "estimate": estimate.value if known else None,
        "lo": estimate.lo if known else None,
        "hi": estimate.hi if known else None,
        "n": estimate.n if known else None,
        "unit": estimate.unit if known else None,
        "undefined": "" if known else str(estimate),
        "comparator": verdict.comparator,
        "threshold": verdict.threshold,
        "p": verdict.p,
        "alpha": verdict.alpha,
        "registration": verdict.registration or EXPLORATORY,
        "detectable_effect": verdict.detectable_effect,
        "n_to_decide": verdict.n_to_decide,
    }
    return {key: rounded(value) for key, value in row.items()}
