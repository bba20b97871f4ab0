"""Code problems as a loop's items, and the judge that runs answers in the sandbox.

Every problem shows what it asks for in words; its cases are never in the prompt. A second set of
cases, with other inputs, tells an answer that computes from one that looks results up (check 29).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from stages.agent.sandbox import RememberedSandbox, Sandbox, SandboxConfig
from stages.lab.guard import generated_sandbox
from stages.records import UserError
from stages.suites.completions import code_of
from stages.suites.items import Item, Judged, Part
from stages.suites.procedural import KINDS, Problem, make_problems, test_program

MIN_VISIBLE = 5
"""Fewest visible cases of a problem, their results pairwise distinct (check 29)."""
TEN_KINDS = tuple(kind for kind in KINDS if kind not in ("arithmetic", "running_sum"))
"""The problem types of l02: as many as its report had."""
_SIZES = {"train": 25, "val": 10, "test": 10}


class CodeProblemError(UserError):
    """Code problems can't be had as asked; the message names the setting and the remedy."""


@dataclasses.dataclass(frozen=True)
class CodeProblems:
    """A source of generated code problems; a function's values decide the part it falls in."""

    kinds: Sequence[str] = TEN_KINDS
    """problem types: the items' groups"""
    difficulties: Sequence[int] = (1, 2)
    """difficulties, 1 to 10, each as often as the others"""
    per_kind: Mapping[str, int] = dataclasses.field(default_factory=lambda: dict(_SIZES))
    """problems of each kind by part: train, val, test"""
    seed: int = 7
    """seed of the problems"""

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise CodeProblemError(
                f"kinds: {unknown or 'none'}; choose among {', '.join(KINDS)} ({len(KINDS)} kinds)."
            )
        parts = [part for part in self.per_kind if part not in _SIZES]
        if parts:
            raise CodeProblemError(f"per_kind: {parts}; the parts are {', '.join(_SIZES)}.")

    def items(self, part: Part) -> list[Item]:
        """The part's problems, kind by kind; none for a part that ``per_kind`` leaves out."""
        count = self.per_kind.get(part, 0)
        if not count:
            return []
        problems = make_problems(part, count, self.seed, tuple(self.difficulties))
        return [item_of(problem, part) for problem in problems if problem.kind in self.kinds]


def item_of(problem: Problem, part: Part) -> Item:
    """The problem as an item; its answer is the reference program.

    Raises CodeProblemError for a problem that a constant or a look-up could pass (check 29).
    """
    results = [repr(case.expected) for case in problem.visible]
    if len(set(results)) < MIN_VISIBLE or len(set(results)) < len(results) or not problem.hidden:
        raise CodeProblemError(
            f"problem {problem.problem_id}: {len(results)} visible cases with "
            f"{len(set(results))} distinct results and {len(problem.hidden)} hidden ones. It needs "
            f"at least {MIN_VISIBLE} visible ones, all distinct, and a hidden set (check 29), or "
            "`return 79` passes for a solution and is trained on. Give it more cases."
        )
    return Item(
        item_id=problem.problem_id,
        part=part,
        group=problem.kind,
        difficulty=problem.difficulty,
        prompt=problem.prompt,
        answer=problem.solution,
        payload=problem,
    )


class CodeJudge:
    """Runs programs against the visible cases, and those that pass against the hidden ones.

    Two runs, so that no exception an answer raises can say which set it fell over. A verdict is
    remembered: sampled answers repeat, and a program's verdict doesn't change.
    """

    def __init__(self, sandbox: Sandbox | RememberedSandbox) -> None:
        self.sandbox = sandbox
        self._known: dict[tuple[str, str], Judged] = {}

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        """One verdict per (item, answer): ``visible`` by the visible cases, ``correct`` by all."""
        keys = [(item.item_id, code_of(text, item.payload.entry_point)) for item, text in pairs]
        problems = {item.item_id: item.payload for item, _ in pairs}
        asked = [key for key in dict.fromkeys(keys) if key not in self._known]
        shown = self._passed([(problems[name], text) for name, text in asked], hidden=False)
        passing = [key for key, passed in zip(asked, shown, strict=True) if passed]
        sound = self._passed([(problems[name], text) for name, text in passing], hidden=True)
        whole = dict(zip(passing, sound, strict=True))
        for key, passed in zip(asked, shown, strict=True):
            correct = whole.get(key, False)
            failed = "fails hidden cases" if passed else "fails visible cases"
            self._known[key] = Judged(correct, passed, "" if correct else failed)
        return [self._known[key] for key in keys]

    def _passed(self, answers: Sequence[tuple[Problem, str]], hidden: bool) -> list[bool]:
        programs = []
        for problem, text in answers:
            visible = () if hidden else problem.visible
            cases = dataclasses.replace(
                problem, visible=visible, hidden=problem.hidden if hidden else ()
            )
            programs.append((text, test_program(cases), problem.entry_point))
        return [result.passed for result in self.sandbox.map_check(programs)]


@contextlib.contextmanager
def code_judge(limits: SandboxConfig) -> Iterator[CodeJudge]:
    """A judge with this process's sandbox; SandboxUnavailable where none works."""
    with generated_sandbox(limits) as sandbox:
        yield CodeJudge(sandbox)
