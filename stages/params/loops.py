"""Self-improvement loops (l01-l04): one frozen dataclass for all four, and the switches of an arm.

A loop runs arms x seeds x repeats; a step of a run is one iteration, of an online loop one item.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from stages.params.criteria import CriterionParams, Train
from stages.params.strict import ParamsError, nearest

SOURCE = "source"
"""As an arm's teacher: the source's own worked answers."""
_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, kw_only=True)
class PartParams:
    """A source of items or a judge: which one, and how it is set."""

    name: str
    """its name in the table of stages/self_improve/table.py"""
    settings: dict[str, Any]
    """what it is opened with; {} takes its defaults"""


@dataclass(frozen=True, kw_only=True)
class ProbeParams:
    """How all items are asked at a checkpoint."""

    parts: tuple[Literal["train", "val", "test", "holdout"], ...]
    """parts that are asked"""
    samples: int
    """answers per item"""
    temperature: float
    """sampling temperature; 0 is greedy"""


@dataclass(frozen=True, kw_only=True)
class LoopGuard:
    """What a loop must not lose."""

    suite: str
    """name under `suites`: problems that have nothing to do with the loop's items"""
    every: int
    """checkpoints between two plays; the last one is always guarded"""
    lower_bound: float
    """change of the pass rate against the base (share, such as -0.05): the loop stops once the
    whole interval lies below it"""


@dataclass(frozen=True, kw_only=True)
class CrossedParams:
    """A factorial design: every seed's order with each decoding and each training seed."""

    decodings: int
    """seeds of the sampling"""
    trainings: int
    """seeds of the adapter's initial factors, of dropout and batches"""


@dataclass(frozen=True, kw_only=True)
class SelectionParams:
    """Generations: the best of a population is trained on, by new seeds, and so on."""

    by: Literal["accuracy", "meta_learning", "stability", "random"]
    """what the best has most of, measured on the trained part; random draws"""
    first: str
    """arm whose runs are generation 1, `population` seeds (repeat 0) for each seed of this arm"""
    population: int
    """runs in a generation"""
    generations: int
    """generations in all, the first one included"""


@dataclass(frozen=True, kw_only=True)
class GrpoParams:
    """Group relative policy optimization (trl), the judge as reward."""

    group: int
    """answers per prompt that are compared with one another"""
    beta: float
    """strength of the KL constraint"""
    learning_rate: float
    """peak learning rate"""


@dataclass(frozen=True, kw_only=True)
class LoopArm:
    """One arm: what it does differently. Every switch's default is 'as the loop has it, plain'."""

    seeds: tuple[int, ...] | None = None
    """null: the loop's"""
    repeats: int | None = None
    """null: the loop's; where `crossed` or `selection` stands, they say how many"""
    steps: int | None = None
    """null: the loop's"""
    temperature: float | None = None
    """of the attempts; null: the loop's"""
    attempts: int | None = None
    """per item; null: the loop's"""
    train: bool = True
    """false is evaluation only: attempts and probes, and labelled so"""
    placebo: bool = False
    """targets are dealt to other items' questions"""

    # what is attempted, and in what order
    order: Literal["shuffled", "hard_first", "interleaved", "adversarial"] = "shuffled"
    """of the items; hard_first: by difficulty; interleaved: by group in turn; adversarial: first
    those that the base answers wrong with the most confidence"""
    crossed: CrossedParams | None = None
    """repeats are the cells of a factorial design; null: a repeat redraws decoding and training"""
    selection: SelectionParams | None = None
    """null: one generation"""
    items: int | None = None
    """items attempted in one step, drawn anew each time; null: all of the part train"""
    self_test: int = 0
    """problems answered once before each step, others every time and never trained on: they show
    which groups are weak"""
    targeted: bool = False
    """those items come from the groups found weak by their interval, else from all"""

    # what is trained on
    corrections: Literal["ground_truth", "own", "own_shown"] = "ground_truth"
    """online: the right answer; the model's own revision when told whether it was right; or its
    own revision with the right fact in context"""
    loss_on: Literal["answer", "everything"] = "answer"
    """tokens that the loss covers"""
    rehearsal: int = 0
    """online: right answers of the model's own that are trained on after each correction"""
    verified: bool = True
    """train on answers that the judge passes only; else on all that end"""
    keep: int | None = None
    """most answers of one item that are trained on; null keeps all"""
    diverse: bool = False
    """of answers that are alike, once what doesn't matter is left out, only one is trained on"""
    solutions: Literal["all", "new"] = "all"
    """those of all steps so far, or of this step alone"""
    mixing: float = 0.0
    """share of the training examples that come from other groups or an earlier diet, 0 to 1"""
    groups: tuple[str, ...] = ()
    """groups that are trained on; empty: all"""
    teacher: str | None = None
    """who writes the answers instead: a name under `models`, or `source` for the source's own"""

    # how it is trained
    start: Literal["previous", "base"] = "previous"
    """each step goes on with the adapter of the one before, or trains a fresh one"""
    method: Literal["sft", "dpo", "grpo"] = "sft"
    """dpo: failed attempts are what is to be preferred less"""
    grpo: GrpoParams | None = None
    """needed for method grpo"""
    learning_rate_factor: float = 1.0
    """times the loop's learning rate"""
    ewc: float = 0.0
    """strength of the quadratic penalty on what earlier steps needed; 0 for none"""
    early_stopping: int | None = None
    """steps without a better validation before the loop ends; null: it doesn't"""
    optimizer: Literal["adamw", "adamw_8bit"] | None = None
    """null: the model's own, or adamw"""
    quantisation: Literal["none", "8bit", "4bit"] | None = None
    """of the base while the arm runs; null: the model's own"""


@dataclass(frozen=True, kw_only=True)
class LoopParams:
    """A registration of a loop. Its hash stands beside every result."""

    title: str
    """one line for tables"""
    hypothesis: str
    """what is claimed, in one sentence"""
    kind: Literal["registered", "pilot"]
    """a pilot is directional only"""
    design: Literal["online", "iterations"]
    """online: a step is one item, trained on at once; iterations: a step attempts many items"""
    model: str | None
    """name under `models`, or a folder or hub id; null takes the top-level `model`"""
    source: PartParams
    """where items come from"""
    judge: PartParams
    """who says which answers are right"""
    seeds: tuple[int, ...]
    """a seed decides the order of items; with the repeat it decides decoding and training"""
    repeats: int
    """runs of every seed, with the same order"""
    steps: int
    """iterations, or items of an online loop; 0: all items of the part train, each once"""
    checkpoint_every: int
    """steps between two checkpoints; the last one is always a checkpoint"""
    attempts: int
    """answers per attempted item"""
    temperature: float
    """sampling temperature of attempts; 0 is greedy"""
    max_new_tokens: int
    """most tokens of an answer"""
    probe: ProbeParams
    train: Train
    """of one step; for an online loop `min_examples` counts what a whole run trains on"""
    arms: dict[str, LoopArm]
    """by name"""
    guard: LoopGuard | None
    """null for none"""
    criteria: dict[str, CriterionParams]
    """by name; all of them are one family for Holm's correction"""
    alpha: float
    """significance level of the family"""
    power: float
    """power that the power analysis asks for"""
    minimum_items: int
    """fewest probed items outside training for a verdict"""


def require_sound_loop(loop: LoopParams, where: str) -> None:
    """Raise ParamsError, at key path ``where``, for values that don't fit together."""
    positive = ("repeats", "checkpoint_every", "attempts", "max_new_tokens")
    for name in positive:
        if getattr(loop, name) < 1:
            raise ParamsError(f"{where}.{name} is {getattr(loop, name)}; at least 1 is needed.")
    if not loop.seeds or not loop.arms:
        raise ParamsError(f"{where}: seeds or arms are empty, so nothing would run. Name some.")
    for name, arm in loop.arms.items():
        _require_sound_arm(loop, name, arm, f"{where}.arms.{name}")


def _require_sound_arm(loop: LoopParams, name: str, arm: LoopArm, at: str) -> None:
    if not _NAME.fullmatch(name):
        raise ParamsError(
            f"{at}: the name becomes part of a folder's. Use lower-case letters, digits and _."
        )
    if arm.method == "grpo" and arm.grpo is None:
        raise ParamsError(f"{at}.grpo is null, but method is grpo. Say its group, beta and rate.")
    if not 0 <= arm.mixing < 1:
        raise ParamsError(f"{at}.mixing is {arm.mixing}; it is a share, 0 to below 1.")
    if arm.selection is not None and arm.selection.first not in loop.arms:
        raise ParamsError(
            f"{at}.selection.first: there is no arm {arm.selection.first!r}. "
            f"{nearest(arm.selection.first, loop.arms)}"
        )
