"""The audit of a loop: every mistake that loops are known to have held."""

from __future__ import annotations

from typing import Any

from stages.stats.audit import check_row
from stages.stats.checks.check import STOP, WARN
from stages.stats.loop_work.checks import answers, confidence, runs, style, training, weak
from stages.stats.loop_work.checks.record import LoopCheck, LoopRecord

CHECKS = (
    LoopCheck("4", "every number from its own run", STOP, runs.own_runs),
    LoopCheck("5", "adapter loaded and live", STOP, training.live),
    LoopCheck("10", "losses sound", STOP, training.sound_losses),
    LoopCheck("12", "intervals and enough items", STOP, runs.with_interval),
    LoopCheck("14", "items and seeds counted once", STOP, runs.units_counted_once),
    LoopCheck("19", "judge sound", STOP, answers.judge_is_sound),
    LoopCheck("20", "nothing held out is trained on", STOP, runs.nothing_held_out_trained),
    LoopCheck("22", "no iteration without training", STOP, training.weights_changed),
    LoopCheck("23", "confidence with its calibration", STOP, confidence.confidence_is_calibrated),
    LoopCheck("24", "declared = run = reported", STOP, runs.all_reported),
    LoopCheck("29", "answers compute", STOP, answers.answers_compute),
    LoopCheck("30", "style kept", WARN, style.style_kept),
    LoopCheck("L1", "one fixed test set", STOP, runs.one_test_set),
    LoopCheck("L2", "weak areas by interval", STOP, weak.weak_by_interval),
    LoopCheck("L3", "a collapse does not go on", STOP, style.stops_at_the_guard),
)


def loop_audit(record: LoopRecord) -> dict[str, dict[str, Any]]:
    """Check id -> name, level, status, evidence; a remedy, an absence's reason."""
    return {check.id: check_row(check.name, check.level, check.run(record)) for check in CHECKS}
