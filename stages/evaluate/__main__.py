"""Every condition over the test tasks; the skill adapter over its own tasks too; the guard.

Arms, indicators and streams have cells of their own, in folders among the conditions' files; beside
these lies what check 6 compares, an adapter merged and unmerged.
"""

from __future__ import annotations

from stages.evaluate.arms import evaluate_arms
from stages.evaluate.conditions import evaluate_conditions
from stages.evaluate.indicators import evaluate_indicators, measures
from stages.evaluate.parity import measure_parity
from stages.evaluate.streams import evaluate_streams
from stages.lab.cells import Cells
from stages.lab.chosen import load_base, open_model
from stages.lab.context import Lab, run_main
from stages.lab.splits import read_played


def work(lab: Lab) -> None:
    halves = [read_played(lab, w, s).test for w in lab.worlds for s in lab.experiment.splits]
    model = open_model(lab.model, lab.openings(halves))
    cells = evaluate_conditions(lab, model)
    others: list[Cells] = []
    if lab.experiment.arms:
        others.append(evaluate_arms(lab, model))
    if measures(lab):
        others.append(evaluate_indicators(lab, load_base(lab.model)))
    if lab.experiment.stream:
        others.append(evaluate_streams(lab, model))
    for other in others:
        other.sweep()
        cells.keep(other.folder)
    for path in measure_parity(lab):
        cells.keep(path)
    cells.sweep()


if __name__ == "__main__":
    run_main("evaluate", work)
