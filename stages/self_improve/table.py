"""Which sources, judges and designs a loop can name in params.yaml: a new one is a line in a table.

Cells don't count this file's imports as their code: each run counts the rooms of what it names.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stages.agent.sandbox import SandboxConfig
from stages.lab.chosen import guard_room
from stages.params import LoopParams, ParamsError, PartParams, SuiteParams
from stages.params.strict import nearest
from stages.self_improve.parts import Judge, Source
from stages.self_improve.run import Stepper


@dataclasses.dataclass(frozen=True)
class Entry:
    """One source or judge."""

    open: Callable[..., Any]
    """makes it from its settings, as keywords"""
    room: str
    """where its code stands, below stages/"""
    sandboxed: bool = False
    """whether it takes a sandbox's limits as its first argument and is a context manager"""


def _trivia(**settings: Any) -> Source:
    from stages.self_improve.trivia_source import TriviaSource

    return TriviaSource(**settings)


def _trivia_judge(**settings: Any) -> Judge:
    from stages.suites.trivia import TriviaJudge

    return TriviaJudge(**settings)


def _code(**settings: Any) -> Source:
    from stages.self_improve.code_problems import CodeProblems
    from stages.self_improve.kept import Kept

    return Kept(CodeProblems(**settings))


def _code_judge(limits: SandboxConfig) -> Any:
    from stages.self_improve.code_problems import code_judge

    return code_judge(limits)


def _reckoning(**settings: Any) -> Source:
    from stages.self_improve.kept import Kept
    from stages.suites.reckoning.source import ReckoningSource

    return Kept(ReckoningSource(**settings))


def _reckoning_judge() -> Judge:
    from stages.suites.reckoning.judge import ReckoningJudge

    return ReckoningJudge()


def _math(**settings: Any) -> Source:
    from stages.self_improve.kept import Kept
    from stages.self_improve.math_rows import math_source

    return Kept(math_source(**settings))


def _math_judge(limits: SandboxConfig, **settings: Any) -> Any:
    from stages.self_improve.math_rows import math_judge

    return math_judge(**settings)


def _online() -> Stepper:
    from stages.self_improve.online import online

    return online


def _iterations() -> Stepper:
    from stages.self_improve.iterations import iterations

    return iterations


SOURCES: dict[str, Entry] = {
    "trivia": Entry(_trivia, "self_improve.trivia_source"),
    "code": Entry(_code, "self_improve.code_problems"),
    "reckoning": Entry(_reckoning, "suites.reckoning.source"),
    "math": Entry(_math, "self_improve.math_rows"),
}
JUDGES: dict[str, Entry] = {
    "trivia": Entry(_trivia_judge, "suites.trivia"),
    "code": Entry(_code_judge, "self_improve.code_problems", sandboxed=True),
    "reckoning": Entry(_reckoning_judge, "suites.reckoning.judge"),
    "math": Entry(_math_judge, "self_improve.math_rows", sandboxed=True),
}

DESIGNS: dict[str, Entry] = {
    "online": Entry(_online, "self_improve.online"),
    "iterations": Entry(_iterations, "self_improve.iterations"),
}


def rooms(loop: LoopParams, guard: SuiteParams | None) -> tuple[str, ...]:
    """The rooms whose code makes the loop's runs, for their cells' keys."""
    named = (
        entry_of(SOURCES, loop.source, "source").room,
        entry_of(JUDGES, loop.judge, "judge").room,
        DESIGNS[loop.design].room,
    )
    guards = () if guard is None else (guard_room(guard),)
    return tuple(dict.fromkeys(("self_improve.machine", *named, *guards)))


def entry_of(table: Mapping[str, Entry], chosen: PartParams, where: str) -> Entry:
    """The entry that a loop names; ParamsError lists the known ones."""
    if chosen.name not in table:
        raise ParamsError(
            f"{where}.name: there is no {chosen.name!r}. {nearest(chosen.name, table)}"
        )
    return table[chosen.name]


@contextlib.contextmanager
def opened(
    table: Mapping[str, Entry], chosen: PartParams, limits: SandboxConfig, where: str
) -> Iterator[Any]:
    """The source or judge that a loop names; ParamsError for settings it doesn't take."""
    entry = entry_of(table, chosen, where)
    first = (limits,) if entry.sandboxed else ()
    try:
        made = entry.open(*first, **chosen.settings)
    except TypeError as error:
        raise ParamsError(f"{where}.settings: {error}. Correct its keys.") from None
    if not entry.sandboxed:
        yield made
        return
    with made as part:
        yield part
