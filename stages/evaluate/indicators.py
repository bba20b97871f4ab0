"""What would tell that an adapter has gone stale, measured on sessions of the world it works in.

Per session, on its reference (the chat as it should have gone, known once the fix is merged):

``surprise``: loss of the adapter - loss of the base, nats per token of the agent's turns. An
adapter that has learned this world finds its sessions likelier than the base; a stale one less so.
``disagreement``: share of those tokens that the adapter would write otherwise with the current
notes in its context than without them.

And on the arm's own episode: ``failed_actions``, the share of its actions that failed, and how
often it followed the world as it was against what its context told (``conflicts`` of
``decisions``). A row's ``stale`` is 1 where the world has changed since the adapter was trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stages.adapters.folder import load_adapter
from stages.adapters.lora import attached, base_sha256
from stages.agent.chat import Message
from stages.agent.rendered import render_example
from stages.evaluate.arms import session_index
from stages.evaluate.attached import Job, adapter_hash
from stages.evaluate.knowledge import retrieve
from stages.lab.arm_adapters import INDICATORS, adapter_of, arm_episodes, arms_in
from stages.lab.cells import Cells
from stages.lab.context import Lab
from stages.lab.pool import run_jobs
from stages.lab.splits import read_played
from stages.params import ParamsError, values_of
from stages.records import Outcome, Task, Trajectory, read_jsonl, sha256_file, write_jsonl
from stages.suites.releases import severity_of


@dataclasses.dataclass(frozen=True)
class Session:
    """One session's reference, without and with the current notes."""

    task: Task
    plain: list[Message]
    noted: list[Message]


def measures(lab: Lab) -> bool:
    """Whether some arm asks for indicators."""
    return any(arm.indicators for arm in (lab.experiment.arms or {}).values())


def evaluate_indicators(lab: Lab, base: tuple[Any, Any]) -> Cells:
    """Measure, or find measured, the indicators of every arm that asks for them."""
    cells = Cells(lab.folder("data/evaluations") / INDICATORS, "evaluate.indicators", *lab.rooms)
    jobs = [
        _job(Measured(lab, world, split, name, seed), cells, base, sessions)
        for world in lab.worlds
        for split in lab.experiment.splits
        for name, sessions in _asked(lab, world, split).items()
        for seed in lab.experiment.seeds
    ]
    run_jobs(jobs, INDICATORS, lab.workers)
    return cells


@dataclasses.dataclass(frozen=True)
class Measured:
    """One arm in one world, split and seed, with its adapter and its episodes."""

    lab: Lab
    world: str
    split: str
    condition: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.world}/{self.split}/{INDICATORS}-{self.condition}-s{self.seed}"

    @property
    def episodes(self) -> Path:
        return arm_episodes(self.lab, self.world, self.split, self.condition, self.seed)

    @property
    def folder(self) -> Path:
        """Of its adapter; ParamsError for an arm without one."""
        place = adapter_of(self.lab, self.world, self.split, self.condition, self.seed)
        if place is None:
            raise ParamsError(
                f"experiments.{self.lab.name}.arms.{self.condition}.indicators: it has no adapter "
                "that could go stale. Name one, or leave indicators out."
            )
        return place.path

    def row(self, session: Session, episode: Trajectory) -> dict[str, Any]:
        """Where a row belongs, and what the arm's own episode shows."""
        steps = episode.info["steps"]
        told = [d for d in self.lab.suite.decisions(session.task, episode) if d.told]  # type: ignore[attr-defined]
        return {
            "world": self.world,
            "split": self.split,
            "seed": self.seed,
            "condition": self.condition,
            "instance_id": session.task.instance_id,
            "stale": int(bool(severity_of(self.world))),
            "failed": int(episode.info["outcome"] != Outcome.RESOLVED),
            "decisions": len(told),
            "conflicts": sum(decision.stale for decision in told),
            "scores": {"failed_actions": sum(not s["ok"] for s in steps) / max(1, len(steps))},
        }


def _asked(lab: Lab, world: str, split: str) -> dict[str, list[Session]]:
    """Sessions on the test tasks for each arm that asks."""
    asking = [name for name, arm in arms_in(lab, world).items() if arm.indicators]
    return dict.fromkeys(asking, read_references(lab, world, split)) if asking else {}


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
        sessions.append(Session(task, chat, [*opening, *chat[len(opening) :]]))
    return sessions


def _job(one: Measured, cells: Cells, base: tuple[Any, Any], sessions: Sequence[Session]) -> Job:
    key = [
        one.lab.base_sha256(),
        adapter_hash(one.folder),
        sha256_file(one.episodes),
        values_of(one.lab.model),
        [dataclasses.asdict(session) for session in sessions],
    ]
    return cells.job(one.name, key, ".jsonl", partial(_make, one, base, sessions))


def _make(one: Measured, base: tuple[Any, Any], sessions: Sequence[Session], path: Path) -> None:
    model, tokenizer = base
    state, lora = load_adapter(one.folder, base_sha256(model))
    episodes = read_jsonl(one.episodes, Trajectory)
    played = {str(t.info["instance_id"]): t for t in episodes if t.info["attempt"] == 0}
    rows = []
    with attached(model, lora, state) as wrapped:
        wrapped.eval()
        for session in sessions:
            episode = played[session.task.instance_id]
            if episode.info["outcome"] == Outcome.HARNESS_ERROR:
                continue  # ours, and no sign of the adapter's
            row = one.row(session, episode)
            row["scores"] |= indicators_of(wrapped, tokenizer, session)
            rows.append({**row, "scores": {k: round(v, 6) for k, v in row["scores"].items()}})
    write_jsonl(path, rows)


def indicators_of(wrapped: Any, tokenizer: Any, session: Session) -> dict[str, float]:
    """Surprise (nats per token) and disagreement (share of tokens) of an attached adapter."""
    logits, targets = turn_logits(wrapped, tokenizer, session.plain)
    with wrapped.disable_adapter():
        unadapted, _ = turn_logits(wrapped, tokenizer, session.plain)
    noted, same = turn_logits(wrapped, tokenizer, session.noted)
    if not torch.equal(targets, same):
        raise ValueError(
            f"{session.task.instance_id}: notes changed the tokens of the agent's turns."
        )
    loss = functional.cross_entropy(logits, targets) - functional.cross_entropy(unadapted, targets)
    other = (logits.argmax(-1) != noted.argmax(-1)).float().mean()
    return {"surprise": float(loss), "disagreement": float(other)}


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
