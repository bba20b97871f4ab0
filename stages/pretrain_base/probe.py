"""The measure to watch while training: is every token of search, open and edit copied exactly?"""

from __future__ import annotations

import dataclasses
import random

import torch
from transformers import PreTrainedTokenizerFast

from stages.agent.actions import parse_action
from stages.agent.chat import Message, render_example
from stages.pretrain_base.batches import pad
from stages.suites.microrepo.expert import Knowledge, expert_session
from stages.suites.microrepo.issues import DIFFICULTIES
from stages.suites.microrepo.world import HELD_OUT, draw_issue, make_world


@dataclasses.dataclass(frozen=True)
class Probe:
    """Sessions with the positions (b, t) whose next token must be right."""

    ids_BT: torch.Tensor
    targets_BT: torch.Tensor


def make_probe(
    tokenizer: PreTrainedTokenizerFast, difficulty: str, notes: int, count: int, seed: int
) -> Probe:
    """Sessions of one difficulty in unseen worlds; tests and submit are left out of the measure.

    With notes, every convention the issue needs stands in one of them.
    """
    rng = random.Random(f"probe {difficulty} {notes} {seed}")
    rows, targets = [], []
    while len(rows) < count:
        world = make_world(rng.choice(HELD_OUT), rng.randrange(10**6))
        issue = draw_issue(world, rng)
        if issue.draft.difficulty != difficulty or difficulty not in DIFFICULTIES:
            continue
        known = tuple(_covering(world, issue, notes, rng))
        session = expert_session(world, issue, Knowledge(notes=known), rng)
        ids, target = _targets(tokenizer, session)
        rows.append(ids)
        targets.append(target)
    return Probe(pad(rows), pad(targets))


def _covering(world, issue, notes, rng):  # type: ignore[no-untyped-def]
    wanted = {c.convention for c in issue.draft.changes if c.convention}
    found = []
    while notes and (wanted or len(found) < notes):
        note = draw_issue(world, rng)
        kinds = {c.convention for c in note.draft.changes if c.convention}
        if wanted & kinds or not wanted:
            found.append(note)
            wanted -= kinds
    return found


def _targets(
    tokenizer: PreTrainedTokenizerFast, session: list[Message]
) -> tuple[list[int], list[int]]:
    ids: list[int] = []
    target: list[int] = []
    for index, message in enumerate(session):
        if message["role"] != "assistant":
            continue
        through, mask = render_example(tokenizer, session[:index], message["content"])
        watched = parse_action(message["content"]).tool in ("search", "open", "edit")
        target += [
            token if learn and watched else 0
            for token, learn in zip(through[len(ids) :], mask[len(ids) :], strict=True)
        ]
        ids = through
    return ids, target


@torch.no_grad()
def copying(model: torch.nn.Module, probe: Probe) -> tuple[float, float]:
    """Share of watched tokens right, and share of sessions with every one right."""
    predicted_BT = model(probe.ids_BT[:, :-1]).logits.argmax(-1)
    want_BT = probe.targets_BT[:, 1:]
    watched_BT = want_BT != 0
    right_BT = (predicted_BT == want_BT) | ~watched_BT
    tokens = (right_BT & watched_BT).sum() / watched_BT.sum()
    return float(tokens), float(right_BT.all(1).float().mean())
