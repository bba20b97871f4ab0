"""Check 6's measurement, made while the model is at hand: an adapter merged against unmerged."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.adapters.certificate import NotLive, merge_parity
from stages.adapters.folder import AdapterError, load_adapter
from stages.adapters.lora import adapter_sha256
from stages.adapters.merge import Adapter
from stages.agent.chat import render_prompt
from stages.lab.arm_adapters import ARMS
from stages.lab.cells import Cells
from stages.lab.chosen import load_base
from stages.lab.context import Lab
from stages.lab.places import PARITY, adapter_places
from stages.lab.splits import read_split
from stages.lab.streams import steps_of, stream_places, stream_sessions
from stages.params import values_of
from stages.records import read_json, write_json
from stages.strategies.store import load_state

PROMPTS = 50


def measure_parity(lab: Lab) -> list[Path]:
    """Compare, or find compared, the experiment's first adapter; the file that says it, its stamp.

    In the file: ``adapter_sha256`` and either the numbers of MergeParity or ``not_live``, why they
    differ; or ``not_tried`` alone, why there was nothing to compare.
    """
    cells = Cells(lab.folder("data/evaluations"), "evaluate.parity", *lab.rooms, shared=True)
    model = lab.model
    adapter = first_adapter(lab)
    reason = ""
    if model.kind != "local" or model.device != "cpu" or model.quantisation != "none":
        reason = "only a model that runs on a CPU is merged for the audit"
    elif adapter is None:
        reason = "the experiment has no adapter"
    chats = openings(lab)
    digest = "" if adapter is None else adapter_sha256(adapter[0])

    def make(path: Path) -> None:
        if adapter is None or reason:
            write_json(path, {"not_tried": reason})
        else:
            write_json(path, {"adapter_sha256": digest, **_compared(lab, adapter, chats)})

    key = [lab.base_sha256(), values_of(model), digest, reason, chats]
    cell = cells.job(PARITY.removesuffix(".json"), key, ".json", make)
    return [cell(), cell.stamp]


def _compared(
    lab: Lab, adapter: Adapter, chats: Sequence[Sequence[dict[str, str]]]
) -> dict[str, Any]:
    base, tokenizer = load_base(lab.model)
    prompts = [render_prompt(tokenizer, list(chat)) for chat in chats]
    try:
        return dataclasses.asdict(merge_parity(base, *adapter, prompts))
    except NotLive as error:
        return {"not_live": str(error)}


def first_adapter(lab: Lab) -> Adapter | None:
    """Of the conditions, the arms, or else of a stream's last consolidation; None without any."""
    for folder in adapter_folders(lab):
        digest = read_json(folder / "provenance.json")["base_sha256"]
        with contextlib.suppress(AdapterError, OSError):  # check 5 names it
            return load_adapter(folder, digest)
    for place in stream_places(lab) if lab.experiment.stream else ():
        last = steps_of(lab, stream_sessions(lab, place.world, place.split))[-1]
        return next(iter(load_state(place.path / last.name).adapters.values()))
    return None


def adapter_folders(lab: Lab) -> list[Path]:
    """Folders of the conditions' adapters, then of the arms', that hold one."""
    arms = lab.folder("models/adapters") / ARMS
    folders = [*(place.path for place in adapter_places(lab)), *sorted(arms.glob("*/*/*-s*/"))]
    return [folder for folder in folders if (folder / "provenance.json").exists()]


def openings(lab: Lab) -> list[list[dict[str, str]]]:
    """The first chats of the experiment's tasks, at most ``PROMPTS``."""
    found: dict[str, list[dict[str, str]]] = {}
    for world in lab.worlds:
        half = read_split(lab, world, lab.experiment.splits[0])
        for task in (*half.train, *half.test):
            if len(found) == PROMPTS:
                break
            found[task.instance_id] = [dict(message) for message in lab.suite.messages(task)]
    return list(found.values())
