"""Everything that is written of a loop: metrics/, plots/ and what is said on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.lab.loops import OpenLoop
from stages.params import ParamsError, status
from stages.records import write_json
from stages.stats.audit import blocking
from stages.stats.loop_work import dynamics, iterations, tables, variance
from stages.stats.loop_work.audit import loop_audit
from stages.stats.loop_work.checks.record import LoopRecord
from stages.stats.loop_work.estimands import loop_estimand
from stages.stats.loop_work.plots import write_loop_plots
from stages.stats.loop_work.power import power
from stages.stats.loop_work.results import LoopResults, read_loop
from stages.stats.summary import rounded
from stages.stats.verdict import Criterion, Verdict, judge
from stages.stats.verdict_row import verdict_row

METRICS, PLOTS = Path("metrics"), Path("plots")


def analyse_loop(opened: OpenLoop, metrics: Path = METRICS, plots: Path = PLOTS) -> list[str]:
    """Analyse the runs of a loop that have ended; returns the lines that say what was found.

    While a registered run is missing check 24 stops every verdict. ParamsError where none is there.
    """
    results = read_loop(opened)
    if not results.runs:
        raise ParamsError(
            f"{opened.name}: none of its {len(results.places)} runs has ended. Make them with "
            f"`dvc repro self_improve@{opened.name}`."
        )
    state, ran = status(opened.params, opened.name, opened.root)
    found = loop_verdicts(results, ran if state == "REGISTERED" else "", ran)
    reported = tables.arms(results)
    estimates = {verdict.name: verdict.estimate for verdict in found}
    data = results.places[0].data
    checks = loop_audit(LoopRecord(results, reported, estimates, data))
    stopped = blocking(checks)
    rows = {verdict.name: verdict_row(verdict, stopped) for verdict in found}
    name = f"{opened.name}.json"
    write_json(metrics / name, reported)
    write_json(metrics / "details" / name, details(results, state, ran))
    write_json(metrics / "verdicts" / name, rows)
    write_json(metrics / "audit" / name, checks)
    write_loop_plots(results, plots / opened.name)
    return said(results, state, rows, stopped)


def loop_verdicts(results: LoopResults, registered: str, ran: str) -> list[Verdict]:
    """The registered criteria, judged as one family."""
    loop = results.loop
    criteria = [
        Criterion(name, loop_estimand(results, c.estimand), c.comparator, c.threshold)
        for name, c in loop.criteria.items()
    ]
    return judge(criteria, registered, ran, loop.alpha, loop.power)


def details(results: LoopResults, state: str, ran: str) -> dict[str, Any]:
    """What stands behind the metrics: by run, step, group, item; calibration; variance; power."""
    loop = results.loop
    return {
        "registration": {"status": state, "hash": ran},
        "experiment": {
            "title": loop.title,
            "hypothesis": loop.hypothesis,
            "kind": loop.kind,
            "worlds": [loop.source.name],
            "splits": [],
            "seeds": list(loop.seeds),
        },
        "loop": {
            "design": loop.design,
            "parts": results.parts,
            "untrained": results.untrained,
            "arms": {arm: len(runs) for arm, runs in results.by_arm.items()},
            "order": list(results.by_arm),
            "evaluation_only": [arm for arm, values in loop.arms.items() if not values.train],
        },
        "differences": tables.comparisons(results),
        "groups": tables.groups(results),
        "runs": tables.by_run(results),
        "steps": tables.step_rows(results),
        "passes": iterations.passes(results),
        "diversity": iterations.diversity(results),
        "item_sets": tables.sets_of_items(results),
        "corrections": tables.corrections(results),
        "calibration": tables.calibrations(results),
        "half_life": dynamics.half_lives(results),
        "curves": dynamics.readings(results),
        "update_overlap": dynamics.overlaps(results),
        "variance": variance.rows(results),
        "above_noise": {arm: variance.above_noise(results, arm) for arm in results.by_arm},
        "seeds_compared": rounded(tables.seeds_compared(results)),
        "power": power(results),
    }


def said(
    results: LoopResults, state: str, rows: dict[str, dict[str, Any]], stopped: list[str]
) -> list[str]:
    """What is printed: how many runs, what stopped early, then each verdict."""
    ended = [run for run in results.runs if run.end.reason != "done"]
    lines = [
        f"{results.name}: {state}; {len(results.runs)} of {len(results.places)} runs, "
        f"{len(ended)} of them ended early"
    ]
    lines += [f"  {run.name}: {run.end.reason}, keeps c{run.end.kept:04}" for run in ended]
    lines += [f"  audit stops verdicts: {', '.join(stopped)}"] if stopped else []
    return lines + [f"  {name}: {row['verdict']}" for name, row in rows.items()]
