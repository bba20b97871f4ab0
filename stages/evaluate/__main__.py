"""Every condition over the test tasks; the skill adapter over its own tasks too; the guard."""

from __future__ import annotations

from stages.evaluate.conditions import evaluate_conditions
from stages.evaluate.streams import evaluate_streams
from stages.lab.chosen import open_model
from stages.lab.context import Lab, run_main
from stages.lab.splits import read_played


def work(lab: Lab) -> None:
    halves = [read_played(lab, w, s).test for w in lab.worlds for s in lab.experiment.splits]
    model = open_model(lab.model, lab.openings(halves))
    cells = evaluate_conditions(lab, model)
    if lab.experiment.stream is not None:
        streams = evaluate_streams(lab, model)
        streams.sweep()
        cells.keep(streams.folder)
    cells.sweep()


if __name__ == "__main__":
    run_main("evaluate", work)
