"""Serving: merged and unmerged adapter alike, and every arm decoded under the same settings."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from stages.adapters.certificate import MergeParity, NotLive
from stages.adapters.merge import Adapter
from stages.lab.arm_adapters import ARMS
from stages.records import read_json
from stages.stats.checks.check import Finding, judged
from stages.stats.checks.episodes import Episode
from stages.stats.checks.record import BASE, Record
from stages.stats.stream_states import state_folder

PROMPTS = 50
RESEEDED = ("aa",)
"""Conditions that are base with other seeds, by registration."""
Compare = Callable[[Record, int], MergeParity | NotLive | str]


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
    parity = (compare or parity_of_first)(record, PROMPTS)
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


def parity_of_first(record: Record, prompts: int) -> MergeParity | NotLive | str:
    """The experiment's first adapter on the openings of its tasks; or why it isn't tried."""
    from stages.adapters.certificate import merge_parity
    from stages.lab.chosen import load_base

    model = record.lab.model
    if model.kind != "local" or model.device != "cpu" or model.quantisation != "none":
        return "not tried: only a model that runs on a CPU is loaded for the audit"
    adapter = first_adapter(record)
    if adapter is None:
        return "not tried: the experiment has no adapter"
    base, tokenizer = load_base(model)
    try:
        return merge_parity(base, *adapter, openings(record, tokenizer, prompts))
    except NotLive as error:
        return error


def first_adapter(record: Record) -> Adapter | None:
    """Of the conditions, the arms, or else of a stream's last consolidation; None without any."""
    from stages.adapters.folder import AdapterError, load_adapter
    from stages.strategies.store import load_state

    for folder in adapter_folders(record):
        digest = read_json(folder / "provenance.json")["base_sha256"]
        with contextlib.suppress(AdapterError, OSError):  # check 5 names it
            return load_adapter(folder, digest)
    for stream in record.results.streams.streams:
        state = load_state(state_folder(stream, stream.last))
        return next(iter(state.adapters.values()))
    return None


def adapter_folders(record: Record) -> list[Path]:
    """Folders of the conditions' adapters, then of the arms', that hold one."""
    arms = record.lab.folder("models/adapters") / ARMS
    folders = [*(adapter.path for adapter in record.adapters), *sorted(arms.glob("*/*/*-s*/"))]
    return [folder for folder in folders if (folder / "provenance.json").exists()]


def openings(record: Record, tokenizer: object, prompts: int) -> Sequence[Sequence[int]]:
    """Token ids of the first chats of the experiment's tasks, at most ``prompts``."""
    from stages.agent.chat import render_prompt

    tasks = [task for world in record.lab.worlds for task in record.tasks[world].values()]
    return [render_prompt(tokenizer, record.lab.suite.messages(t)) for t in tasks[:prompts]]
