"""What the strategies' own States say: the router's held-out sessions, and what was compressed."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path
from typing import Any

from stages.lab.context import Lab
from stages.records import read_json
from stages.stats.intervals import Undefined
from stages.stats.streams import Stream


def state_folder(stream: Stream, consolidation: int) -> Path:
    return stream.folder / f"c{consolidation:04}"


def router_right(lab: Lab, stream: Stream) -> dict[str, float] | Undefined:
    """Session → share of its queries that the last router sends to their category; held out only.

    Which sessions were held out follows from the stream's seed, as it did when the router was fit;
    Undefined when that doesn't give the numbers that were recorded then.
    """
    from stages.strategies.experts import LABELS, QUERIES
    from stages.strategies.router import RouterSettings, held_out_sessions, router_logits
    from stages.strategies.store import load_state

    params = lab.experiment.stream.arms[stream.arm] if lab.experiment.stream else None
    if params is None or params.strategy != "experts":
        return Undefined(f"{stream.name} has no router")
    settings = params.settings.get("router") or {}
    share = settings.get("held_out", RouterSettings().held_out)
    state = load_state(state_folder(stream, stream.last))
    sessions = state.facts["sessions"]
    apart = held_out_sessions(sessions, share, state.seed)
    guessed = router_logits(dict(state.tensors), state.tensors[QUERIES]).argmax(1).tolist()
    labels = state.tensors[LABELS].tolist()
    right: dict[str, list[bool]] = defaultdict(list)
    for session, guess, label in zip(sessions, guessed, labels, strict=True):
        if session in apart:
            right[session].append(guess == label)
    recorded, found = state.facts["router"][-1], [r for each in right.values() for r in each]
    if (sum(found), len(found)) != (recorded["right"], recorded["held_out"]):
        return Undefined(
            f"{stream.name}: the router's accuracy found again is {sum(found)} of {len(found)}, "
            f"recorded were {recorded['right']} of {recorded['held_out']}"
        )
    return {session: sum(each) / len(each) for session, each in right.items()}


@dataclasses.dataclass(frozen=True)
class Compression:
    """Adapters of earlier consolidations, merged and cut by a truncated SVD."""

    consolidation: int
    """number of the consolidation at whose end it happened"""
    first: int
    last: int
    """the consolidations whose sessions the merged adapters hold"""
    rank_before: int
    rank_after: int
    energy_kept: float
    """share of the squared norm of ΔW that the cut keeps"""


def compressions(stream: Stream) -> list[Compression]:
    """Every cut of a stream, in order; none for a strategy that makes none."""
    found = []
    for number, fact in enumerate(noted(stream).get("consolidations", []), start=1):
        for cut in fact["compressions"]:
            names = cut["merged"]
            first, last = int(names[0].split("-")[0]), int(names[-1].split("-")[1])
            before, after = cut["rank"]
            found.append(Compression(number, first, last, before, after, cut["energy_kept"]))
    return found


def noted(stream: Stream) -> dict[str, Any]:
    """What the strategy itself has noted of all its consolidations (``State.facts``)."""
    path = state_folder(stream, stream.last) / "state.json"
    return read_json(path)["facts"] if path.exists() else {}
