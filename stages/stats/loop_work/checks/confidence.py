"""Confidence that is reported must be held against being right."""

from __future__ import annotations

from stages.stats.checks.check import Finding, absent, judged
from stages.stats.loop_work.checks.record import LoopRecord

WORD = "confidence"
BESIDE = tuple(f"{name}{end}" for name in ("ece", "brier") for end in ("", "_lo", "_hi"))


def confidence_is_calibrated(record: LoopRecord) -> Finding:
    """Check 23: beside a mean confidence stand ECE and Brier score with their intervals.

    Mean confidence that rises with accuracy is no calibration: it says nothing of which answers
    are the sure ones.
    """
    said = {arm: row for arm, row in record.reported.items() if any(WORD in key for key in row)}
    if not said:
        return absent("no confidence is reported")
    problems = [
        f"arm {arm}: confidence is reported without {key}"
        for arm, row in said.items()
        for key in BESIDE
        if not isinstance(row.get(key), (int, float))
    ]
    return judged(
        {"arms": len(said)},
        problems,
        "Report ECE and Brier score with intervals beside it, or no confidence.",
    )
