"""Write down what the parameters choose for each experiment: model, suite, guard, teacher, agent.

An experiment's other stages depend on its file instead of on every model and suite there is, so an
entry that it doesn't use can change without making any of its stages stale.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stages.lab.context import Lab, expected_errors, open_lab
from stages.lab.streams import require_strategies
from stages.params import (
    guard_of,
    load_params,
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
    chosen = {
        "model": lab.model,
        "suite": suite_of(params, experiment),
        "guard": guard_of(params, experiment),
        "teacher": teacher_model(params, experiment),
        "agent": lab.agent_params,
        "sandbox": params.sandbox,
    }
    if Path(lab.model.path).parent == ORGANISMS:
        # The stages that play or train name models/base among their deps; of another organism
        # this file tells them.
        chosen["weights"] = organism_fingerprint(lab.model)
    path = Path("data/chosen") / f"{lab.name}.json"
    write_json(path, {name: values_of(block) for name, block in chosen.items()})


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.choose", description=__doc__)
    parser.parse_args(arguments)
    try:
        params = load_params()
        for name in params.run:
            work(open_lab(name, params))
    except expected_errors() as error:
        sys.exit(f"choose: {error}")


if __name__ == "__main__":
    main()
