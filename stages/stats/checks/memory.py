"""Memory: tasks that are solved without their repository having been looked at."""

from __future__ import annotations

from stages.stats.checks.check import Finding, absent, judged
from stages.stats.checks.compare import interval
from stages.stats.checks.record import BASE, Record
from stages.stats.clusters import clustered_difference, clustered_proportion
from stages.stats.intervals import wilson
from stages.stats.results import TEST, tabulate


def nothing_memorised(record: Record) -> Finding:
    """Check 17: no test task is resolved by a write that came before any look at the repository.

    Until its first look an agent has the issue alone, as if the repository were withheld; an edit
    that finds its place then, and a patch that passes the hidden tests, is known from elsewhere.
    Results of base and trained conditions are given without such tasks too. An adapter's own blind
    solutions are counted, not failed: it was trained on this repository.
    """
    episodes = record.select(BASE, TEST)
    if not episodes:
        return absent("base played no test task")
    blind = {e.task for e in episodes if e.blind and e.outcome == "resolved"}
    tasks = {e.task for e in episodes}
    alpha = record.lab.experiment.alpha
    evidence: dict[str, float | int | str] = {
        "tasks": len(tasks),
        "memorised": len(blind),
        **interval("memorised_share", wilson(len(blind), len(tasks), alpha)),
        "blind_of_trained": sum(
            e.blind and e.outcome == "resolved"
            for name in record.trained_conditions
            for e in record.select(name, TEST)
        ),
    }
    kept = [row for row in record.results.select(BASE) if row.task not in blind]
    if kept and blind:
        evidence |= interval("base_without", clustered_proportion(tabulate(kept), alpha))
    for name in record.trained_conditions if blind else ():
        cells = record.results.differences(BASE, name, keep=lambda row: row.task not in blind)
        if cells.size:
            transfer = clustered_difference(cells, alpha)
            evidence |= interval(f"{name}_transfer_without", transfer)
    problems = [f"{name}: base resolves it without a look" for _, name in sorted(blind)]
    return judged(evidence, problems, "Read the numbers ending in _without beside the others.")
