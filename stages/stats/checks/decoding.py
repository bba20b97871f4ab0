"""Serving: merged and unmerged adapter alike, and every arm decoded under the same settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from stages.adapters.certificate import MergeParity, NotLive
from stages.lab.places import PARITY
from stages.records import read_json
from stages.stats.checks.check import Finding, judged
from stages.stats.checks.episodes import Episode
from stages.stats.checks.record import BASE, Record

RESEEDED = ("aa",)
"""Conditions that are base with other seeds, by registration."""
Compare = Callable[[Record], MergeParity | NotLive | str]


def decoded_alike(record: Record, compare: Compare | None = None) -> Finding:
    """Check 6: one adapter merged and unmerged on 50 prompts; arms under one decoding.

    Decoding is held against what episodes record: every arm plays a task of a run with base's own
    random seed, no answer is longer than the registered limit, no episode has more steps, and
    where a temperature is recorded it is one for all. ``merged`` says where parity wasn't tried.
    """
    problems = [*_other_seeds(record), *_other_limits(record), *_other_temperatures(record)]
    evidence: dict[str, float | int | str] = {
        "episodes": len(record.episodes),
        "conditions": len({episode.condition for episode in record.episodes}),
    }
    parity = (compare or parity_of_first)(record)
    if isinstance(parity, MergeParity):
        evidence |= {
            "prompts": parity.n_probes,
            "max_logit_difference": parity.max_logit_difference,
            "argmax_agreement": parity.argmax_agreement,
        }
    elif isinstance(parity, NotLive):
        problems.append(str(parity))
    else:
        evidence["merged"] = parity
    return judged(
        evidence,
        problems,
        "Apply adapters, don't merge them; play the named arm again with the experiment's own "
        "temperature, limits and seeds.",
    )


def _other_seeds(record: Record) -> list[str]:
    drawn = {
        (e.world, e.instance_id, e.seed, e.attempt): e.drawn_seed
        for e in record.episodes
        if e.condition == BASE
    }
    wrong: dict[str, str] = {}
    for e in record.episodes:
        known = drawn.get((e.world, e.instance_id, e.seed, e.attempt))
        if e.condition not in (BASE, *RESEEDED) and known not in (None, e.drawn_seed):
            wrong.setdefault(e.path, f"{e.path}: {e.instance_id} has another seed than base's")
    return list(wrong.values())


def _other_limits(record: Record) -> list[str]:
    limits = record.lab.agent_params
    wrong: dict[str, str] = {}
    for e in record.episodes:
        if max(e.output_tokens, default=0) > limits.max_new_tokens:
            wrong[e.path] = f"{e.path}: {e.instance_id} has an answer over the limit of tokens"
        if len(e.tools) > limits.max_steps:
            wrong[e.path] = f"{e.path}: {e.instance_id} has more steps than the limit"
    return list(wrong.values())


def _other_temperatures(record: Record) -> list[str]:
    recorded: dict[float, list[Episode]] = defaultdict(list)
    for episode in record.episodes:
        if episode.temperature is not None:
            recorded[episode.temperature].append(episode)
    if len(recorded) < 2:
        return []
    rarest = min(recorded.values(), key=len)[0]
    temperatures = ", ".join(map(str, sorted(recorded)))
    return [f"{rarest.path}: temperatures {temperatures} are recorded"]


def parity_of_first(record: Record) -> MergeParity | NotLive | str:
    """What stage evaluate found of the experiment's first adapter, or why it didn't try.

    NotLive without its file: nothing then shows that what was served is what was trained.
    """
    path = record.lab.folder("data/evaluations") / PARITY
    if not path.exists():
        return NotLive(f"there is no {path}, so nothing was compared. Run `dvc repro`.")
    found = read_json(path)
    if "not_tried" in found:
        return f"not tried: {found['not_tried']}"
    if "not_live" in found:
        return NotLive(found["not_live"])
    return MergeParity(found["max_logit_difference"], found["argmax_agreement"], found["n_probes"])
