"""A recipe is a sequence of operations; prompt, program and result all come from it."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import Any, NamedTuple, Protocol

from stages.suites.procedural.central import OPERATIONS
from stages.suites.procedural.operations import NUMBER


class Draft(Protocol):
    """What a kind draws: something that can be asked, solved, computed and got wrong."""

    @property
    def args(self) -> tuple[str, ...]:
        """Names of the parameters."""
        ...

    def prompt(self, entry_point: str) -> str:
        """The problem in English."""
        ...

    def program(self, entry_point: str) -> str:
        """The program that solves it."""
        ...

    def run(self, args: tuple[Any, ...]) -> Any:
        """The result for ``args``, computed without the program's text."""
        ...

    def mutate(self, rng: Random) -> Draft | None:
        """The draft a careless reader would solve instead; None when the try came to nothing."""
        ...


class Step(NamedTuple):
    """One operation on one variable; the operand is an int, a tuple, a variable's name or None."""

    op: str
    var: str
    operand: Any
    named: bool = False
    """Whether the prompt says which variable is meant."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Steps from the arguments to the result variable."""

    args: tuple[str, ...]
    steps: tuple[Step, ...]
    central: int
    """Index of the step that makes the kind; -1 where every step is alike."""
    result: str

    def prompt(self, entry_point: str) -> str:
        phrases = []
        for step in self.steps:
            phrase = OPERATIONS[step.op].phrase.format(v=step.var, k=step.operand)
            phrases.append(f"{step.var} {phrase}" if step.named else phrase)
        return f"write {entry_point}({', '.join(self.args)}): {' then '.join(phrases)}"

    def program(self, entry_point: str) -> str:
        lines = [f"def {entry_point}({', '.join(self.args)}):"]
        lines += [OPERATIONS[op].code.format(v=var, k=k) for op, var, k, _ in self.steps]
        return "\n    ".join([*lines, f"return {self.result}"])

    def run(self, args: tuple[Any, ...]) -> Any:
        values = dict(zip(self.args, args, strict=False))
        for op, var, operand, _ in self.steps:
            operation = OPERATIONS[op]
            values[operation.out or var] = operation.run(values[var], values.get(operand, operand))
        return values[self.result]

    def mutate(self, rng: Random) -> Recipe | None:
        index = int(rng.random() * len(self.steps))
        change = rng.choice((_other_operand, _other_operation, _other_operation, _drop, _swap))
        steps = change(self, index, rng)
        return None if steps is None else dataclasses.replace(self, steps=steps)


def _put(recipe: Recipe, index: int, *steps: Step) -> tuple[Step, ...]:
    return (*recipe.steps[:index], *steps, *recipe.steps[index + 1 :])


def _other_operand(recipe: Recipe, index: int, rng: Random) -> tuple[Step, ...] | None:
    """A number read wrong by one."""
    step = recipe.steps[index]
    shift = 1 if rng.random() < 0.5 else -1
    if isinstance(step.operand, int) and 0 <= step.operand + shift <= 20:
        return _put(recipe, index, step._replace(operand=step.operand + shift))
    if isinstance(step.operand, tuple):
        places = [i for i, item in enumerate(step.operand) if isinstance(item, int)]
        place = rng.choice(places)
        changed = list(step.operand)
        changed[place] = abs(changed[place] + shift)
        return _put(recipe, index, step._replace(operand=tuple(changed)))
    return None


def _other_operation(recipe: Recipe, index: int, rng: Random) -> tuple[Step, ...] | None:
    """An operation taken for one that looks like it."""
    step = recipe.steps[index]
    siblings = OPERATIONS[step.op].siblings
    if not siblings:
        return None
    return _put(recipe, index, step._replace(op=rng.choice(siblings)))


def _drop(recipe: Recipe, index: int, rng: Random) -> tuple[Step, ...] | None:
    """A step forgotten; not the central one when a later variable depends on it."""
    step = recipe.steps[index]
    if len(recipe.steps) < 2 or (index == recipe.central and OPERATIONS[step.op].out):
        return None
    return _put(recipe, index)


def _swap(recipe: Recipe, index: int, rng: Random) -> tuple[Step, ...] | None:
    """Two neighbouring steps in the wrong order."""
    if index + 1 >= len(recipe.steps) or recipe.central in (index, index + 1):
        return None
    first, second = recipe.steps[index : index + 2]
    return (*recipe.steps[:index], second, first, *recipe.steps[index + 2 :])


def is_number(op: str) -> bool:
    """Whether the operation works on a number."""
    return op in NUMBER
