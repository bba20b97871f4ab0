"""Train every adapter of an experiment, each with its certificate."""

from __future__ import annotations

from stages.lab.chosen import load_base
from stages.lab.context import Lab, run_main
from stages.train_adapter.arms import train_arms
from stages.train_adapter.conditions import train_conditions
from stages.train_adapter.recovery import recovery_files, train_recovery
from stages.train_adapter.streams import train_streams


def work(lab: Lab) -> None:
    base = load_base(lab.model)
    cells = train_conditions(lab, base)
    if lab.experiment.arms:
        arms = train_arms(lab, base)
        train_recovery(lab, base)
        for path in recovery_files(lab):
            arms.keep(path)
        arms.sweep()
        cells.keep(arms.folder)
    if lab.experiment.stream is not None:
        streams = train_streams(lab, base)
        streams.sweep()
        cells.keep(streams.folder)
    cells.sweep()


if __name__ == "__main__":
    run_main("train_adapter", work)
