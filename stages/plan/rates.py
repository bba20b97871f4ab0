"""Tokens and seconds of an episode: measured on earlier runs where there are any, else assumed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from stages.params import AgentParams

TRAJECTORY_FOLDERS = (Path("data/baseline"), Path("data/trajectories"))


@dataclasses.dataclass(frozen=True)
class EpisodeTokens:
    """One episode's tokens, means."""

    computed: float
    """Prompt tokens computed once (what the cache had isn't)."""
    written: float
    """Tokens the model wrote."""
    source: str
    """Measured where, or assumed."""


def episode_tokens(experiment: str, agent: AgentParams, same_model: bool) -> EpisodeTokens:
    """Means over the experiment's recorded trajectories; without any, the agent's limits.

    Records of another model or suite (``same_model`` False) aren't used: they differ by far more
    than the limits do.
    """
    rows = list(_infos(TRAJECTORY_FOLDERS, experiment)) if same_model else []
    if rows:
        fresh = sum(row["input_tokens"] - row.get("cached_tokens", 0) for row in rows) / len(rows)
        written = sum(row["output_tokens"] for row in rows) / len(rows)
        return EpisodeTokens(fresh, written, f"measured, {len(rows)} episodes in data/")
    written = min(agent.max_steps * agent.max_new_tokens, agent.max_tokens)
    return EpisodeTokens(
        max(agent.max_tokens - written, 0),
        written,
        "assumed: every episode uses up agent.max_tokens (an upper bound)",
    )


def training_rate(experiment: str) -> tuple[float, int] | None:
    """Measured training tokens a second, and how many adapters they are from."""
    files = sorted((Path("timings") / experiment).glob("train-*.json"))
    rows = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    seconds = sum(row["seconds"] for row in rows)
    return (sum(row["tokens"] for row in rows) / seconds, len(rows)) if seconds else None


def step_seconds(experiment: str) -> tuple[float, int] | None:
    """Measured seconds of an episode's steps (its share of the model's batches, and its tools)."""
    folder = Path("timings") / experiment
    totals = [
        sum(json.loads(line)["seconds"])
        for pattern in ("baseline-*.jsonl", "trajectories-*.jsonl")
        for file in sorted(folder.glob(pattern))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    return (sum(totals) / len(totals), len(totals)) if totals else None


def _infos(folders: Iterable[Path], experiment: str) -> Iterable[dict[str, int]]:
    for folder in folders:
        for file in sorted((folder / experiment).glob("*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                yield json.loads(line)["info"]
