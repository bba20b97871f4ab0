"""What would tell that an adapter has gone stale, measured on sessions of the world it works in.

Per session, on its reference (the chat as it should have gone, known once the fix is merged):

``surprise``: loss of the adapter - loss of the base, nats per token of the agent's turns. An
adapter that has learned this world finds its sessions likelier than the base; a stale one less so.
``disagreement``: share of those tokens that the adapter would write otherwise with the current
notes in its context than without them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stages.adapters.folder import load_adapter
from stages.adapters.lora import attached, base_sha256
from stages.agent.chat import Message, render_example
from stages.evaluate.arms import session_index
from stages.evaluate.attached import Job, adapter_hash
from stages.evaluate.knowledge import retrieve
from stages.lab.arm_adapters import adapter_of, arms_in
from stages.lab.cells import Cells
from stages.lab.context import Lab
from stages.lab.pool import run_jobs
from stages.lab.splits import read_played
from stages.params import ParamsError, values_of
from stages.records import write_jsonl

INDICATORS = "indicators"
"""Folder of these measurements beside the conditions' files."""


@dataclasses.dataclass(frozen=True)
class Session:
    """One session's reference, without and with the current notes."""

    instance_id: str
    plain: list[Message]
    noted: list[Message]


def measures(lab: Lab) -> bool:
    """Whether some arm asks for indicators."""
    return any(arm.indicators for arm in (lab.experiment.arms or {}).values())


def evaluate_indicators(lab: Lab, base: tuple[Any, Any]) -> Cells:
    """Measure, or find measured, the indicators of every arm that asks for them."""
    cells = Cells(lab.folder("data/evaluations") / INDICATORS, "evaluate.indicators", *lab.rooms)
    jobs = [
        _job(lab, cells, base, f"{world}/{split}/{name}-s{seed}", folder, sessions)
        for world in lab.worlds
        for split in lab.experiment.splits
        for name, sessions in _asked(lab, world, split).items()
        for seed in lab.experiment.seeds
        for folder in [_folder(lab, world, split, name, seed)]
    ]
    run_jobs(jobs, INDICATORS, lab.workers)
    return cells


def _asked(lab: Lab, world: str, split: str) -> dict[str, list[Session]]:
    """Sessions on the test tasks for each arm that asks."""
    asking = [name for name, arm in arms_in(lab, world).items() if arm.indicators]
    return dict.fromkeys(asking, read_references(lab, world, split)) if asking else {}


def _folder(lab: Lab, world: str, split: str, name: str, seed: int) -> Path:
    place = adapter_of(lab, world, split, name, seed)
    if place is None:
        raise ParamsError(
            f"experiments.{lab.name}.arms.{name}.indicators: it has no adapter that could go "
            "stale. Name one, or leave indicators out."
        )
    return place.path


def read_references(lab: Lab, world: str, split: str) -> list[Session]:
    """The reference sessions of the test tasks; ParamsError for a suite that has none."""
    reference = getattr(lab.suite, "reference", None)
    if reference is None:
        raise ParamsError(
            f"experiments.{lab.name}: indicators need a suite that knows how a session should go "
            "(microrepo_drift). Take that, or leave the arms' `indicators` out."
        )
    index, sessions = session_index(lab, world, split), []
    for task in read_played(lab, world, split).test:
        chat = reference(task)
        notes = retrieve(index, task, lab.experiment.knowledge.top_k)
        opening = lab.suite.messages(task, notes)
        sessions.append(Session(task.instance_id, chat, [*opening, *chat[len(opening) :]]))
    return sessions


def _job(
    lab: Lab,
    cells: Cells,
    base: tuple[Any, Any],
    name: str,
    folder: Path,
    sessions: Sequence[Session],
) -> Job:
    key = [
        lab.base_sha256(),
        adapter_hash(folder),
        values_of(lab.model),
        [dataclasses.asdict(session) for session in sessions],
    ]
    return cells.job(name, key, ".jsonl", partial(_make, base, folder, sessions))


def _make(base: tuple[Any, Any], folder: Path, sessions: Sequence[Session], path: Path) -> None:
    model, tokenizer = base
    state, lora = load_adapter(folder, base_sha256(model))
    with attached(model, lora, state) as wrapped:
        wrapped.eval()
        rows = [indicators_of(wrapped, tokenizer, session) for session in sessions]
    write_jsonl(path, rows)


def indicators_of(wrapped: Any, tokenizer: Any, session: Session) -> Mapping[str, Any]:
    """One row: instance_id, surprise (nats per token), disagreement (share of tokens)."""
    logits, targets = turn_logits(wrapped, tokenizer, session.plain)
    with wrapped.disable_adapter():
        unadapted, _ = turn_logits(wrapped, tokenizer, session.plain)
    noted, same = turn_logits(wrapped, tokenizer, session.noted)
    if not torch.equal(targets, same):
        raise ValueError(f"{session.instance_id}: notes changed the tokens of the agent's turns.")
    loss = functional.cross_entropy(logits, targets) - functional.cross_entropy(unadapted, targets)
    other = (logits.argmax(-1) != noted.argmax(-1)).float().mean()
    return {
        "instance_id": session.instance_id,
        "surprise": round(float(loss), 6),
        "disagreement": round(float(other), 6),
    }


def turn_logits(model: Any, tokenizer: Any, chat: Sequence[Message]) -> tuple[Tensor, Tensor]:
    """Logits (N, V) for, and ids (N) of, the tokens of the assistant's turns of a whole chat."""
    *prompt, last = chat
    ids, mask = render_example(tokenizer, prompt, last["content"], "assistant")
    device = next(model.parameters()).device
    ids_S = torch.tensor(ids, device=device)
    targets_S = torch.tensor(mask[1:], device=device)
    with torch.no_grad():
        logits_SV = model(input_ids=ids_S[None]).logits[0, :-1]
    return logits_SV[targets_S].float(), ids_S[1:][targets_S]
