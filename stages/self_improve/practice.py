"""One step's training, by whichever method the arm has."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from stages.records import Example
from stages.self_improve.grpo import GrpoSettings, rated_groups, train_grpo
from stages.self_improve.parts import Attempt
from stages.self_improve.protect import protection
from stages.self_improve.run import Run
from stages.training.settings import TrainSettings
from stages.training.train import TrainedAdapter

FISHER_SAMPLES = 100
"""Most examples that the Fisher information is estimated from."""
GRPO_PASSES = 1
"""Passes over a step's answers: after one they are another policy's (trl's num_iterations)."""


@dataclasses.dataclass(frozen=True)
class Practised:
    """What was trained on, and what that showed."""

    start: Literal["base", "previous", "none"] = "none"
    examples: int = 0
    """different or not"""
    items: Sequence[str] = ()
    """ids of the items that were trained on, each once, in order"""
    taken: Sequence[tuple[str, str]] = ()
    """(item id, answer) of what was trained on"""
    tokens: int = 0
    target_tokens: int = 0
    losses: Sequence[float] = ()
    """of every optimizer step; empty where nothing was trained"""
    own: dict[str, Any] = dataclasses.field(default_factory=dict)
    """what only this method has to say"""


def practise(
    run: Run,
    examples: Sequence[Example],
    answers: Sequence[Attempt],
    protected: Sequence[Example],
    step: int,
) -> Practised:
    """Train on the examples (GRPO: on the step's own answers); nothing without any.

    ``protected``: what EWC keeps the adapter from losing.
    """
    if run.arm.method == "grpo":
        return _by_groups(run, answers, step)
    if not examples:
        return Practised(own={"examples": 0})
    settings = run.settings(step)
    penalty, own = None, {}
    if run.arm.ewc and protected:
        kept = _evenly(protected, FISHER_SAMPLES)
        learner = run.learner
        start = None if run.arm.start == "base" else learner.state
        base = (learner.base.weights, learner.tokenizer)
        held = protection(base, kept, run.arm.ewc, settings, learner.lora, start)
        penalty, own = held.penalty, {"fisher": held.fact}
    start = _start(run)
    trained = run.learner.train(examples, settings, run.arm.start == "base", penalty)
    return _practised(trained, examples, start, own)


def _by_groups(run: Run, answers: Sequence[Attempt], step: int) -> Practised:
    assert run.arm.grpo is not None, "params/loops.py has looked"
    wanted = run.arm.grpo
    groups = rated_groups(answers, wanted.group)
    own = {"groups": len(groups), "answers": len(answers)}
    if not groups:
        return Practised(own=own)
    rate = wanted.learning_rate * run.arm.learning_rate_factor
    settings: TrainSettings = run.settings(step, learning_rate=rate, epochs=GRPO_PASSES)
    learner, start = run.learner, _start(run)
    trained = train_grpo(
        (learner.base.weights, learner.tokenizer),
        groups,
        settings,
        learner.lora,
        GrpoSettings(beta=wanted.beta, temperature=run.temperature or 1.0),
        learner.state,
    )
    learner.state = trained.state
    good = [rated.example for group in groups for rated in group if rated.advantage > 0]
    rated = [rated.example for group in groups for rated in group]
    done = _practised(trained, rated, start, own)
    return dataclasses.replace(done, taken=[(e.instance_id, e.completion) for e in good])


def _practised(
    trained: TrainedAdapter,
    examples: Sequence[Example],
    start: Literal["base", "previous"],
    own: dict[str, Any],
) -> Practised:
    return Practised(
        start=start,
        examples=len(examples),
        items=list(dict.fromkeys(example.instance_id for example in examples)),
        taken=[(example.instance_id, example.completion) for example in examples],
        tokens=trained.tokens,
        target_tokens=trained.target_tokens,
        losses=trained.losses,
        own=own,
    )


def _start(run: Run) -> Literal["base", "previous"]:
    return "base" if run.arm.start == "base" or run.learner.state is None else "previous"


def _evenly(examples: Sequence[Example], most: int) -> list[Example]:
    """At most so many of them, at even distances: every group has its share."""
    if len(examples) <= most:
        return list(examples)
    return [examples[n * len(examples) // most] for n in range(most)]
