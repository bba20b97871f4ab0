"""Expert iteration (l02), self-modification (l03), procedural problems (l04): many items a step.

A step draws items, lets the model answer each several times, has the answers judged, chooses what
to train on, and trains. What an arm does differently is a switch of ``LoopArm``; what it knows of
earlier steps it reads from the checkpoints, so that a killed run goes on to the same bytes.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

from stages.lab.loops import Attempted, CheckpointPlace
from stages.self_improve import teachers
from stages.self_improve.asking import attempted, chat_of, judged_attempts, requests_for
from stages.self_improve.choose import (
    Choice,
    dealt_anew,
    is_loophole,
    loopholes,
    mixed,
    preferences,
)
from stages.self_improve.draw import draw_items
from stages.self_improve.hot_swap import prove_live
from stages.self_improve.parts import Attempt, Item, Judged
from stages.self_improve.practice import Practised, practise
from stages.self_improve.run import Advance, Run
from stages.self_improve.weak import weak_groups

REPLAY_ANSWERS = 2
"""Answers per problem of the groups that aren't trained on, by the model before any training."""
SELF_TEST, REPLAY = "self_test", "replay"
"""Kinds of attempt: never trained on; and the base's own answers to other groups."""


@dataclasses.dataclass
class Memory:
    """What the steps so far have left."""

    attempts: list[Attempt]
    """every answer so far, in order"""

    @classmethod
    def of(cls, run: Run, history: Sequence[CheckpointPlace]) -> Memory:
        """From the checkpoints."""
        items = {item.item_id: item for item in run.items("train")}
        rows = [row for place in history for row in place.attempts()]
        return cls([_remembered(run, items[row.item_id], row) for row in rows])

    def of_kind(self, *kinds: str) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.kind in kinds]

    @property
    def met(self) -> set[str]:
        """Items that were drawn, for a self-test or to train on."""
        return {a.item.item_id for a in self.attempts if a.kind != REPLAY}


@dataclasses.dataclass(frozen=True)
class Step:
    """What one step came to."""

    attempts: Sequence[Attempt]
    practised: Practised
    own: dict[str, Any]


def iterations(run: Run, steps: Sequence[int], history: Sequence[CheckpointPlace]) -> Advance:
    """Do the steps one after the other; the learner is left with the last one's adapter."""
    memory, before = Memory.of(run, history), run.learner.sha256
    done = []
    for step in steps:
        done.append(_step(run, memory, step))
        memory.attempts += done[-1].attempts
    live: dict[str, Any] = {}
    prompts = [chat_of(item) for item in run.items("train")]
    # What moves no logit of the trained model itself is no new generation; the machine says so.
    if run.learner.sha256 != before and run.learner.certify(prompts) is not None:
        live = dict(prove_live(run.learner, prompts, before).facts())
    return _advance(done, live)


def _step(run: Run, memory: Memory, step: int) -> Step:
    tests = _self_test(run, memory, step)
    weak = weak_groups((a.item.group, a.judged.correct) for a in tests)
    used = memory.met | {attempt.item.item_id for attempt in tests}
    items = _items(run, used, weak if run.arm.targeted else (), step)
    if run.arm.teacher is None:
        answers = _asked(run, items, run.attempts, run.temperature, step, "own")
    else:
        answers = teachers.taught(run, items, step)
    replays = memory.of_kind(REPLAY)
    fresh = [] if replays else _replays(run, step)
    own: dict[str, Any] = {}
    if tests:
        aimed = bool(run.arm.targeted and weak)
        own = {"weak": list(weak), "self_test": _by_group(tests), "targeted": aimed}
    practised = Practised()
    if run.arm.train:
        practised = _practise(run, memory, answers, replays or fresh, step)
    return Step([*tests, *fresh, *answers], practised, own)


def _self_test(run: Run, memory: Memory, step: int) -> list[Attempt]:
    """Greedy answers to new problems of every group, from which weak areas are told."""
    if not run.arm.self_test:
        return []
    rng = random.Random(f"self test {run.seeds.order} {step}")
    items = draw_items(run.items("train"), run.arm.self_test, memory.met, rng)
    return _asked(run, items, 1, 0.0, step, SELF_TEST)


def _items(run: Run, used: set[str], weak: Sequence[str], step: int) -> list[Item]:
    """What is attempted: all that the arm trains on, or so many new ones, where it is weak."""
    pool = [i for i in run.items("train") if not run.arm.groups or i.group in run.arm.groups]
    if run.arm.items is None:
        return pool
    rng = random.Random(f"items {run.seeds.order} {step}")
    return draw_items(pool, run.arm.items, used, rng, weak)


def _asked(
    run: Run, items: Sequence[Item], samples: int, temperature: float, step: int, kind: str
) -> list[Attempt]:
    seed = (kind, run.seeds.decoding, step)
    requests = requests_for(items, samples, temperature, run.loop.max_new_tokens, seed)
    return judged_attempts(run.judge, items, run.learner.complete(requests), step, kind)


def _replays(run: Run, step: int) -> list[Attempt]:
    """Before any training: answers of other groups, for mixing or to be protected by EWC."""
    wanted = run.arm.mixing or run.arm.ewc
    if not (wanted and run.arm.groups and run.learner.state is None):
        return []
    others = [item for item in run.items("train") if item.group not in run.arm.groups]
    return _asked(run, others, REPLAY_ANSWERS, run.temperature, step, REPLAY)


def _practise(
    run: Run, memory: Memory, answers: Sequence[Attempt], replays: Sequence[Attempt], step: int
) -> Practised:
    """Choose from the answers, mix, deal anew for a placebo, and train."""
    choice = Choice(run.arm.verified, run.arm.keep, run.arm.diverse)
    earlier = memory.of_kind("own", "teacher") if run.arm.solutions == "all" else []
    pool = [*earlier, *answers]
    chosen = choice.select(pool)
    rng = random.Random(f"examples {run.seeds.training} {step}")
    kept = Choice().select(replays)
    examples = mixed(chosen, kept, run.arm.mixing, rng)
    if run.arm.method == "dpo":
        examples = preferences(examples, [*pool, *replays])
    if not run.arm.placebo:
        return practise(run, examples, answers, kept or choice.select(earlier), step)
    dealt = practise(run, dealt_anew(examples, rng), answers, kept, step)
    taken = [(one.instance_id, one.completion) for one in examples]
    return dataclasses.replace(dealt, taken=taken)


def _remembered(run: Run, item: Item, row: Attempted) -> Attempt:
    """The attempt that a row records; one that used all its tokens counts as cut off."""
    cut = row.tokens >= run.loop.max_new_tokens
    judged = Judged(bool(row.correct), bool(row.visible))
    return Attempt(
        item,
        row.sample,
        row.text,
        judged,
        row.tokens,
        "length" if cut else "stop",
        row.step,
        row.kind,
    )


def _advance(done: Sequence[Step], live: dict[str, Any]) -> Advance:
    attempts = [attempt for step in done for attempt in step.attempts]
    trained = [step.practised for step in done if step.practised.losses]
    taken = {pair for practised in trained for pair in practised.taken}
    rows = [
        attempted(
            a, (a.item.item_id, a.text) in taken and not is_loophole(a) and a.kind != SELF_TEST
        )
        for a in attempts
    ]
    own = {
        "answers": _counts(attempts),
        "loopholes": loopholes(attempts),
        "by_step": [step.practised.own for step in done],
        **done[-1].own,
        **live,
    }
    return Advance(
        attempts=rows,
        trained_items=[name for practised in trained for name in practised.items],
        examples=sum(practised.examples for practised in trained),
        tokens=sum(practised.tokens for practised in trained),
        target_tokens=sum(practised.target_tokens for practised in trained),
        losses=[loss for practised in trained for loss in practised.losses],
        start=trained[0].start if trained else "none",
        own=own,
    )


def _counts(attempts: Sequence[Attempt]) -> dict[str, dict[str, int]]:
    """Answers by kind: how many, how many right, how many that pass the visible cases."""
    found: dict[str, dict[str, int]] = {}
    for attempt in attempts:
        row = found.setdefault(attempt.kind, {"all": 0, "correct": 0, "visible": 0})
        row["all"] += 1
        row["correct"] += attempt.judged.correct
        row["visible"] += attempt.judged.visible
    return found


def _by_group(attempts: Sequence[Attempt]) -> dict[str, list[int]]:
    """Group -> [right, asked]."""
    found: dict[str, list[int]] = {}
    for attempt in attempts:
        counts = found.setdefault(attempt.item.group, [0, 0])
        counts[0] += attempt.judged.correct
        counts[1] += 1
    return dict(sorted(found.items()))
