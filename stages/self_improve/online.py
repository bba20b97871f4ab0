"""Online meta-learning (l01): one item at a time is answered, judged, corrected and trained on."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.adapters.lora import adapter_state, attached
from stages.agent.chat import Message
from stages.agent.model import Completion, Request
from stages.checkpoints.quantised import prepare_quantised, prepared_for_training
from stages.lab.loops import Attempted, CheckpointPlace, Probed
from stages.records import Example
from stages.self_improve.asking import attempted, chat_of, judged_attempts
from stages.self_improve.corrections import Correction, dealt, rehearsed, report, revision_chat
from stages.self_improve.learner import answer_once, request_seed
from stages.self_improve.parts import Attempt, Item
from stages.self_improve.run import Advance, Run, example
from stages.suites.trivia.orders import ORDERS
from stages.training.batches import Row, encode
from stages.training.settings import NothingToLearn
from stages.training.sft import reproducible, run_sft
from stages.training.train import engine_for


def online(run: Run, steps: Sequence[int], history: Sequence[CheckpointPlace]) -> Advance:
    """Meet the steps' items one after the other; the learner is left with what that made of it."""
    order = Course(run, history[0])
    probed = history[-1].probe() if run.arm.rehearsal else []
    with _session(run) as session:
        lessons = [_lesson(run, session, order, step, probed) for step in steps]
    return _advance(run, session, lessons)


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What one item came to."""

    rows: tuple[Attempted, ...]
    trained: bool
    """false where there was nothing sound to train on, or nothing left to learn"""
    examples: tuple[Row, ...] = ()
    losses: tuple[float, ...] = ()
    quality: Mapping[str, bool] = dataclasses.field(default_factory=dict)


class Course:
    """Which item every step meets; after all have been met they come again, in another order."""

    def __init__(self, run: Run, first: CheckpointPlace) -> None:
        self.items = {item.item_id: item for item in run.items("train")}
        self.partners = dealt(list(self.items.values()), run.seeds.training)
        self._run, self._numbers = run, None
        if run.arm.order == "adversarial":
            self._numbers = wrong_confidence(first.probe())
        self._passes: dict[int, list[Item]] = {}

    def at(self, step: int) -> Item:
        """The item of a step, counted from 1."""
        number, place = divmod(step - 1, len(self.items))
        if number not in self._passes:
            arrange = ORDERS[self._run.arm.order]
            seed = self._run.seeds.order + 10_000 * number
            self._passes[number] = arrange(list(self.items.values()), seed, self._numbers)
        return self._passes[number][place]


def wrong_confidence(probed: Sequence[Probed]) -> dict[str, float]:
    """Item id -> the mean confidence of its wrong answers, each right one counted as 0."""
    found: dict[str, list[float]] = {}
    for row in probed:
        found.setdefault(row.item_id, []).append(0.0 if row.correct else row.confidence)
    return {name: sum(values) / len(values) for name, values in found.items()}


class _Session:
    """The model with its adapter attached, answering and learning in turn."""

    def __init__(self, run: Run, wrapped: Any) -> None:
        self._run, self._wrapped = run, wrapped
        self._engine = engine_for(wrapped, run.settings(0))

    def ask(self, chat: Sequence[Message], *what: object) -> Completion:
        """One answer by the model as it is now."""
        run = self._run
        request = Request(
            messages=tuple(dict(message) for message in chat),
            temperature=run.temperature,
            max_new_tokens=run.loop.max_new_tokens,
            seed=request_seed(run.seeds.decoding, *what),
        )
        return answer_once(run.learner.base, self._wrapped, request)

    def learn(self, examples: Sequence[Example], step: int) -> tuple[list[Row], list[float]]:
        """Train on the examples, together; their rows and the loss of every optimizer step.

        No losses where the model came to be certain of every target: it has learned what it can.
        """
        settings = self._run.settings(step)
        rows = encode(self._run.learner.tokenizer, examples, settings.max_length)
        if self._run.arm.loss_on == "everything":
            rows = [dataclasses.replace(row, mask=(True,) * len(row.ids)) for row in rows]
        with reproducible(settings.threads, settings.seed):
            try:
                return rows, run_sft(self._engine, rows, settings, None, False)
            except NothingToLearn:
                return rows, []


@contextlib.contextmanager
def _session(run: Run) -> Iterator[_Session]:
    """Attach once for all steps between two checkpoints: attaching costs more than learning."""
    learner = run.learner
    prepare_quantised(learner.base.weights)
    with (
        prepared_for_training(learner.base.weights),
        attached(learner.base.weights, learner.lora, learner.state) as wrapped,
    ):
        yield _Session(run, wrapped)
        state = adapter_state(wrapped)
    learner.state = state


def _lesson(
    run: Run, session: _Session, course: Course, step: int, probed: Sequence[Probed]
) -> Lesson:
    item = course.at(step)
    answer = session.ask(chat_of(item), "attempt", step)
    attempt = judged_attempts(run.judge, [item], [answer], step)[0]
    correction = _correct(run, session, course, attempt)
    trained = correction.valid and (
        correction.kind == "ground_truth" or not run.arm.verified or correction.judged.visible
    )
    rows = [attempted(attempt, False), _correction_row(attempt, correction, trained)]
    quality = report(attempt, correction)
    if not (trained and run.arm.train):
        return Lesson(tuple(rows), False, quality=quality)
    again = rehearsed(
        probed, course.items, item.item_id, run.arm.rehearsal, (run.seeds.training, step)
    )
    rows += [_rehearsal_row(step, other, text) for other, text in again]
    pairs = [(item, correction.text), *again]
    examples, losses = session.learn([example(chat_of(i), text) for i, text in pairs], step)
    return Lesson(tuple(rows), bool(losses), tuple(examples), tuple(losses), quality)


def _correct(run: Run, session: _Session, course: Course, attempt: Attempt) -> Correction:
    """The correction of an answer: the right one (a placebo's: another item's), or a revision."""
    item = attempt.item
    if run.arm.corrections == "ground_truth":
        source = course.partners[item.item_id] if run.arm.placebo else item
        judged = run.judge.judge([(item, source.answer)])[0]
        return Correction(source.answer, "ground_truth", judged, True, 0)
    chat = revision_chat(item, attempt, run.arm.corrections == "own_shown")
    done = session.ask(chat, "revision", attempt.step)
    judged = run.judge.judge([(item, done.text)])[0]
    valid = done.finish == "stop" and bool(done.text.strip())
    return Correction(done.text, "revision", judged, valid, done.output_tokens)


def _correction_row(attempt: Attempt, correction: Correction, trained: bool) -> Attempted:
    return dataclasses.replace(
        attempted(attempt, trained),
        correct=int(correction.judged.correct),
        visible=int(correction.judged.visible),
        kind=correction.kind,
        text=correction.text,
        tokens=correction.tokens,
        before=int(attempt.judged.correct),
        valid=int(correction.valid),
        target=correction.text if trained else None,
    )


def _rehearsal_row(step: int, item: Item, text: str) -> Attempted:
    return Attempted(
        step=step,
        item_id=item.item_id,
        group=item.group,
        difficulty=item.difficulty,
        sample=0,
        correct=1,
        visible=1,
        selected=1,
        kind="rehearsal",
        text=text,
        tokens=0,
    )


def _advance(run: Run, session: _Session, lessons: Sequence[Lesson]) -> Advance:
    epochs = run.settings(0).epochs
    rows = [row for lesson in lessons for row in lesson.examples]
    trained = [lesson for lesson in lessons if lesson.trained]
    names = ("valid", "correct", "fixed", "broke", "restated")
    return Advance(
        attempts=[row for lesson in lessons for row in lesson.rows],
        trained_items=[lesson.rows[0].item_id for lesson in trained],
        examples=len(rows),
        tokens=epochs * sum(len(row.ids) for row in rows),
        target_tokens=epochs * sum(row.n_targets for row in rows),
        losses=[loss for lesson in trained for loss in lesson.losses],
        start="previous" if trained else "none",
        own={
            "corrections": {n: sum(lesson.quality[n] for lesson in lessons) for n in names},
            "certain": sum(bool(lesson.examples) and not lesson.trained for lesson in lessons),
        },
    )
