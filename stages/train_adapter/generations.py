"""Self-synthesis over generations (e08, x3): the adapted agent writes what the next is trained on.

Generation g: an adapter is trained, from scratch, on all examples so far; it plays the next block
of training sessions; its own actions there, and nothing else, become the block's examples. Each
generation is a cell, so that a killed run goes on with the next one and ends with the same bytes.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stages.agent.actions import ActionError, parse_action
from stages.agent.rendered import render_example
from stages.lab.cells import Cells
from stages.lab.splits import Half
from stages.params import ExamplesParams, GenerationsParams, ParamsError
from stages.records import (
    Example,
    Outcome,
    Task,
    Trajectory,
    read_jsonl,
    write_json,
    write_jsonl,
)
from stages.train_adapter.material import leaks, with_id
from stages.train_adapter.noise import noise_facts, pair_rows
from stages.train_adapter.player import Player
from stages.train_adapter.validate import validated
from stages.training.batches import target_texts

Trainer = Callable[[Sequence[Example], Path], dict[str, Any]]
"""Trains an adapter on examples into a folder; gives what there is to say of it."""
PAIRS = "pairs.jsonl"


@dataclasses.dataclass(frozen=True)
class Written:
    """An arm's examples, and which generation wrote each (by id; those from outside: none)."""

    examples: list[Example]
    generation: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Loop:
    """What all generations of one arm share."""

    name: str
    """world/split/arm-sN, for errors"""
    player: Player
    tokenizer: Any
    train: Trainer
    params: ExamplesParams
    half: Half
    external: Sequence[Example]
    """one example of format T a session, as others wrote it"""
    seed: int

    @property
    def plan(self) -> GenerationsParams:
        """How the loop runs; ParamsError where the registration doesn't say."""
        if self.params.generations is None:
            raise ParamsError(
                f"{self.name}: examples.source is {self.params.source!r}, but "
                "examples.generations doesn't say how many sessions each generation plays."
            )
        return self.params.generations

    @property
    def tasks(self) -> list[Task]:
        """The sessions of the arm, in order."""
        return self.half.train[: self.params.sessions]


def run_generations(loop: Loop, cells: Cells, key: Any) -> Written:
    """Every generation in turn, made or found made; then all examples they left.

    ParamsError for more sessions than there are.
    """
    plan = loop.plan
    last = plan.first + plan.block * plan.number
    if last > len(loop.tasks):
        raise ParamsError(
            f"{loop.name}: {plan.number} generations of {plan.block} sessions after the first "
            f"{plan.first} take {last} sessions, and there are {len(loop.tasks)}. Take fewer."
        )
    firsts = {task.instance_id for task in loop.tasks[: plan.first]}
    held = [example for example in loop.external if example.instance_id in firsts]
    if loop.params.validated:
        held = validated(loop.player, loop.tasks, held, loop.seed)
    written: dict[str, int] = {}
    for number in range(1, plan.number + 1):
        make = partial(_generation, loop, number, list(held))
        folder = cells.job(f"g{number:02d}", [key, number], "", make)()
        own = [row["example_id"] for row in read_jsonl(folder / PAIRS, dict) if row["generation"]]
        held += read_jsonl(folder / "examples.jsonl", Example)
        written |= dict.fromkeys(own, number)
    cells.sweep()
    return Written(held, written)


def _generation(loop: Loop, number: int, held: Sequence[Example], folder: Path) -> None:
    """Train on what there is, play the block, write its examples and what is wrong with them."""
    plan = loop.plan
    start = plan.first + (number - 1) * plan.block
    block = loop.tasks[start : start + plan.block]
    adapter = folder / "adapter" if held else None
    trained = {} if adapter is None else loop.train(held, adapter)
    played = loop.player.play(
        f"generation {number}",
        own_tasks(block, loop.params.source),
        loop.seed,
        plan.attempts,
        plan.temperature,
        adapter,
    )
    written, missing = own_examples(loop, played)
    by_agent = {example.example_id: number for example in written}
    mine = {task.instance_id for task in own_tasks(block, loop.params.source)}
    others = {task.instance_id for task in block} - mine
    written += [example for example in loop.external if example.instance_id in others]
    kept = written
    if loop.params.validated:
        kept = validated(loop.player, block, written, loop.seed)
    rows = pair_rows(loop.player.lab, loop.tasks, written, by_agent)
    ids = {example.example_id for example in kept}
    rows = [{**row, "kept": row["example_id"] in ids} for row in rows]
    write_jsonl(folder / "trajectories.jsonl", played)
    write_jsonl(folder / "examples.jsonl", kept)
    write_jsonl(folder / PAIRS, rows)
    resolved = {t.info["instance_id"] for t in played if t.info["outcome"] == Outcome.RESOLVED}
    facts = {
        "generation": number,
        "sessions": [start + 1, start + len(block)],
        "trained_on": len(held),
        "adapter": trained,
        "played": len(mine),
        "episodes": len(played),
        "resolved": len(resolved),
        "missing": missing,
        "written": len(by_agent),
        "external": len(written) - len(by_agent),
        "kept": len(kept),
        "own": noise_facts([row for row in rows if row["generation"]]),
        "own_kept": noise_facts([row for row in rows if row["generation"] and row["kept"]]),
        "all_kept": noise_facts([row for row in rows if row["kept"]]),
    }
    write_json(folder / "generation.json", facts)


def own_tasks(block: Sequence[Task], source: str) -> list[Task]:
    """The sessions that the agent writes itself: all, or of a hybrid every other one."""
    return list(block[::2] if source == "hybrid" else block)


def own_examples(loop: Loop, played: Sequence[Trajectory]) -> tuple[list[Example], dict[str, int]]:
    """Format T from the agent's own actions, one example a session; and why some gave none."""
    by_session: dict[str, list[Trajectory]] = {}
    for trajectory in played:
        by_session.setdefault(str(trajectory.info["instance_id"]), []).append(trajectory)
    tasks = {task.instance_id: task for task in loop.tasks}
    made: list[Example] = []
    missing: Counter[str] = Counter()
    for name, attempts in by_session.items():
        best = best_of(attempts)
        if loop.plan.resolved and best.info["outcome"] != Outcome.RESOLVED:
            missing["not resolved"] += 1
            continue
        example = as_example(tasks[name], best)
        reason = "no action" if example is None else _unsound(loop, example)
        if example is None or reason:
            missing[reason] += 1
            continue
        made.append(example)
    return made, dict(sorted(missing.items()))


def best_of(attempts: Sequence[Trajectory]) -> Trajectory:
    """A resolved attempt before any other, then the shortest, then the first."""
    return min(
        attempts,
        key=lambda t: (t.info["outcome"] != Outcome.RESOLVED, t.info["n_steps"], t.info["attempt"]),
    )


def as_example(task: Task, trajectory: Trajectory) -> Example | None:
    """The episode as it was, up to the agent's last turn; None where it never said anything."""
    messages = trajectory.messages
    turns = [place for place, m in enumerate(messages) if m["role"] == "assistant"]
    if not turns:
        return None
    example = Example(
        "",
        "T",
        tuple({"role": m["role"], "content": m["content"]} for m in messages[: turns[-1]]),
        messages[turns[-1]]["content"],
        train_on="assistant",
        skill="+".join(task.meta.get("kinds", ())) or task.repo,
        instance_id=task.instance_id,
        trajectory_id=trajectory.trajectory_id,
        step=len(turns) - 1,
    )
    return with_id(example)


def _unsound(loop: Loop, example: Example) -> str:
    """Why the example can't be trained on, by the names that stage synthesize counts under."""
    try:
        for text in target_texts(example):
            parse_action(text)
    except ActionError:
        return "unparseable"
    whole = "\n".join((*(m["content"] for m in example.prompt), example.completion))
    if leaks(whole, loop.half):
        return "leaking"
    ids, _ = render_example(loop.tokenizer, example.prompt, example.completion, example.train_on)
    return "truncated" if len(ids) > loop.player.lab.model.context_tokens else ""
