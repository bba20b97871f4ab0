"""Every condition over the test tasks; the skill adapter over its own tasks; the guard; arms."""

from __future__ import annotations

from stages.evaluate.arms import evaluate_arms
from stages.evaluate.conditions import evaluate_conditions
from stages.lab.arm_adapters import ARMS
from stages.lab.chosen import open_model
from stages.lab.context import Lab, run_main
from stages.lab.splits import read_played


def work(lab: Lab) -> None:
    halves = [read_played(lab, w, s).test for w in lab.worlds for s in lab.experiment.splits]
    model = open_model(lab.model, lab.openings(halves))
    conditions = evaluate_conditions(lab, model)
    if lab.experiment.arms:
        evaluate_arms(lab, model).sweep()
        conditions.keep(conditions.folder / ARMS)
    conditions.sweep()


if __name__ == "__main__":
    run_main("evaluate", work)
