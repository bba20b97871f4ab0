"""Answers by a teacher in place of the model's own: the source's worked ones, or a model's."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from stages.params import load_params, named_model
from stages.params.loops import SOURCE
from stages.self_improve import learner
from stages.self_improve.asking import judged_attempts, requests_for
from stages.self_improve.parts import Attempt, Item
from stages.self_improve.run import Run

KIND = "teacher"


def taught(run: Run, items: Sequence[Item], step: int) -> list[Attempt]:
    """The teacher's answers, judged like any other: a teacher errs too.

    The source's own: one an item, with its reasoning where it has any. A model's: as many as the
    model itself would have given, at the same temperature.
    """
    teacher = run.arm.teacher
    assert teacher is not None, "asked for by name"
    if teacher == SOURCE:
        texts = [item.reasoning or item.answer for item in items]
        verdicts = run.judge.judge(list(zip(items, texts, strict=True)))
        return [
            Attempt(item, 0, text, judged, 0, "stop", step, KIND)
            for item, text, judged in zip(items, texts, verdicts, strict=True)
        ]
    seed = (KIND, run.seeds.decoding, step)
    requests = requests_for(items, run.attempts, run.temperature, run.loop.max_new_tokens, seed)
    base = _open(teacher)
    done = (base.backend or base.plain).complete(requests)
    return judged_attempts(run.judge, items, done, step, KIND)


@functools.cache
def _open(name: str) -> learner.Base:
    """The teacher's weights, loaded once a process."""
    return learner.load(named_model(load_params(), name))
