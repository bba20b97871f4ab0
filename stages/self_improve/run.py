"""What a step of a loop has to work with, and what it gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from stages.adapters.lora import LoraSettings
from stages.lab.loops import Attempted, CheckpointPlace, RunPlace, RunSeeds
from stages.params import LoopArm, LoopParams, ModelParams
from stages.records import Example, sha256_text
from stages.self_improve.learner import Learner
from stages.self_improve.parts import Attempt, Item, Judge, Part, Source
from stages.training.settings import TrainSettings


@dataclasses.dataclass(frozen=True)
class Run:
    """One run while it is made."""

    loop: LoopParams
    arm: LoopArm
    place: RunPlace
    seeds: RunSeeds
    learner: Learner
    source: Source
    judge: Judge

    def items(self, part: Part) -> Sequence[Item]:
        return self.source.items(part)

    @property
    def temperature(self) -> float:
        """Of attempts."""
        own = self.arm.temperature
        return self.loop.temperature if own is None else own

    @property
    def attempts(self) -> int:
        """Answers per attempted item."""
        return self.loop.attempts if self.arm.attempts is None else self.arm.attempts

    def settings(self, step: int, **changes: Any) -> TrainSettings:
        """How a step is trained: with a seed of its own, so that no two draw the same order."""
        model = self.learner.base.params
        values = settings_of(self.loop, self.arm, model)
        return dataclasses.replace(values, seed=self.seeds.training * 10_000 + step, **changes)


@dataclasses.dataclass(frozen=True)
class Advance:
    """What the steps between two checkpoints did; the adapter itself is the learner's."""

    attempts: Sequence[Attempted] = ()
    """in order"""
    trained_items: Sequence[str] = ()
    """in order"""
    examples: int = 0
    tokens: int = 0
    """prompts and targets"""
    target_tokens: int = 0
    losses: Sequence[float] = ()
    """of every optimizer step"""
    start: Literal["base", "previous", "none"] = "none"
    own: dict[str, Any] = dataclasses.field(default_factory=dict)
    """what only this arm has to say, for facts.json"""


class Stepper(Protocol):
    """The design of a loop: how its steps attempt, select and train.

    Everything it knows of earlier steps comes from ``history``, the checkpoints so far (the last
    one is where the learner stands), so that a killed run continues to the same bytes.
    """

    def __call__(
        self, run: Run, steps: Sequence[int], history: Sequence[CheckpointPlace]
    ) -> Advance:
        """Do the steps (numbers from 1), leave the learner with the new adapter."""
        ...


def settings_of(loop: LoopParams, arm: LoopArm, model: ModelParams) -> TrainSettings:
    """How the arm trains; the model's own ``adapter`` values replace the loop's.

    Fewer examples than the minimum are accepted in one step: for a loop the whole run's count.
    """
    values, own = loop.train, model.adapter
    chosen = own or values
    dpo = arm.method == "dpo"
    rate = chosen.dpo_learning_rate if dpo else chosen.learning_rate
    settings = TrainSettings(
        method="dpo" if dpo else "sft",
        learning_rate=rate * arm.learning_rate_factor,
        epochs=chosen.epochs,
        batch_size=values.batch_size,
        warmup=values.warmup,
        max_length=model.context_tokens,
        min_examples=values.min_examples,
        allow_small=True,
        beta=values.beta,
        threads=model.threads,
        optimizer=arm.optimizer or (own.optimizer if own else "adamw"),
    )
    if own is None:
        return settings
    return dataclasses.replace(
        settings,
        micro_tokens=own.micro_tokens,
        gradient_checkpointing=own.gradient_checkpointing,
    )


def lora_of(loop: LoopParams, model: ModelParams, seed: int) -> LoraSettings:
    """The adapter of a run."""
    own = model.adapter
    chosen = own or loop.train
    settings = LoraSettings(rank=chosen.rank, alpha=chosen.alpha, seed=seed)
    if own is None:
        return settings
    targets = own.target_modules or settings.target_modules
    return dataclasses.replace(settings, dropout=own.dropout, target_modules=targets)


def example(
    prompt: Sequence[dict[str, str]],
    completion: str,
    attempt: Attempt | None = None,
    rejected: str = "",
    train_on: str = "completion",
) -> Example:
    """A training example whose id is its content's hash, of the attempt's item and group."""
    text = "\n".join([*(m["content"] for m in prompt), completion, rejected])
    return Example(
        sha256_text(text)[:16],
        "C" if rejected else "A",
        tuple(dict(message) for message in prompt),
        completion,
        rejected=rejected,
        train_on=train_on,
        skill="" if attempt is None else attempt.item.group,
        instance_id="" if attempt is None else attempt.item.item_id,
    )
