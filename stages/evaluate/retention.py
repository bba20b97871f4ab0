"""Retention: what the adapter still gives of the pairs synthesized from each session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.agent.model import Model, Request
from stages.records import Example


def run_retention(
    model: Model, examples: Sequence[Example], order: Sequence[str], adapter: str | None
) -> list[dict[str, Any]]:
    """One row per trained turn: whether the greedy answer equals its target.

    ``order`` lists the training tasks in the order of their sessions; ``origin`` is the place
    in it, counted from 1.
    """
    place = {name: number for number, name in enumerate(order, start=1)}
    different = {example.example_id: example for example in examples}
    turns = [
        (example, number, prompt, target)
        for example in different.values()
        for number, (prompt, target) in enumerate(_turns(example))
    ]
    completions = model.complete(
        [
            Request(
                messages=tuple(prompt),
                adapter=adapter,
                max_new_tokens=160,
                key=("retention", example.example_id, number),
            )
            for example, number, prompt, _ in turns
        ]
    )
    return [
        {
            "instance_id": example.instance_id,
            "origin": place[example.instance_id],
            "skill": example.skill,
            "turn": number,
            "right": completion.text == target,
        }
        for (example, number, _, target), completion in zip(turns, completions, strict=True)
    ]


def _turns(example: Example) -> list[tuple[list[dict[str, str]], str]]:
    turns = []
    if example.train_on == "assistant":
        turns = [
            (list(example.prompt[:place]), message["content"])
            for place, message in enumerate(example.prompt)
            if message["role"] == "assistant"
        ]
    return [*turns, (list(example.prompt), example.completion)]
