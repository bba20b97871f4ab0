"""The audit: every mistake of science.md, section 4, that this experiment could hold."""

from __future__ import annotations

from typing import Any

from stages.lab.context import Lab
from stages.stats.checks import (
    adapters,
    answers,
    behaviour,
    decoding,
    fisher,
    inference,
    iterations,
    memory,
    runs,
    selection,
    tasks,
    training,
)
from stages.stats.checks.check import FAIL, STOP, WARN, WARNED, Check, Finding
from stages.stats.checks.record import Record
from stages.stats.results import Results
from stages.stats.summary import rounded

CHECKS = (
    Check(1, "nothing of the future", STOP, tasks.no_future),
    Check(2, "gold patch passes", STOP, tasks.gold_passes),
    Check(3, "few harness errors", STOP, runs.few_harness_errors),
    Check(4, "every number from its own run", STOP, runs.own_runs),
    Check(5, "adapter live and served", STOP, adapters.live),
    Check(6, "merged alike, decoded alike", STOP, decoding.decoded_alike),
    Check(7, "adapters merge exactly", STOP, adapters.merges_exactly),
    Check(8, "penalty and Fisher sound", STOP, fisher.fisher_is_sound),
    Check(9, "targets parse, one template", STOP, training.same_format),
    Check(10, "losses and masks sound", STOP, training.sound_losses),
    Check(11, "enough examples", STOP, training.enough_examples),
    Check(12, "intervals and enough tasks", STOP, inference.with_interval),
    Check(13, "power of the guard", WARN, inference.guard_has_power),
    Check(14, "shared tasks counted once", STOP, inference.units_counted_once),
    Check(15, "nothing selected by outcome", WARN, selection.nothing_selected),
    Check(16, "split not confounded", WARN, tasks.unconfounded),
    Check(17, "nothing memorised", WARN, memory.nothing_memorised),
    Check(18, "no text shared with training", WARN, training.no_shared_text),
    Check(19, "judge sound", STOP, answers.judge_is_sound),
    Check(20, "no overlap of halves", STOP, tasks.no_overlap),
    Check(21, "workspace as recorded", STOP, tasks.same_tree),
    Check(22, "weights change", STOP, iterations.weights_changed),
    Check(24, "declared = run = reported", STOP, runs.all_reported),
    Check(25, "no answer in the question", WARN, tasks.no_given_answers),
    Check(26, "tools keep what is written", STOP, behaviour.tools_keep_text),
    Check(27, "pathologies named", STOP, behaviour.pathologies_named),
    Check(28, "surface of success", WARN, behaviour.no_surface_learned),
    Check(29, "answers compute", STOP, answers.answers_compute),
    Check(30, "style kept", WARN, behaviour.style_kept),
)


def audit(lab: Lab, results: Results) -> dict[str, dict[str, Any]]:
    """Check id -> name, level, status, evidence; a remedy, an absence's reason."""
    record = Record(lab, results)
    return {str(c.id): check_row(c.name, c.level, c.run(record)) for c in CHECKS}


def blocking(checks: dict[str, dict[str, Any]]) -> list[str]:
    """Ids of the stop checks that failed: no verdict but 'inconclusive' while there is one."""
    return [name for name, row in checks.items() if row["level"] == STOP and row["status"] == FAIL]


def check_row(name: str, level: str, finding: Finding) -> dict[str, Any]:
    """A check as metrics/audit/*.json has it."""
    row = {
        "name": name,
        "level": level,
        "status": finding.status,
        "evidence": rounded(finding.evidence),
    }
    if finding.status in (FAIL, WARNED):
        row["remedy"] = finding.remedy
    if finding.reason:
        row["reason"] = finding.reason
    return row
