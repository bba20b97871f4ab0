"""The examples that an arm may be trained on, before any are chosen: by source and format."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from stages.agent.actions import ActionError, parse_action
from stages.lab.context import Lab
from stages.lab.splits import Half, read_split
from stages.params import ExamplesParams, ParamsError
from stages.records import Example, Task, canonical_json, read_jsonl, sha256_text
from stages.training.batches import target_texts
from stages.training.settings import TrainingError

GOLD = "G"
ACTIONS = ("T", GOLD)
"""Formats whose targets stand where the agent's own actions do: check 9 holds them to its parser"""


def formats_of(params: ExamplesParams) -> tuple[str, ...]:
    """The formats that an arm's examples are of, its own first."""
    return (params.format, *params.also)


def source_files(lab: Lab, world: str, split: str, params: ExamplesParams) -> list[Path]:
    """The files that stage synthesize wrote for an arm, by format.

    ParamsError where the registration doesn't have a format written.
    """
    formats = [name for name in formats_of(params) if name != GOLD]
    for name in formats:
        if name not in lab.experiment.synthesis.formats:
            raise ParamsError(
                f"experiments.{lab.name}.arms: an arm is trained on format {name}, which "
                f"`synthesis.formats` ({', '.join(lab.experiment.synthesis.formats)}) leaves out. "
                "Add it there."
            )
    return [lab.folder("data/synthetic") / world / split / f"{name}.jsonl" for name in formats]


def external_examples(lab: Lab, world: str, split: str, params: ExamplesParams) -> list[Example]:
    """Each different example once, in the order of the sessions, then of the arm's formats.

    Files are filled up to a token budget in a random order, some examples twice; that order and
    number are the budget's, so they end here.
    """
    half = read_split(lab, world, split)
    found: list[Example] = []
    for path in source_files(lab, world, split, params):
        found += list({e.example_id: e for e in read_jsonl(path, Example)}.values())
    if GOLD in formats_of(params):
        found += gold_diffs(lab, half)
    return in_order(found, half.train[: params.sessions], formats_of(params))


def in_order(
    examples: Sequence[Example], tasks: Sequence[Task], formats: Sequence[str]
) -> list[Example]:
    """The examples of ``tasks``, by session, format, step and id."""
    place = {task.instance_id: number for number, task in enumerate(tasks)}
    return sorted(
        (example for example in examples if example.instance_id in place),
        key=lambda e: (place[e.instance_id], formats.index(e.format), e.step, e.example_id),
    )


def gold_diffs(lab: Lab, half: Half) -> list[Example]:
    """Format G, as in the report's oracle training: the issue, and its merged patch as a diff.

    A task whose patch or text a test task shares is left out.
    """
    return [
        with_id(
            Example(
                "",
                GOLD,
                tuple(dict(message) for message in lab.suite.messages(task)),
                task.patch,
                skill="+".join(task.meta.get("kinds", ())) or task.repo,
                instance_id=task.instance_id,
            )
        )
        for task in half.train
        if not leaks("\n".join((task.problem_statement, task.patch)), half)
    ]


def leaks(text: str, half: Half) -> bool:
    """Whether a test task's issue stands in the text."""
    return any(task.problem_statement in text for task in half.test)


def turns_of(example: Example) -> Iterator[Example]:
    """Every assistant turn of a session of format T as an example of its own; others unchanged."""
    if example.format != "T" or example.train_on != "assistant":
        yield example
        return
    chat = (*example.prompt, {"role": "assistant", "content": example.completion})
    places = [place for place, message in enumerate(chat) if message["role"] == "assistant"]
    for number, place in enumerate(places):
        yield with_id(
            dataclasses.replace(
                example,
                prompt=chat[:place],
                completion=chat[place]["content"],
                train_on="completion",
                step=number,
            )
        )


def with_id(example: Example) -> Example:
    """The example under an id that hashes its content and its source."""
    content = canonical_json(dataclasses.asdict(dataclasses.replace(example, example_id="")))
    return dataclasses.replace(example, example_id=sha256_text(content)[:16])


def require_readable(examples: Sequence[Example], name: str, override: bool) -> int:
    """How many examples have a target that the evaluation's parser can't read as an action.

    TrainingError (check 9) for any, unless the registration overrides it. Formats A to E are
    questions and answers, never read as actions.
    """
    refused = {e.example_id: error for e in examples if (error := _refusal(e))}
    if refused and not override:
        first = next(iter(refused))
        raise TrainingError(
            f"{name}: training is refused: {len(refused)} of {len(examples)} examples have a "
            f"target that the agent's own parser can't read ({first}: {refused[first]}) - check 9. "
            "An adapter trained on them answers in a form that the evaluation counts as no action, "
            "as the diffs of the published oracle training did. Write targets with format_action; "
            "or set `unparseable: true`, which makes the experiment EXPLORATORY."
        )
    return len(refused)


def _refusal(example: Example) -> str:
    if example.format not in ACTIONS:
        return ""
    try:
        for text in target_texts(example):
            parse_action(text)
    except ActionError as error:
        return str(error)
    return ""
