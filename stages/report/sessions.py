"""A handful of episodes of each condition, to read what the agent did."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stages.records import Trajectory, read_jsonl
from stages.report.read import place

EACH = 2
"""Episodes shown of those resolved, and of those not."""
EXTRAS = ("trained-", "guard-", "retention", "indicators-")
STREAM = "tasks-"
"""Begins the name of a file of a stream's episodes: one per checkpoint, in the arm's folder."""


def sessions(experiment: str, data: Path = Path("data")) -> dict[str, list[Trajectory]]:
    """condition -> the first episodes resolved and not, from its first file by name.

    Of base only tasks that another condition was given too, so that they can be compared. Empty
    where the episodes aren't on this machine (they aren't kept in Git).
    """
    files = shown_files(data / "evaluations" / experiment)
    read = {name: read_jsonl(path, Trajectory) for name, path in files.items()}
    tasks = {t.info["instance_id"] for episodes in read.values() for t in episodes}
    for path in sorted((data / "baseline" / experiment).glob("*.jsonl"))[:1]:
        base = read_jsonl(path, Trajectory)
        read["base"] = [t for t in base if t.info["instance_id"] in tasks or not tasks]
    return {name: handful(read[name]) for name in sorted(read, key=place)}


def shown_files(folder: Path) -> dict[str, Path]:
    """condition or arm -> its first file by name; of a stream's first run the last checkpoint."""
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.jsonl")):
        if path.name.startswith(STREAM):
            name = path.parent.name.rpartition("-s")[0]
            if name not in files or files[name].parent == path.parent:
                files[name] = path
        elif not path.name.startswith(EXTRAS):
            files.setdefault(path.stem.rpartition("-s")[0], path)
    return files


def handful(episodes: Iterable[Trajectory]) -> list[Trajectory]:
    """The first ``EACH`` resolved episodes and the first ``EACH`` others."""
    groups: dict[bool, list[Trajectory]] = {True: [], False: []}
    for episode in episodes:
        group = groups[episode.info["outcome"] == "resolved"]
        if len(group) < EACH:
            group.append(episode)
    return [*groups[True], *groups[False]]
