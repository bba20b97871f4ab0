"""Turn collected sessions into training examples, every format from the same hashed sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.lab.budget import match_tokens, training_tokens
from stages.lab.cells import Cells
from stages.lab.context import Lab, run_main
from stages.lab.episodes import read_sessions
from stages.lab.models import load_tokenizer
from stages.lab.splits import read_split
from stages.records import (
    Example,
    Trajectory,
    canonical_json,
    sha256_file,
    sha256_text,
    write_json,
    write_jsonl,
)
from stages.synthesize.filters import keep_sound
from stages.synthesize.rules import RuleTeacher
from stages.synthesize.teacher import Teacher

ROOMS = ("synthesize", "lab", "agent", "suites")


def work(lab: Lab) -> None:
    cells = Cells(lab.folder("data/synthetic"), ROOMS)
    tokenizer = load_tokenizer(lab.model)
    for world in lab.all_worlds:
        for split in lab.experiment.splits:
            source = lab.folder("data/trajectories") / f"{world}.jsonl"
            key = [
                sha256_file(source),
                sha256_file(lab.folder("data/splits") / "splits.json"),
                repr(lab.experiment.synthesis),
                repr(lab.model),
            ]
            name = f"{world}/{split}"

            def make(folder: Path, world: str = world, split: str = split) -> None:
                _write(lab, tokenizer, world, split, folder)

            cells.job(name, key, "", make)()
    cells.sweep()


def _write(lab: Lab, tokenizer: Any, world: str, split: str, folder: Path) -> None:
    half = read_split(lab, world, split)
    sessions = read_sessions(lab, world, half.train)
    teacher: Teacher = RuleTeacher()
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
    write_json(folder / "manifest.json", manifest)


def _text(example: Example) -> str:
    """All that an example shows and teaches; its ids aside, two equal ones are copies."""
    return canonical_json([example.prompt, example.completion, example.rejected])


def source_sha256(trajectories: Sequence[Trajectory]) -> str:
    """What identifies the set of source sessions: adapter and retrieval index must share it."""
    return sha256_text(canonical_json(sorted(t.trajectory_id for t in trajectories)))


if __name__ == "__main__":
    run_main("synthesize", work)
