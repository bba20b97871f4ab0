"""A small sound run written to disk, for checks to pass on and mistakes to be planted in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from stages.adapters.folder import save_adapter
from stages.adapters.lora import LoraSettings, adapter_sha256, delta_norms
from stages.lab.arm_adapters import arm_episodes
from stages.lab.context import Lab
from stages.params import CriterionParams, Params, ProceduralParams, load_params
from stages.records import (
    Example,
    Task,
    Trajectory,
    read_json,
    read_jsonl,
    write_json,
    write_jsonl,
)
from stages.stats.checks.record import Record
from stages.stats.results import read_results
from stages.suites.microrepo.suite import Microrepo

ROOT = Path(__file__).parents[3]
WORLD, SPLIT, SEEDS = "oak_harbor", "C", (0, 1)
CONDITIONS = ("base", "aa", "knowledge", "skill")
SUITE = Microrepo(60, 7)
SPLITS = Path("data/splits/p1")
TESTED = Path("data/evaluations/p1") / WORLD / SPLIT
EXAMPLES = Path("data/synthetic/p1") / WORLD / SPLIT / "T.jsonl"
SKILL = Path("models/adapters/p1") / WORLD / SPLIT / "skill-s0"
LORA = LoraSettings(rank=2, alpha=4.0)


@cache
def read_params() -> Params:
    """params.yaml, read once: that takes longer than a check."""
    return load_params(ROOT / "params.yaml")


def make_lab(**changes: Any) -> Lab:
    """The pilot with two seeds, one balanced split and four conditions; ``changes`` on top."""
    params = read_params()
    old = params.experiments["p1"]
    values: dict[str, Any] = {
        "kind": "registered",
        "splits": (SPLIT,),
        "worlds": (WORLD,),
        "seeds": SEEDS,
        "train": dataclasses.replace(old.train, min_examples=10),
        "evaluate": dataclasses.replace(old.evaluate, conditions=CONDITIONS),
        "criteria": {
            "ft": CriterionParams(
                estimand="forward_transfer.skill", comparator=">", threshold=0.0, test="mcnemar"
            )
        },
        "minimum_tasks": 10,
    }
    experiment = dataclasses.replace(old, **(values | changes))
    guard = params.suites["procedural"]
    assert isinstance(guard, ProceduralParams)
    suites = params.suites | {"procedural": dataclasses.replace(guard, per_kind=1)}
    params = dataclasses.replace(params, experiments={"p1": experiment}, suites=suites)
    return Lab("p1", params, experiment, params.models["tiny"], SUITE)


def chosen_tasks() -> list[Task]:
    """Two dozen tasks whose issues don't give their answers away, sorted by difficulty and date."""
    fitting = []
    for task in SUITE.tasks(WORLD):
        added = [x[1:].strip() for x in task.patch.splitlines() if x.startswith("+")]
        if not any(len(line) > 3 and line in task.problem_statement for line in added):
            fitting.append(task)
    order = {"easy": 0, "medium": 1, "hard": 2}
    return sorted(fitting[:24], key=lambda task: (order[task.difficulty], task.created_at))


def write_run() -> None:
    """Everything the stages before stats would have written, below the current folder."""
    tasks = chosen_tasks()
    train, test = tasks[0::2], tasks[1::2]
    names = [task.instance_id for task in tasks]
    write_jsonl(SPLITS / f"tasks-{WORLD}.jsonl", tasks)
    halves = {"train": [t.instance_id for t in train], "test": [t.instance_id for t in test]}
    write_json(SPLITS / "splits.json", {WORLD: {SPLIT: halves}})
    write_json(SPLITS / "gold.json", {WORLD: {"runs": 3, "tasks": names, "failed": {}}})
    write_jsonl(EXAMPLES, [example(task) for task in train])
    for seed in SEEDS:
        digest = write_adapter(SKILL.with_name(f"skill-s{seed}"), seed)
        baseline = Path("data/baseline/p1") / f"{WORLD}-s{seed}.jsonl"
        write_jsonl(baseline, episodes(tasks, "base", seed))
        for name in CONDITIONS[1:]:
            adapter = digest if name == "skill" else ""
            note = [f"note {train[0].problem_statement}"] if name == "knowledge" else []
            rows = episodes(test, name, seed + 500 * (name == "aa"), adapter, note)
            write_jsonl(TESTED / f"{name}-s{seed}.jsonl", rows)
        trained = episodes(train, "skill", seed, digest)
        write_jsonl(TESTED / f"trained-skill-s{seed}.jsonl", trained)
        for arm in ("base", "skill"):
            write_jsonl(TESTED / f"guard-{arm}-s{seed}.jsonl", guard_rows())


def example(task: Task) -> Example:
    """A corrected session in the agent's own format."""
    prompt = (
        *SUITE.messages(task),
        {"role": "assistant", "content": f"open {task.meta['path']}"},
        {"role": "tool", "content": "text"},
    )
    name = f"example-{task.instance_id}"
    return Example(name, "T", prompt, "submit", train_on="assistant", instance_id=task.instance_id)


def episodes(
    tasks: Sequence[Task], condition: str, seed: int, adapter: str = "", notes: Sequence[str] = ()
) -> list[Trajectory]:
    """One episode per task; a third of base's and of aa's are resolved, half of the others'."""
    share = 3 if condition in ("base", "aa") else 2
    return [
        episode(task, condition, drawn_seed(task, seed), n % share == 0, adapter, notes)
        for n, task in enumerate(tasks)
    ]


def drawn_seed(task: Task, seed: int) -> int:
    """One number per task and seed, the same in every condition."""
    return 1000 * seed + int(task.instance_id.rpartition("__")[2])


def episode(
    task: Task, condition: str, seed: int, right: bool, adapter: str, notes: Sequence[str]
) -> Trajectory:
    path = task.meta["path"]
    edit = f"edit {path}\n<<<\na\n===\nb {seed} {condition}\n>>>"
    done = [(f"open {path}", "text"), (edit, "edited"), ("test python t.py", "no file t.py")]
    done.append(("submit", ""))
    messages = SUITE.messages(task, notes)
    for action, observation in done:
        messages.append({"role": "assistant", "content": action})
        messages.append({"role": "tool", "content": observation})
    steps = [
        {
            "action": a,
            "observation": o,
            "ok": True,
            "input_tokens": 9,
            "output_tokens": 5,
            "cached_tokens": 0,
            "seconds": 0.0,
        }
        for a, o in done
    ]
    info = {
        "instance_id": task.instance_id,
        "condition": condition,
        "seed": seed,
        "attempt": 0,
        "outcome": "resolved" if right else "unresolved",
        "tests": dict.fromkeys(task.FAIL_TO_PASS, right),
        "pathology": "none",
        "exit_status": "submitted",
        "n_steps": len(steps),
        "input_tokens": 36,
        "output_tokens": 20,
        "cached_tokens": 0,
        "invalid_actions": 0,
        "unparsed_writes": 0,
        "submission": task.patch if right else "--- a/x.py\n+++ b/x.py\n-    a\n+    pass\n",
        "tree_hash": task.tree_hash,
        "adapter_hash": adapter,
        "steps": steps,
    }
    return Trajectory(tuple(messages[:-1]), info)


def write_adapter(folder: Path, seed: int) -> str:
    """Two adapted layers, rank 2, with what train_adapter records beside them."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name in ("layers.0.up_proj", "layers.1.up_proj"):
        for part, shape in (("A", (2, 6)), ("B", (5, 2))):
            key = f"base_model.model.{name}.lora_{part}.weight"
            state[key] = torch.randn(shape, generator=generator)
    digest = adapter_sha256(state)
    save_adapter(folder, state, LORA, "models/base", "base")
    norm = sum(value**2 for value in delta_norms(state, LORA).values()) ** 0.5
    certificate = {"adapter_sha256": digest, "base_sha256": "base", "delta_norm": norm}
    write_json(folder / "certificate.json", {**certificate, "logit_shift_max": 0.2})
    losses = [2.0 - 0.1 * step for step in range(12)]
    write_json(folder / "losses.json", losses)
    write_json(
        folder / "facts.json",
        {"examples": 12, "target_tokens": 240, "last_loss": losses[-1]},
    )
    return digest


def guard_rows() -> list[dict[str, Any]]:
    return [
        {
            "problem_id": f"p{n}",
            "kind": "sum",
            "difficulty": 1,
            "sample": 0,
            "passed": n % 3 > 0,
            "tokens": 20,
            "finish": "stop",
        }
        for n in range(800)
    ]


def read_record(lab: Lab | None = None) -> Record:
    """The run as the audit reads it; examples are measured in characters."""
    lab = lab or make_lab()
    record = Record(lab, read_results(lab))
    vars(record)["measure"] = lambda e: (sum(len(m["content"]) for m in e.prompt), 1)
    return record


def copy_arm(lab: Lab, arm: str, condition: str) -> None:
    """An arm whose episodes are a condition's, under the arm's name."""
    for seed in SEEDS:
        path = arm_episodes(lab, WORLD, SPLIT, arm, seed)
        rows = read_jsonl(TESTED / f"{condition}-s{seed}.jsonl", dict)
        write_jsonl(path, [{**row, "info": {**row["info"], "condition": arm}} for row in rows])


def change_rows(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change every row of a file in place."""
    rows = read_jsonl(path, dict)
    for row in rows:
        change(row)
    write_jsonl(path, rows)


def change_json(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a JSON file in place."""
    value = read_json(path)
    change(value)
    write_json(path, value)
