"""A fifth loop: finding words. A source of tasks, a judge, a line in each table, a block."""

from __future__ import annotations

from collections.abc import Sequence

from stages.self_improve.parts import Item, Judged, Part
from stages.self_improve.table import Entry

WORDS = ("open", "edit", "test", "bash", "fix", "in", "repo", "search", "submit", "python")
PARTS: tuple[Part, ...] = ("train", "train", "train", "val", "holdout")


class Spelling:
    """Ten words, six of them to train on."""

    def items(self, part: Part) -> Sequence[Item]:
        return [
            Item(word, own, f"{len(word)} letters", len(word), f"search {word}", f"open {word}")
            for word, own in zip(WORDS, PARTS * 2, strict=True)
            if own == part
        ]


class Speller:
    """Right is the answer itself, whatever the spaces around it."""

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        verdicts = [text.strip() == item.answer for item, text in pairs]
        return [Judged(right, right, "" if right else "another word") for right in verdicts]


SOURCE = Entry(Spelling, "suites.items")  # the room that its code stands in
JUDGE = Entry(Speller, "suites.items")
SPELLING = """
{title: Words, hypothesis: The model learns to find words one at a time., kind: pilot,
design: online, model: tiny, source: {name: spelling, settings: {}},
judge: {name: spelling, settings: {}}, seeds: [0, 1], repeats: 1, steps: 0, checkpoint_every: 3,
attempts: 1, temperature: 0.3, max_new_tokens: 4,
probe: {parts: [train, val, holdout], samples: 1, temperature: 0.3},
train: {rank: 4, alpha: 8, learning_rate: 0.01, epochs: 3, dpo_learning_rate: 0.001, batch_size: 4,
  warmup: 0.0, min_examples: 1, beta: 0.1},
arms: {main: {},
  best: {seeds: [0], selection: {by: accuracy, first: main, population: 2, generations: 2}}},
guard: null, criteria: {}, alpha: 0.05, power: 0.8, minimum_items: 2}
"""
