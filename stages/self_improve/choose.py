"""What a loop trains on: which attempts, and as which examples.

An attempt that passes the visible cases and fails the hidden ones is counted and never chosen,
whatever the arm (check 29): it looks results up instead of computing them. So choosing goes by
``judged.correct``, over the train part's own cases; no item that is tested on comes near it.
"""

from __future__ import annotations

import ast
import dataclasses
import random
from collections.abc import Iterable, Sequence

from stages.records import Example, UserError, sha256_text
from stages.self_improve.asking import chat_of
from stages.self_improve.parts import Attempt
from stages.self_improve.run import example


class ChoiceError(UserError):
    """Attempts can't be trained on as asked; the message says which and the remedy."""


def is_loophole(attempt: Attempt) -> bool:
    """Whether it passes what is visible and fails what is hidden (check 29)."""
    return attempt.judged.visible and not attempt.judged.correct


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which of a step's attempts are trained on; a Selector."""

    verified: bool = True
    """those that the judge passes only; else all that end by themselves"""
    keep: int | None = None
    """most answers of one item; null keeps all"""
    diverse: bool = False
    """of an item's answers that are alike but for names and layout, only the first"""

    def chosen(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """The attempts to train on, in their order."""
        found: list[Attempt] = []
        kept: dict[str, int] = {}
        alike: set[tuple[str, str]] = set()
        for attempt in attempts:
            name = attempt.item.item_id
            if not self._may(attempt) or (self.keep is not None and kept.get(name, 0) >= self.keep):
                continue
            shape = (name, essence(attempt.text))
            if self.diverse and shape in alike:
                continue
            alike.add(shape)
            kept[name] = kept.get(name, 0) + 1
            found.append(attempt)
        return found

    def select(self, attempts: Sequence[Attempt]) -> list[Example]:
        """The chosen attempts as examples."""
        return [example_of(attempt) for attempt in self.chosen(attempts)]

    def _may(self, attempt: Attempt) -> bool:
        if is_loophole(attempt) or not attempt.text.strip() or attempt.finish == "length":
            return False
        return attempt.judged.correct or not self.verified


def example_of(attempt: Attempt, rejected: str = "") -> Example:
    """The attempt as an example; its id is its content's, so an answer twice is one example.

    Raises ChoiceError for an item of another part than train.
    """
    item = attempt.item
    if item.part != "train":
        raise ChoiceError(
            f"{item.item_id} is of part {item.part} and was about to be trained on; what is tested "
            "on must stay unseen. Choose attempts at items of part train only."
        )
    return example(chat_of(item), attempt.text, attempt, rejected)


def essence(text: str) -> str:
    """A program without names and layout; other texts with their spaces made one.

    >>> essence("def f(a):\\n    return a + 1") == essence("def g(x):  return x+1")
    True
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return " ".join(text.split())
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        for field in ("id", "arg", "name"):
            own = getattr(node, field, None)
            if isinstance(own, str):
                setattr(node, field, names.setdefault(own, f"v{len(names)}"))
    return ast.dump(tree)


def mixed(
    own: Sequence[Example], others: Sequence[Example], share: float, rng: random.Random
) -> list[Example]:
    """``own``, with so many of ``others`` that they are ``share`` of the whole, shuffled in.

    Without enough of them each is taken as often as any other; with share 0, none. Raises
    ChoiceError where a share is asked for and there is none to take.
    """
    wanted = round(len(own) * share / (1 - share))
    if wanted and not others:
        raise ChoiceError(
            f"mixing is {share}, and there is no verified answer of another group to replay. "
            "Name the arm's groups, leave some out, or set mixing to 0."
        )
    replayed: list[Example] = []
    while len(replayed) < wanted:
        replayed += rng.sample(list(others), min(len(others), wanted - len(replayed)))
    whole = [*own, *replayed]
    rng.shuffle(whole)
    return whole


def preferences(chosen: Sequence[Example], attempts: Sequence[Attempt]) -> list[Example]:
    """Pairs for DPO: each chosen answer, once, against a failed attempt at the same item.

    An item's failed answers are taken in turn; one without any gives no pair. A loophole is a
    failed answer too.
    """
    failed: dict[str, list[str]] = {}
    for attempt in attempts:
        texts = failed.setdefault(attempt.item.item_id, [])
        wrong = not attempt.judged.correct and attempt.finish != "length" and attempt.text.strip()
        if wrong and attempt.text not in texts:
            texts.append(attempt.text)
    met: dict[str, set[str]] = {}
    pairs = []
    for one in chosen:
        texts, known = failed.get(one.instance_id, []), met.setdefault(one.instance_id, set())
        if texts and one.completion not in known:
            rejected = texts[len(known) % len(texts)]
            name = f"{one.example_id}-{sha256_text(rejected)[:8]}"
            pairs.append(dataclasses.replace(one, example_id=name, rejected=rejected))
            known.add(one.completion)
    return pairs


def dealt_anew(examples: Sequence[Example], rng: random.Random) -> list[Example]:
    """The placebo: the same answers, each to another item's question.

    Sorted by item, answers move on by at least as many places as the item with the most has, so
    none stays with its item; only where one item has more than half of all are the answers left
    out that could go nowhere else.
    """
    order = sorted(range(len(examples)), key=lambda i: (examples[i].instance_id, i))
    names = [examples[i].instance_id for i in order]
    most = max(map(names.count, set(names)), default=0)
    shift = rng.randint(min(most, len(names) - most), max(most, len(names) - most))
    dealt = []
    for place, index in enumerate(order):
        other = examples[order[(place + shift) % len(order)]]
        one = examples[index]
        if other.instance_id != one.instance_id:
            name = f"{one.example_id}-{other.example_id}"
            dealt.append(
                dataclasses.replace(
                    one, example_id=name, completion=other.completion, rejected=other.rejected
                )
            )
    return dealt


def loopholes(attempts: Iterable[Attempt]) -> dict[str, int]:
    """Attempts that pass the visible cases and fail the hidden ones, by group (check 29)."""
    found: dict[str, int] = {}
    for attempt in attempts:
        if is_loophole(attempt):
            found[attempt.item.group] = found.get(attempt.item.group, 0) + 1
    return dict(sorted(found.items()))
