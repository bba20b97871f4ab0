"""The guards by name."""

from __future__ import annotations

from collections.abc import Callable

from stages.suites.guard import Guard, GuardError, GuardParams, check_style
from stages.suites.humaneval import HumanEval
from stages.suites.maths import Maths
from stages.suites.mbpp import Mbpp

GUARDS: dict[str, Callable[[GuardParams], Guard]] = {
    "humaneval": HumanEval.load,
    "mbpp": Mbpp.load,
    "maths": Maths.load,
}


def open_guard(params: GuardParams) -> Guard:
    """The guard that ``params`` name, its rows loaded and counted. Raises GuardError."""
    check_style(params.style)
    if params.kind not in GUARDS:
        raise GuardError(f"guard {params.kind!r} doesn't exist; use one of {', '.join(GUARDS)}.")
    return GUARDS[params.kind](params)
