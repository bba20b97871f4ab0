"""Write down what the parameters choose for each experiment and loop: model, suite, guard, ...

An experiment's other stages depend on its file instead of on every model and suite there is, so an
entry that it doesn't use can change without making any of its stages stale.

What is long stands in files of its own: the whole block, which ``stats`` depends on, and its arms
and stream. As parameters of stages they were half of dvc.lock, which DVC reads and writes again
after every stage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from stages.lab.context import Lab, expected_errors, open_lab
from stages.lab.streams import require_strategies
from stages.params import (
    LoopParams,
    ModelParams,
    Params,
    guard_of,
    load_params,
    loop_guard,
    loop_model,
    organism_fingerprint,
    suite_of,
    teacher_model,
    values_of,
)
from stages.params.registration import ORGANISMS
from stages.records import write_json


def work(lab: Lab) -> None:
    params, experiment = lab.params, lab.experiment
    if experiment.stream is not None:
        require_strategies(lab)
    _write(
        lab.name,
        lab.model,
        suite=suite_of(params, experiment),
        guard=guard_of(params, experiment),
        teacher=teacher_model(params, experiment),
        agent=lab.agent_params,
        sandbox=params.sandbox,
    )
    _write_block(f"arms/{lab.name}", {"arms": experiment.arms, "stream": experiment.stream})
    _write_block(f"blocks/{lab.name}", experiment)


def work_loop(params: Params, name: str, loop: LoopParams) -> None:
    """The same of a self-improvement loop; its arms' teachers may be models by name."""
    named = {arm.teacher for arm in loop.arms.values() if arm.teacher in params.models}
    _write(
        name,
        loop_model(params, loop),
        guard=loop_guard(params, loop),
        teachers={teacher: params.models[teacher] for teacher in sorted(filter(None, named))},
        sandbox=params.sandbox,
    )
    _write_block(f"blocks/{name}", loop)


def _write(name: str, model: ModelParams, **chosen: Any) -> None:
    if Path(model.path).parent == ORGANISMS:
        # The stages that play or train name models/base among their deps; of another organism
        # this file tells them.
        chosen["weights"] = organism_fingerprint(model)
    _write_block(name, {"model": model, **chosen})


def _write_block(name: str, block: Any) -> None:
    write_json(Path("data/chosen") / f"{name}.json", values_of(block))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.choose", description=__doc__)
    parser.parse_args(arguments)
    try:
        params = load_params()
        for name in params.run:
            work(open_lab(name, params))
        for name, loop in params.loops.items():
            work_loop(params, name, loop)
    except expected_errors() as error:
        sys.exit(f"choose: {error}")


if __name__ == "__main__":
    main()
