"""Train every adapter of an experiment, each with its certificate."""

from __future__ import annotations

from stages.lab.chosen import load_base
from stages.lab.context import Lab, run_main
from stages.train_adapter.conditions import train_conditions


def work(lab: Lab) -> None:
    train_conditions(lab, load_base(lab.model)).sweep()


if __name__ == "__main__":
    run_main("train_adapter", work)
