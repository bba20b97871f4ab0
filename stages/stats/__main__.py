"""Estimates, intervals, verdicts, audit and plots of an experiment, a whole matrix, or a loop."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path
from typing import Any

from stages.lab.context import Lab, expected_errors, open_lab
from stages.lab.loops import open_loop
from stages.params import load_params
from stages.params.load import CELL
from stages.records import read_json, write_json
from stages.stats import designs, stream_summary, summary
from stages.stats.audit import audit, blocking
from stages.stats.diagnosis.walk import diagnose
from stages.stats.estimands import criterion_estimand
from stages.stats.latency import write_latency
from stages.stats.loop_work.work import analyse_loop
from stages.stats.phase.work import analyse
from stages.stats.plots import write_plots
from stages.stats.quality import quality
from stages.stats.results import Results, read_results
from stages.stats.verdict import Criterion, Verdict, judge
from stages.stats.verdict_row import verdict_row

METRICS = Path("metrics")


def work(lab: Lab) -> None:
    if lab.experiment.models:
        print("\n".join(analyse(lab)))
        return
    results = read_results(lab)
    status, ran = lab.registration()
    checks = audit(lab, results)
    verdicts = _verdicts(lab, results, registered=ran if status == "REGISTERED" else "", ran=ran)
    stopped = blocking(checks)
    write_json(METRICS / f"{lab.name}.json", _flat(results))
    rows = {verdict.name: verdict_row(verdict, stopped) for verdict in verdicts}
    causes = summary.rounded(diagnose(results, checks, rows))
    details = {**_details(lab, results, status, ran), "diagnosis": causes}
    write_json(METRICS / "details" / f"{lab.name}.json", details)
    write_json(METRICS / "verdicts" / f"{lab.name}.json", rows)
    write_json(METRICS / "audit" / f"{lab.name}.json", checks)
    write_plots(results, Path("plots") / lab.name)
    write_latency(results)
    print(f"{lab.name}: {status}; {len(verdicts)} criteria, {len(checks)} checks, see metrics/")


def _flat(results: Results) -> dict[str, dict[str, Any]]:
    """condition or arm → its numbers; a stream's arms have those of the stream beside."""
    rows = summary.conditions(results)
    for arm, row in stream_summary.arms(results).items():
        rows[arm] = {**rows.get(arm, {}), **row}
    return rows


def _verdicts(lab: Lab, results: Results, registered: str, ran: str) -> list[Verdict]:
    if CELL in lab.name:  # a matrix is registered as one, and judged as one family
        return []
    criteria = [
        Criterion(name, criterion_estimand(results, c), c.comparator, c.threshold)
        for name, c in lab.experiment.criteria.items()
    ]
    return judge(criteria, registered, ran, lab.experiment.alpha, lab.experiment.power)


def _details(lab: Lab, results: Results, status: str, ran: str) -> dict[str, Any]:
    synthetic = lab.folder("data/synthetic")
    manifests = {
        path.parent.relative_to(synthetic).as_posix(): read_json(path)
        for path in sorted(synthetic.rglob("manifest.json"))
    }
    return {
        "registration": {"status": status, "hash": ran},
        "experiment": {
            "title": lab.experiment.title,
            "hypothesis": lab.experiment.hypothesis,
            "kind": lab.experiment.kind,
            "worlds": list(lab.worlds),
            "splits": list(lab.experiment.splits),
            "seeds": list(lab.experiment.seeds),
        },
        "comparisons": summary.comparisons(results),
        "by_split": summary.by_split(results),
        "capability": summary.capability(results),
        "retention": summary.retention(results),
        "forgetting": summary.rounded(summary.forgetting(results, lab.experiment.alpha)),
        "power": summary.power(results),
        "by_difficulty": summary.groups(results, lambda row: [row.difficulty]),
        "by_convention": summary.groups(results, lambda row: list(row.kinds)),
        "outcomes": summary.outcomes(results),
        "synthesis": manifests,
        **designs.details(results),
        **({"training_pairs": summary.rounded(quality(results))} if lab.experiment.arms else {}),
        **stream_summary.details(results),
    }


def main(arguments: list[str] | None = None) -> None:
    """Analyse what is named on the command line; errors as one paragraph."""
    parser = argparse.ArgumentParser(prog="python -m stages.stats", description=__doc__)
    parser.add_argument("name", help="an experiment or a loop in params.yaml")
    name = parser.parse_args(arguments).name
    # Records and imports are next to no garbage, and looking for it was a seventh of the time.
    gc.set_threshold(50_000, 20, 100)
    try:
        params = load_params()
        if name in params.loops:
            print("\n".join(analyse_loop(open_loop(name, params=params))))
        else:
            work(open_lab(name, params))
    except expected_errors() as error:
        sys.exit(f"stats: {error}")


if __name__ == "__main__":
    main()
