"""Every condition over the test tasks; the skill adapter over its own tasks; the guard; arms."""

from __future__ import annotations

from collections.abc import Callable

from stages.evaluate.arms import evaluate_arms
from stages.evaluate.conditions import evaluate_conditions
from stages.evaluate.indicators import evaluate_indicators, measures
from stages.lab.cells import Cells
from stages.lab.chosen import load_base, open_model
from stages.lab.context import Lab, run_main
from stages.lab.splits import read_played


def work(lab: Lab) -> None:
    halves = [read_played(lab, w, s).test for w in lab.worlds for s in lab.experiment.splits]
    model = open_model(lab.model, lab.openings(halves))
    cells = evaluate_conditions(lab, model)
    if lab.experiment.arms:
        _beside(cells, lambda: evaluate_arms(lab, model))
    if measures(lab):
        _beside(cells, lambda: evaluate_indicators(lab, load_base(lab.model)))
    cells.sweep()


def _beside(cells: Cells, evaluate: Callable[[], Cells]) -> None:
    """Another design's cells, in a folder of their own among the conditions' files."""
    own = evaluate()
    own.sweep()
    cells.keep(own.folder)


if __name__ == "__main__":
    run_main("evaluate", work)
