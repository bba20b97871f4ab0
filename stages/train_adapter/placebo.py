"""Placebo adapters: controls that must stay within the noise of base (science.md §3).

Three kinds: shuffled targets, another world's sessions, random ΔW at the matched norm. The stage
trains the first two like any adapter; the third isn't trained at all.

Targets are shuffled so that form and amount of training stay and the lesson goes. Where a suite can
read the lesson inside a target, that alone is dealt out anew; whole targets are where it can't,
which also breaks the bond between what a prompt shows and what its answer copies from it.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from stages.adapters.lora import LoraSettings, State, delta_norms, factors
from stages.records import Example
from stages.suites.microrepo.scramble import scramble_lessons

Scramble = Callable[[Example, random.Random], Example | None]
"""An example with its lesson dealt out anew; None where that can't be read."""
LESSONS: Mapping[str, Scramble] = {"microrepo": scramble_lessons}
"""Suite -> how its lessons are read; a suite without an entry has its whole targets dealt out."""
LESSONS_DEALT, TARGETS_DEALT = "lessons", "targets"

Slot = tuple[int, int]
"""Example and position of one target: an index into its prompt, or -1 for the completion."""
Target = tuple[str, str]
"""A completion with its rejected answer (empty outside of format C)."""


def shuffle(examples: Sequence[Example], seed: int, suite: str) -> tuple[list[Example], str]:
    """The placebo's examples, and which way they were made: ``lessons`` or ``targets``.

    Lessons are drawn by seed and example. One example whose lesson can't be read sends all of them
    the other way, so that an adapter is never a mixture of both.
    """
    scramble = LESSONS.get(suite)
    if scramble is not None:
        made = [scramble(e, random.Random(f"placebo {seed} {e.example_id}")) for e in examples]
        sound = [example for example in made if example is not None]
        if len(sound) == len(made):
            return sound, LESSONS_DEALT
    return shuffle_targets(examples, seed), TARGETS_DEALT


def shuffle_targets(examples: Sequence[Example], seed: int) -> list[Example]:
    """The same prompts with the targets dealt out anew, at random, within each format.

    No target stays with its own prompt or an equal one, as far as equal texts allow that. With
    ``train_on="assistant"`` the earlier assistant turns are targets too and are dealt out as well.
    """
    slots: dict[tuple[str, bool], list[Slot]] = {}
    for i, example in enumerate(examples):
        places = [-1]
        if example.train_on == "assistant":
            places += [j for j, m in enumerate(example.prompt) if m["role"] == "assistant"]
        for place in places:
            kind = (example.format, bool(example.rejected) and place == -1)
            slots.setdefault(kind, []).append((i, place))
    dealt: dict[Slot, Target] = {}
    for kind in sorted(slots):
        targets = [_target(examples[i], place) for i, place in slots[kind]]
        order = derange(targets, random.Random(f"placebo {seed} {kind}"))
        dealt |= {slot: targets[j] for slot, j in zip(slots[kind], order, strict=True)}
    return [_with_targets(example, i, dealt) for i, example in enumerate(examples)]


def derange(values: Sequence[Target], rng: random.Random) -> list[int]:
    """A random permutation with values[p[i]] ≠ values[i] wherever the values allow it."""
    order = list(range(len(values)))
    rng.shuffle(order)
    for i in range(len(order)):
        if values[order[i]] != values[i]:
            continue
        partners = [
            j
            for j in range(len(order))
            if values[order[j]] != values[i] and values[order[i]] != values[j]
        ]
        if partners:
            j = rng.choice(partners)
            order[i], order[j] = order[j], order[i]
    return order


def random_delta(state: Mapping[str, Tensor], lora: LoraSettings, seed: int) -> State:
    """An adapter of the same shapes, Gaussian, with the same norm of ΔW in every module."""
    generator = torch.Generator().manual_seed(seed)
    random_state: State = {}
    wanted = delta_norms(state, lora)
    for key in sorted(state):
        random_state[key] = torch.randn(state[key].shape, generator=generator)
    found = delta_norms(random_state, lora)
    for name, (_, b) in factors(random_state).items():
        b *= wanted[name] / found[name]
    return {key: random_state[key].to(state[key].dtype) for key in sorted(state)}


def _target(example: Example, place: int) -> Target:
    if place == -1:
        return example.completion, example.rejected
    return example.prompt[place]["content"], ""


def _with_targets(example: Example, i: int, dealt: Mapping[Slot, Target]) -> Example:
    prompt = tuple(
        {**message, "content": dealt[i, j][0]} if (i, j) in dealt else message
        for j, message in enumerate(example.prompt)
    )
    completion, rejected = dealt[i, -1]
    return dataclasses.replace(example, prompt=prompt, completion=completion, rejected=rejected)
