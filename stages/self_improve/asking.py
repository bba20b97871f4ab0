"""Items put to the model, its answers judged: attempts and probes."""

from __future__ import annotations

from collections.abc import Sequence

from stages.agent.model import Completion, Request
from stages.lab.loops import Attempted, Probed
from stages.self_improve.confidence import stated, token_confidences
from stages.self_improve.learner import Learner, request_seed
from stages.self_improve.parts import Attempt, Item, Judge


def chat_of(item: Item) -> list[dict[str, str]]:
    """The chat that an item is asked in, everywhere."""
    return [{"role": "user", "content": item.prompt}]


def requests_for(
    items: Sequence[Item],
    samples: int,
    temperature: float,
    max_new_tokens: int,
    seed: tuple[object, ...],
) -> list[Request]:
    """``samples`` requests per item, an item's together; ``seed`` says what they are for."""
    return [
        Request(
            messages=tuple(chat_of(item)),
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            seed=request_seed(*seed, item.item_id, sample),
        )
        for item in items
        for sample in range(samples)
    ]


def judged_attempts(
    judge: Judge,
    items: Sequence[Item],
    completions: Sequence[Completion],
    step: int,
    kind: str = "own",
) -> list[Attempt]:
    """The answers, as many per item as there are for each, with the judge's word on them."""
    samples = len(completions) // max(1, len(items))
    owners = [item for item in items for _ in range(samples)]
    texts = [completion.text for completion in completions]
    verdicts = judge.judge(list(zip(owners, texts, strict=True)))
    return [
        Attempt(item, n % samples, done.text, judged, done.output_tokens, done.finish, step, kind)
        for n, (item, done, judged) in enumerate(zip(owners, completions, verdicts, strict=True))
    ]


def probe(
    learner: Learner,
    judge: Judge,
    items: Sequence[Item],
    samples: int,
    temperature: float,
    max_new_tokens: int,
    seed: tuple[object, ...],
) -> list[Probed]:
    """Every item's answers by the model as it is, judged, with confidence."""
    done = learner.complete(requests_for(items, samples, temperature, max_new_tokens, seed))
    found = judged_attempts(judge, items, done, 0)
    adapter = None if learner.state is None else (learner.state, learner.lora)
    base = (learner.base.weights, learner.tokenizer)
    sure = token_confidences(base, [(a.item, a.text) for a in found], adapter)
    return [
        Probed(
            item_id=attempt.item.item_id,
            part=attempt.item.part,
            group=attempt.item.group,
            difficulty=attempt.item.difficulty,
            sample=attempt.sample,
            correct=int(attempt.judged.correct),
            visible=int(attempt.judged.visible),
            confidence=round(confidence, 6),
            stated=stated(attempt.text),
            tokens=attempt.tokens,
            finish=attempt.finish,
            text=attempt.text,
        )
        for attempt, confidence in zip(found, sure, strict=True)
    ]


def attempted(attempt: Attempt, selected: bool) -> Attempted:
    """An attempt as it is recorded."""
    return Attempted(
        step=attempt.step,
        item_id=attempt.item.item_id,
        group=attempt.item.group,
        difficulty=attempt.item.difficulty,
        sample=attempt.sample,
        correct=int(attempt.judged.correct),
        visible=int(attempt.judged.visible),
        selected=int(selected),
        kind=attempt.kind,
        text=attempt.text,
        tokens=attempt.tokens,
    )
