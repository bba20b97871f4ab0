"""Turn collected sessions into training examples, every format from the same hashed sessions."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stages.lab.budget import BudgetError, match_tokens, training_tokens
from stages.lab.cells import Cell, Cells
from stages.lab.chosen import load_tokenizer
from stages.lab.context import Lab, run_main
from stages.lab.episodes import read_sessions
from stages.lab.pool import run_jobs
from stages.lab.splits import read_split
from stages.params import values_of
from stages.records import (
    Example,
    Trajectory,
    canonical_json,
    sha256_file,
    sha256_text,
    write_json,
    write_jsonl,
)
from stages.synthesize.chosen import open_teacher, teacher_key, teacher_rooms
from stages.synthesize.filters import keep_sound
from stages.synthesize.teacher import Teacher


def work(lab: Lab) -> None:
    rooms = ("synthesize.__main__", *teacher_rooms(lab), *lab.rooms)
    cells = Cells(lab.folder("data/synthetic"), *rooms, shared=True)
    teacher = open_teacher(lab)
    tokenizer = functools.cache(partial(load_tokenizer, lab.model))
    worlds = [
        [_cell(lab, cells, teacher, tokenizer, world, split) for split in lab.experiment.splits]
        for world in lab.all_worlds
    ]
    missing = [halves for halves in worlds if not all(cell.at_hand() for cell in halves)]
    if missing:
        tokenizer()
        # Rules share what they played among a world's splits; a language model isn't forked.
        workers = 0 if lab.experiment.synthesis.teacher is None else 1
        run_jobs([partial(_make_all, halves) for halves in missing], "examples", workers)
    cells.sweep()


def _make_all(cells: Sequence[Cell]) -> None:
    for cell in cells:
        cell()


def _cell(
    lab: Lab,
    cells: Cells,
    teacher: Teacher,
    tokenizer: Callable[[], Any],
    world: str,
    split: str,
) -> Cell:
    half = read_split(lab, world, split)
    key = [
        sha256_file(lab.folder("data/trajectories") / f"{world}.jsonl"),
        [[(t.instance_id, t.tree_hash) for t in part] for part in (half.train, half.test)],
        lab.suite.settings(),
        values_of(lab.experiment.synthesis),
        values_of(lab.model),
        values_of(lab.agent_params),
        values_of(lab.params.sandbox),
        *teacher_key(lab),
    ]

    def make(folder: Path) -> None:
        _write(lab, teacher, tokenizer(), world, split, folder)

    return cells.job(f"{world}/{split}", key, "", make)


def _write(
    lab: Lab, teacher: Teacher, tokenizer: Any, world: str, split: str, folder: Path
) -> None:
    half = read_split(lab, world, split)
    sessions = read_sessions(lab, world, half.train)
    teacher.prepare(lab, sessions)
    settings = lab.experiment.synthesis
    counts: dict[str, Any] = {}
    sound: dict[str, list[Example]] = {}
    forbidden = [task.problem_statement for task in half.test]
    for name in settings.formats:
        written = [teacher.write(name, task, attempts) for task, attempts in sessions]
        kept, dropped = keep_sound(
            (example for one in written for example in one.examples),
            tokenizer,
            lab.model.context_tokens,
            forbidden,
            settings.pairs_per_session,
        )
        sound[name] = kept
        counts[name] = {
            "written": sum(len(one.examples) for one in written),
            "missing": dict(Counter(reason for one in written for reason in one.missing)),
            "dropped": dict(dropped),
            "kept": len(kept),
            "different_texts": len({_text(example) for example in kept}),
        }
        if not kept:
            raise BudgetError(_nothing(name, world, split, counts[name]))
    chosen = match_tokens(sound, settings.tokens, lambda e: training_tokens(tokenizer, e))
    for name, examples in chosen.items():
        counts[name]["tokens"] = sum(training_tokens(tokenizer, e) for e in examples)
        counts[name]["examples"] = len(examples)
        write_jsonl(folder / f"{name}.jsonl", examples)
    manifest = {
        "source_sha256": source_sha256([t for _, attempts in sessions for t in attempts]),
        "sessions": len(sessions),
        "trajectories": sum(len(attempts) for _, attempts in sessions),
        "formats": counts,
    }
    if cost := teacher.cost():
        manifest["teacher"] = cost
    write_json(folder / "manifest.json", manifest)


def _nothing(name: str, world: str, split: str, counts: dict[str, Any]) -> str:
    return (
        f"{world}, split {split}, format {name}: no example is fit to train on (written: "
        f"{counts['written']}; missing: {counts['missing']}; dropped: {counts['dropped']}). Mend "
        "what the reasons name (collect more attempts, take another teacher), or leave the format "
        "out of the registration."
    )


def _text(example: Example) -> str:
    """All that an example shows and teaches; its ids aside, two equal ones are copies."""
    return canonical_json([example.prompt, example.completion, example.rejected])


def source_sha256(trajectories: Sequence[Trajectory]) -> str:
    """What identifies the set of source sessions: adapter and retrieval index must share it."""
    return sha256_text(canonical_json(sorted(t.trajectory_id for t in trajectories)))


if __name__ == "__main__":
    run_main("synthesize", work)
