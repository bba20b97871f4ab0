"""Train every adapter of an experiment, each with its certificate."""

from __future__ import annotations

from stages.lab.chosen import load_base
from stages.lab.context import Lab, run_main
from stages.train_adapter.conditions import train_conditions
from stages.train_adapter.streams import train_streams


def work(lab: Lab) -> None:
    base = load_base(lab.model)
    cells = train_conditions(lab, base)
    if lab.experiment.stream is not None:
        streams = train_streams(lab, base)
        streams.sweep()
        cells.keep(streams.folder)
    cells.sweep()


if __name__ == "__main__":
    run_main("train_adapter", work)
