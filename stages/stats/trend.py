"""Does error grow from session to session: its slope, and whether growth can be ruled out.

``errors`` are error rates in [0, 1], worlds × seeds × sessions (W × R × S, NaN where missing); a
matrix is runs × sessions, every run then its own cluster. One slope is fitted to each run, so that
errors of one run may depend on each other in any way; the slopes are then cells of worlds × seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stages.stats.clusters import Cells, bootstrap_estimand, clustered_difference
from stages.stats.intervals import Estimate
from stages.stats.verdict import Criterion, Estimand


@dataclass(frozen=True)
class Amplification:
    """What the slope of error over sessions says."""

    slope: Estimate
    """change of the error rate per session; the verdict's interval"""
    bootstrap: Estimate
    """the same slope with the cluster bootstrap's percentile interval, reported beside"""
    change: Estimate
    """the slope times the span of sessions: change of the error rate from first to last"""
    margin: float
    """largest slope that counts as none, per session"""
    no_amplification: str
    """verdict of 'slope < margin': 'supported' rules growth by the margin out"""
    equivalent: str
    """verdict of 'slope within ± margin': neither growth nor decline by as much"""
    grows: bool
    """whether the whole interval lies above 0: growth was seen, however small"""


def session_slopes(errors: ArrayLike, sessions: ArrayLike | None = None) -> tuple[Cells, float]:
    """Least-squares slope of each run (W × R, per session), and the largest slope possible.

    ``sessions`` are their numbers (S), by default 1 … S. A run with fewer than two measured
    sessions is NaN. The largest slope is that of errors at 0 before the mean session and 1 after,
    over the runs. ValueError if an error lies outside [0, 1] or no run has two sessions.

    >>> session_slopes([[0.1, 0.2, 0.3]])[0].round(6).tolist()
    [[0.1]]
    """
    values = np.asarray(errors, dtype=float)
    values = values[:, None, :] if values.ndim == 2 else values
    if values.ndim != 3:
        raise ValueError(f"errors have {values.ndim} dimensions; give worlds × seeds × sessions.")
    number = (
        np.arange(1.0, values.shape[2] + 1) if sessions is None else np.asarray(sessions, float)
    )
    if number.shape != values.shape[2:] or not np.isfinite(number).all():
        raise ValueError(
            f"{number.shape} session numbers for {values.shape[2]} sessions; one each."
        )
    seen = ~np.isnan(values)
    if np.any((values[seen] < 0) | (values[seen] > 1)):
        raise ValueError("An error rate lies outside [0, 1]. Divide counts by their number.")
    count = np.maximum(seen.sum(axis=2, keepdims=True), 1)
    centred = np.where(seen, number - (seen * number).sum(axis=2, keepdims=True) / count, 0.0)
    squares = np.sum(centred**2, axis=2)
    fits = squares > 0
    if not fits.any():
        raise ValueError("No run has two measured sessions, so there is no slope. Check the rows.")
    safe = np.where(fits, squares, 1.0)
    slopes = np.sum(centred * np.nan_to_num(values), axis=2) / safe
    largest = np.sum(np.maximum(centred, 0), axis=2) / safe
    return np.where(fits, slopes, np.nan), float(largest[fits].max())


def slope_estimand(errors: ArrayLike, sessions: ArrayLike | None = None) -> Estimand:
    """α → mean slope of error per session, with ``clusters.clustered_difference``'s interval.

    Runs' slopes are crossed clusters, worlds and seeds both sampled; runs that do not vary at all
    (errors always 0) keep the width that as many binary outcomes would have.
    Reference: Matthews, Altman, Campbell & Royston (1990), BMJ 300, on one summary per subject.
    """
    slopes, largest = session_slopes(errors, sessions)
    unit = "run" if np.asarray(errors).ndim == 2 else "world"

    def estimate(alpha: float) -> Estimate:
        return clustered_difference(slopes, alpha, unit, largest * (1 + 1e-9))

    return estimate


def amplification(
    errors: ArrayLike,
    margin: float,
    sessions: ArrayLike | None = None,
    alpha: float = 0.05,
    resamples: int = 2000,
    seed: int = 0,
) -> Amplification:
    """Slope of error over sessions, and 'no amplification' as a statement about its upper end.

    Failing to find growth is not finding none: the claim is supported only if the whole 1 - α
    interval lies below ``margin`` (error rate per session, above 0, registered beforehand; 0.05/20
    is five points over 20 sessions). A slope that grows and then settles is averaged to a line;
    look at the plot too. ValueError for a margin ≤ 0 and as ``session_slopes``.

    References: Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics 15, and Piaggio et al.
    (2012), JAMA 308, on equivalence by interval; Owen (2007), Annals of Applied Statistics 1, on
    the bootstrap of crossed clusters.

    >>> flat = [[0.2, 0.21, 0.19, 0.2]] * 3 + [[0.3, 0.29, 0.31, 0.3]] * 3
    >>> a = amplification(flat, margin=0.05)
    >>> a.no_amplification, a.grows, round(a.slope.value, 6)
    ('supported', False, 0.0)
    """
    if not margin > 0:
        raise ValueError(f"margin is {margin}; give the slope that would matter, above 0.")
    estimand = slope_estimand(errors, sessions)
    slopes, largest = session_slopes(errors, sessions)
    slope = estimand(alpha)
    assert isinstance(slope, Estimate)
    beside = bootstrap_estimand(slopes, resamples, seed, slope.unit, largest * (1 + 1e-9))(alpha)
    shape = np.asarray(errors).shape[-1]
    span = float(np.ptp(np.arange(shape) if sessions is None else np.asarray(sessions, float)))
    change = Estimate(
        slope.value * span, slope.lo * span, slope.hi * span, slope.n, slope.unit, alpha
    )
    upper = Criterion("no amplification", estimand, "<", margin).read(slope)
    both = Criterion("equivalence", estimand, "within", margin).read(slope)
    return Amplification(slope, beside, change, margin, upper, both, slope.lo > 0)
