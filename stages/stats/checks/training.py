"""Training: targets that parse, one prompt template, sound losses, enough examples, overlap."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from stages.agent.actions import ActionError, parse_action
from stages.lab.arms import examples_of
from stages.lab.places import examples_file
from stages.records import Example, Task, read_json
from stages.stats.checks.check import Finding, absent, allowed, judged
from stages.stats.checks.record import Record
from stages.stats.intervals import wilson
from stages.stats.stream_states import state_folder

ACTIONS = ("T", "G")
"""Formats whose targets stand where the agent's actions do. G's (gold patches as diffs) never
parse: an experiment that trains on them all the same is exploratory, and this check says why."""
CONSTANT_STEPS = 8
N_GRAM = 8
"""GPT-3's authors took 8 as the shortest n for their contamination study (Brown et al. 2020,
appendix C); below it, formulas such as ``return a + b`` would count."""
CONTAMINATED = 0.5
"""Share of an item's n-grams that must occur in training for the item to count."""
_WORD = re.compile(r"\w+|[^\w\s]")


def same_format(record: Record) -> Finding:
    """Check 9: targets that stand for actions parse; training and evaluation open chats alike."""
    problems, targets = [], 0
    for found in record.training:
        tasks = record.tasks[found.world]
        for example in found.examples:
            task = tasks.get(example.instance_id)
            if task is not None and not _opens_alike(record, example, task):
                problems.append(f"{found.path}: {example.example_id} opens unlike an evaluation")
            if example.format in ACTIONS:
                texts = _targets(example)
                targets += len(texts)
                problems += [
                    f"{found.path}: {example.example_id}: {error}"
                    for error in map(_parse_error, texts)
                    if error
                ]
    for episode in record.episodes:
        if not episode.opening_fits:
            problems.append(f"{episode.path}: {episode.instance_id} opens unlike the suite")
    return judged(
        {"files": len(record.training), "targets": targets, "episodes": len(record.episodes)},
        problems,
        "Write targets with format_action and prompts with the suite's own messages.",
    )


def _targets(example: Example) -> list[str]:
    earlier = [m["content"] for m in example.prompt if m["role"] == "assistant"]
    return [*(earlier if example.train_on == "assistant" else []), example.completion]


def _parse_error(text: str) -> str:
    try:
        parse_action(text)
    except ActionError as error:
        return str(error)
    return ""


def _opens_alike(record: Record, example: Example, task: Task) -> bool:
    """The same system message; for format T the same user message too."""
    opening = record.lab.suite.messages(task)
    depth = 2 if example.format == "T" else 1
    return [dict(message) for message in example.prompt[:depth]] == opening[:depth]


def sound_losses(record: Record) -> Finding:
    """Check 10: no loss is 0, NaN or constant; no example is without target or over the context."""
    streamed = _stream_losses(record)
    if not record.training and not streamed:
        return absent("nothing is trained in this experiment")
    problems = []
    for name, losses in streamed.items():
        problems += [f"{name}: {reason}" for reason in _loss_problems(losses)]
    for name, losses in record.results.losses.items():
        problems += [f"{name}: {reason}" for reason in _loss_problems(losses)]
        facts = record.results.facts.get(name, {})
        if losses and facts.get("last_loss") != losses[-1]:
            problems.append(f"{name}: facts.json names another last loss than losses.json")
        if not facts.get("target_tokens"):
            problems.append(f"{name}: no target token was trained on")
    longest = fewest = 0
    for found in record.training:
        sizes = [record.measure(example) for example in found.examples]
        longest = max([longest, *(length for length, _ in sizes)])
        fewest = min([fewest or 10**9, *(targets for _, targets in sizes)])
        for example, (length, targets) in zip(found.examples, sizes, strict=True):
            if not targets or not example.completion.strip():
                problems.append(f"{found.path}: {example.example_id} has no unmasked token")
            if length > record.lab.model.context_tokens:
                problems.append(f"{found.path}: {example.example_id} has {length} tokens")
    every = [*record.results.losses.values(), *streamed.values()]
    last = [losses[-1] for losses in every if losses]
    return judged(
        {
            "adapters": len(record.results.losses),
            "stream_trainings": len(streamed),
            "last_loss_min": min(last, default=None),
            "last_loss_max": max(last, default=None),
            "longest_example_tokens": longest,
            "fewest_target_tokens": fewest,
        },
        problems,
        "Look at the masks, the learning rate and max_length; train again.",
    )


def _stream_losses(record: Record) -> dict[str, list[float]]:
    """Loss per step of every training of every consolidation, by their names."""
    found = {}
    for stream in record.results.streams.streams:
        for fact in stream.facts:
            path = state_folder(stream, fact["consolidation"]) / "losses.json"
            there = read_json(path) if path.exists() else {}
            for training in fact.get("trainings", []):
                name = training["name"]
                found[f"{stream.name}/{path.parent.name}/{name}"] = there.get(name, [])
    return found


def _loss_problems(losses: Sequence[float]) -> list[str]:
    if not losses:
        return ["no loss was recorded"]
    if any(not math.isfinite(loss) for loss in losses):
        return ["a loss isn't finite"]
    if any(loss == 0.0 for loss in losses):
        return ["a loss is 0"]
    runs = (losses[at : at + CONSTANT_STEPS] for at in range(len(losses) - CONSTANT_STEPS + 1))
    return ["the loss is constant"] if any(len(set(run)) == 1 for run in runs) else []


def enough_examples(record: Record) -> Finding:
    """Check 11: at least the registered minimum of different examples.

    A pilot may train on fewer: the evidence says so, and the check warns instead of passing. An
    arm whose registered name (``skill_25``) or ``count`` says how many must have just as many.
    """
    experiment = record.lab.experiment
    pilot, least = experiment.kind == "pilot", experiment.train.min_examples
    problems, short, counts = [], [], []
    sizes = {s.path: len({e.example_id for e in s.examples}) for s in record.training}
    for adapter in record.adapters:
        facts = record.results.facts.get(adapter.name, {})
        if "examples" not in facts:
            continue  # drawn at random, or missing: check 24 names those
        there = sizes[examples_file(record.lab, adapter.world, adapter.split, adapter.arm)]
        if (named := examples_of(adapter.arm)) is not None:
            there = named
        else:
            counts.append(there)
        if facts["examples"] != there:
            problems.append(f"{adapter.name}: trained on {facts['examples']} of {there} examples")
        if there < least and named is None:
            short.append(f"{adapter.name}: {there} examples, registered are {least}")
    for place, params in record.arms:
        facts = record.results.facts.get(place.name)
        if facts is None:
            problems.append(f"{place.name}: the arm was declared, not trained")
            continue
        counts.append(facts["examples"])
        due = sizes.get(place.path / "examples.jsonl")
        if params.count is not None:
            due = params.count
        if facts["examples"] != due:
            problems.append(f"{place.name}: trained on {facts['examples']} of {due} examples")
        if facts["examples"] < least and params.count is None:
            short.append(f"{place.name}: {facts['examples']} examples, registered are {least}")
    if not counts:
        return absent("nothing is trained in this experiment")
    evidence = {
        "fewest": min(counts),
        "minimum": least,
        "kind": experiment.kind,
        "below_minimum": len(short),
    }
    if pilot and not problems:
        short = [f"{text}; allowed to a pilot" for text in short]
        return allowed(evidence, short, "Read it as a pilot; collect more before a registered run.")
    remedy = "Collect or synthesize more; or register the experiment as a pilot."
    return judged(evidence, [*problems, *short], remedy)


def no_shared_text(record: Record) -> Finding:
    """Check 18: 8-grams of the guard's problems and of test issues with their fixes in training.

    A test item is its issue followed by the lines its gold patch adds: the gram that spans both is
    what a memorised pair of question and answer shares. Tokens are words and single marks.
    """
    if not record.training:
        return absent("nothing is trained in this experiment")
    everything: set[tuple[str, ...]] = set()
    problems, items, hits = [], 0, 0
    for found in record.training:
        grams = _grams_of(found.examples)
        everything |= grams
        for task in record.halves[found.world, found.split].test:
            items += 1
            if _overlap(_item(task), grams) > CONTAMINATED:
                hits += 1
                problems.append(f"{found.path} holds most of {task.instance_id}")
    guard = record.guard_items
    for name, text in guard:
        if _overlap(text, everything) > CONTAMINATED:
            problems.append(f"training holds most of the guard's {name}")
    evidence: dict[str, float | int] = {"n": N_GRAM, "test_items": items, "guard_items": len(guard)}
    if items:
        rate = wilson(hits, items)
        evidence |= {"test_share": rate.value, "test_share_lo": rate.lo, "test_share_hi": rate.hi}
    evidence["guard_hits"] = len(problems) - hits
    return judged(evidence, problems, "Leave the named items out of training, or out of the test.")


def _item(task: Task) -> str:
    added = [line[1:] for line in task.patch.splitlines() if re.match(r"\+(?!\+\+ )", line)]
    return "\n".join((task.problem_statement, *added))


def _grams_of(examples: Iterable[Example]) -> set[tuple[str, ...]]:
    texts = {"\n".join((*(m["content"] for m in e.prompt), e.completion)) for e in examples}
    return {gram for text in texts for gram in _grams(text)}


def _grams(text: str) -> list[tuple[str, ...]]:
    """The text's n-grams; a shorter text is one gram that no training text can hold."""
    words = _WORD.findall(text)
    return [tuple(words[at : at + N_GRAM]) for at in range(max(1, len(words) - N_GRAM + 1))]


def _overlap(text: str, grams: set[tuple[str, ...]]) -> float:
    own = _grams(text)
    return sum(gram in grams for gram in own) / len(own)
