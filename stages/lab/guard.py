"""The capability guard: code problems that have nothing to do with the sessions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from stages.agent.model import Model, Request
from stages.agent.sandbox import (
    RememberedSandbox,
    Sandbox,
    SandboxConfig,
    open_sandbox,
    remembered_sandbox,
)
from stages.lab.context import Lab
from stages.lab.pool import kept_open
from stages.params import GuardParams, ParamsError, ProceduralParams, SuiteParams
from stages.suites.procedural import Problem, make_problems, test_program

MAX_NEW_TOKENS = 160


def run_guard(
    lab: Lab, model: Model, params: SuiteParams, adapter: str | None, seed: int
) -> list[dict[str, Any]]:
    """One row per answer to the guard's problems: problem_id, kind, sample, passed, tokens, finish.

    ParamsError for a suite that has no problems to answer.
    """
    if isinstance(params, GuardParams):
        return _run_public(lab, model, params, adapter, seed)
    if not isinstance(params, ProceduralParams):
        raise ParamsError(
            f"experiments.{lab.name}.guard: {lab.experiment.guard!r} is of kind {params.kind}, "
            "which has repositories and no problems. Choose a suite of kind procedural, "
            "humaneval, mbpp or maths."
        )
    with generated_sandbox(lab.sandbox()) as sandbox:
        return run_procedural(model, sandbox, params, guard_problems(params), adapter, seed)


def _run_public(
    lab: Lab, model: Model, params: GuardParams, adapter: str | None, seed: int
) -> list[dict[str, Any]]:
    from stages.suites import guard, guards

    limits = lab.sandbox()
    if params.cpu_seconds is not None:
        seconds = params.cpu_seconds
        limits = dataclasses.replace(limits, cpu_seconds=seconds, wall_seconds=float(seconds))
    with kept_open(("sandbox", limits), lambda: open_sandbox(limits)) as sandbox:
        return guard.run_guard(guards.open_guard(params), model, sandbox, params, adapter, seed)


def generated_sandbox(limits: SandboxConfig) -> AbstractContextManager[RememberedSandbox]:
    """Where answers to generated problems are checked: each different one once a process."""
    return kept_open(("remembered", limits), lambda: remembered_sandbox(limits))


@functools.lru_cache(maxsize=4)
def guard_problems(params: ProceduralParams) -> tuple[Problem, ...]:
    """The guard's test problems, made once a process: it answers them in many cells."""
    return tuple(make_problems("test", params.per_kind, params.seed, params.difficulties))


def run_procedural(
    model: Model,
    sandbox: Sandbox | RememberedSandbox,
    params: ProceduralParams,
    problems: Sequence[Problem],
    adapter: str | None,
    seed: int,
) -> list[dict[str, Any]]:
    """``samples`` answers to every problem, each run against visible and hidden cases."""
    requests = [
        Request(
            messages=({"role": "user", "content": problem.prompt},),
            adapter=adapter,
            temperature=params.temperature,
            max_new_tokens=MAX_NEW_TOKENS,
            seed=(seed * 1009 + sample) * 100_003 + number,
            key=("guard", problem.problem_id, sample, seed),
        )
        for number, problem in enumerate(problems)
        for sample in range(params.samples)
    ]
    completions = model.complete(requests)
    owners = [problem for problem in problems for _ in range(params.samples)]
    items = [
        (completion.text, test_program(problem), problem.entry_point)
        for completion, problem in zip(completions, owners, strict=True)
    ]
    results = sandbox.map_check(items)
    return [
        {
            "problem_id": problem.problem_id,
            "kind": problem.kind,
            "difficulty": problem.difficulty,
            "sample": number % params.samples,
            "passed": result.passed,
            "tokens": completion.output_tokens,
            "finish": completion.finish,
        }
        for number, (problem, completion, result) in enumerate(
            zip(owners, completions, results, strict=True)
        )
    ]
