"""Cases of an evaluation problem, by running the package's own programs."""

from __future__ import annotations

from random import Random
from typing import Any

from stages.suites.procedural.inputs import draw_input
from stages.suites.procedural.problem import Case

N_VISIBLE, N_HIDDEN = 5, 8
_TRIES = 400


def call(program: str, entry_point: str, args: tuple[Any, ...]) -> Any:
    """Result of one of this package's own programs; a model's answer goes to the sandbox."""
    scope: dict[str, Any] = {}
    exec(program, scope)
    return scope[entry_point](*args)


def draw_cases(
    solution: str, entry_point: str, domain: str, arity: int, rng: Random
) -> tuple[tuple[Case, ...], tuple[Case, ...]] | None:
    """Visible cases with pairwise distinct results, and hidden ones with other inputs.

    Among the hidden results at least two differ. None when the solution takes too few values.
    """
    visible: list[Case] = []
    hidden: list[Case] = []
    tried: list[tuple[Any, ...]] = []
    for _ in range(_TRIES):
        args = draw_input(domain, rng)[:arity]
        if args in tried:
            continue
        tried.append(args)
        case = Case(args, call(solution, entry_point, args))
        if len(visible) < N_VISIBLE:
            if all(case.expected != other.expected for other in visible):
                visible.append(case)
        else:
            hidden.append(case)
        if len(hidden) == N_HIDDEN:
            varied = any(case.expected != hidden[0].expected for case in hidden)
            return (tuple(visible), tuple(hidden)) if varied else None
    return None


def fails(program: str, entry_point: str, cases: tuple[Case, ...]) -> bool:
    """Whether one of this package's own programs gives a wrong result on a case."""
    return any(call(program, entry_point, case.args) != case.expected for case in cases)
