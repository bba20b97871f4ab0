"""The guard of a loop: what the model could do before, and whether it still can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from stages.agent.model import Completion, Request
from stages.agent.sandbox import SandboxConfig, open_sandbox
from stages.lab.guard import generated_sandbox, guard_problems, run_procedural
from stages.params import GuardParams, ParamsError, ProceduralParams, SuiteParams
from stages.self_improve.learner import Learner

SEED = 0
"""Of the guard's sampling: the same at every checkpoint and in every run, so that rows pair."""


class _Answering:
    """A learner as the guard's ``Model``: it answers with the adapter it has."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        return self._learner.complete(requests)


def play_guard(learner: Learner, suite: SuiteParams, limits: SandboxConfig) -> list[dict[str, Any]]:
    """Rows of stages/lab/guard.py; ParamsError for a suite that has no problems to answer."""
    model = _Answering(learner)
    if isinstance(suite, ProceduralParams):
        with generated_sandbox(limits) as sandbox:
            return run_procedural(model, sandbox, suite, guard_problems(suite), None, SEED)
    if isinstance(suite, GuardParams):
        from stages.suites import guard, guards

        with open_sandbox(limits) as sandbox:
            problems = guards.open_guard(suite)
            return guard.run_guard(problems, model, sandbox, suite, None, SEED)
    raise ParamsError(
        f"guard.suite: a suite of kind {suite.kind} has repositories and no problems. Choose one "
        "of kind procedural, humaneval, mbpp or maths."
    )


def change(
    before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]], alpha: float
) -> tuple[float, float, float]:
    """Mean change of the pass rate (share), and its interval of level 1 - alpha.

    A problem's answers are one unit: paired t interval over the problems' differences. Where all
    problems changed alike its width is zero. ValueError when the problems are not the same.
    """
    rates = [_rates(before), _rates(after)]
    if rates[0].keys() != rates[1].keys() or len(rates[0]) < 2:
        raise ValueError(
            "the guard's two plays don't hold the same two or more problems, so they can't be "
            "paired. Delete the run's folder and run the stage again."
        )
    differences = np.array([rates[1][name] - rates[0][name] for name in sorted(rates[0])])
    mean = float(differences.mean())
    half = float(
        stats.t.ppf(1 - alpha / 2, len(differences) - 1)
        * differences.std(ddof=1)
        / np.sqrt(len(differences))
    )
    return mean, mean - half, mean + half


def _rates(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    passed: dict[str, list[int]] = {}
    for row in rows:
        passed.setdefault(str(row["problem_id"]), []).append(int(row["passed"]))
    return {name: float(np.mean(values)) for name, values in passed.items()}
