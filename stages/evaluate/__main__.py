"""Every condition over the test tasks; the skill adapter over its own tasks too; the guard."""

from __future__ import annotations

from stages.evaluate.conditions import evaluate_conditions
from stages.lab.chosen import open_model
from stages.lab.context import Lab, run_main
from stages.lab.splits import read_played


def work(lab: Lab) -> None:
    halves = [read_played(lab, w, s).test for w in lab.worlds for s in lab.experiment.splits]
    evaluate_conditions(lab, open_model(lab.model, lab.openings(halves))).sweep()


if __name__ == "__main__":
    run_main("evaluate", work)
