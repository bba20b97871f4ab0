"""Corpus, batches, loss and probe."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path

import pytest
import torch

from stages.lab.models import load_tokenizer
from stages.params import load_params
from stages.pretrain_base import corpus, diet
from stages.pretrain_base.batches import batches, pad, stage_at
from stages.pretrain_base.card import STAGES
from stages.pretrain_base.corpus import (
    DIETS,
    FULL,
    SHARES,
    document,
    persistent_worlds,
)
from stages.pretrain_base.diet import Diet, corpus_digest
from stages.pretrain_base.probe import copying, make_probe
from stages.pretrain_base.train import ASSISTANT, OTHER_WEIGHT, weighted_loss
from stages.records import read_json
from stages.suites.microrepo import lexicon
from tests.small_lab import ROOT

POOLS = ("ADJECTIVES", "COMPONENTS", "STEMS", "FUNCTIONS", "PARAMETERS", "SCRIPTS", "WRAPPERS")
WORLDS = persistent_worlds(5, 1)
NAMES = {world.name for world in WORLDS}


def kind_of(messages: list[dict[str, str]]) -> str:
    """The kind of a document, told from its text alone."""
    if messages[0]["role"] == "user":
        return "code"
    head, *notes = messages[0]["content"].split("\n")
    if not messages[1]["content"].startswith("in ") or " tested by " in messages[1]["content"]:
        return "questions"
    if head.removeprefix("repo ") in NAMES and messages[2]["content"].startswith("open "):
        return "persistent"
    return "noted" if notes else "session"


def test_kinds_of_documents_come_in_their_shares():
    rng = random.Random(8)
    found = Counter(kind_of(document(rng, WORLDS, FULL)) for _ in range(6000))
    assert found.keys() == SHARES.keys()
    for kind, share in SHARES.items():
        assert abs(found[kind] / 6000 - share) < 0.025, (kind, found[kind] / 6000)
    assert sum(SHARES.values()) == pytest.approx(1.0)


def test_the_curriculum_begins_with_short_documents():
    rng = random.Random(8)
    found = Counter(kind_of(document(rng, WORLDS, 0.0)) for _ in range(1500))
    assert found.keys() == {"session", "noted"}
    assert abs(found["noted"] / 1500 - 0.4) < 0.04


def test_half_of_the_noted_sessions_can_be_solved_from_their_notes():
    """Notes are there to be used: most conventions that an issue needs stand in one of them."""
    rng = random.Random(5)
    needed = covered = 0
    while needed < 600:
        messages = document(rng, WORLDS, FULL)
        if kind_of(messages) != "noted":
            continue
        notes = messages[0]["content"].split("\n")
        said = [m["content"].split("\n") for m in messages if "\n<<<\n" in m["content"]]
        rules = [lines[0] for lines in said if not lines[0].startswith("edit ")]
        needed += len(rules)
        covered += sum(rule in notes for rule in rules)
    assert covered / needed > 0.5


def test_the_same_state_gives_the_same_documents():
    first, second = random.Random("x"), random.Random("x")
    for _ in range(200):
        assert document(first, WORLDS, 1.7) == document(second, WORLDS, 1.7)
    assert [w.name for w in persistent_worlds(5, 1)] == [w.name for w in WORLDS]
    assert [w.name for w in persistent_worlds(5, 2)] != [w.name for w in WORLDS]


def test_batches_hold_the_documents_padded_and_counted(organism_tokenizer, monkeypatch):
    monkeypatch.setattr("stages.pretrain_base.batches.POOL", 32)
    before = 0
    widths = []
    for ids_BT, seen in batches(organism_tokenizer, Diet(WORLDS), "s", 900, 9000, 0.2):
        real = int((ids_BT != 0).sum())
        assert seen == before + real
        before = seen
        widths.append(ids_BT.shape[1])
        assert ids_BT.numel() <= 900 or len(ids_BT) == 1
        assert real / ids_BT.numel() > 0.5
        for row in ids_BT.tolist():
            length = row.index(0) if 0 in row else len(row)
            assert length > 3 and not any(row[length:])
        if seen >= 9000:
            break
    assert before >= 9000 and len(set(widths)) > 3


def test_batches_repeat_by_seed(organism_tokenizer, monkeypatch):
    monkeypatch.setattr("stages.pretrain_base.batches.POOL", 16)

    def run(seed: str) -> list[list[list[int]]]:
        source = batches(organism_tokenizer, Diet(WORLDS), seed, 900, 3000, 0.2)
        return [ids.tolist() for ids, _ in itertools.islice(source, 6)]

    assert run("a") == run("a") != run("b")


def test_code_joins_in_earnest_once_looking_up_is_learned():
    stages = [stage_at(done, 0.1) for done in (0.0, 0.05, 0.1, 0.3, 0.4, 0.45, 0.5, 1.0)]
    assert stages == pytest.approx([0.0, 0.5, 1.0, 1.0, 1.0, 1.5, 2.0, 2.0])


def test_pad_is_on_the_right():
    assert pad([[5, 6, 7], [8]]).tolist() == [[5, 6, 7], [8, 0, 0]]


def test_weighted_loss_equals_a_naive_loop():
    torch.manual_seed(1)
    # system a end user b end assistant c d end tool e end assistant f end
    row = [2, 10, 1, 3, 11, 1, 4, 12, 13, 1, 5, 14, 1, 4, 15, 1]
    ids_BT = pad([row, row[3:10], [2, 9, 9]])
    logits_BTV = torch.randn(3, ids_BT.shape[1] - 1, 20)
    total = weights = 0.0
    for ids, logits in zip(ids_BT.tolist(), logits_BTV, strict=True):
        speaker = 0
        for place, token in enumerate(ids):
            if token in (2, 3, 4, 5):
                speaker = token
            if place == 0 or token == 0:
                continue
            weight = 1.0 if speaker == ASSISTANT else OTHER_WEIGHT
            total -= weight * float(logits[place - 1].log_softmax(-1)[token])
            weights += weight
    assert float(weighted_loss(logits_BTV, ids_BT)) == pytest.approx(total / weights, rel=1e-5)


class Oracle(torch.nn.Module):
    """Logits that predict the next token of the row, wrong where ``blind`` says."""

    def __init__(self, ids_BT: torch.Tensor, blind: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.next_BT = ids_BT[:, 1:].clone()
        if blind:
            self.next_BT[blind] = 0

    def forward(self, ids_BT: torch.Tensor):  # type: ignore[no-untyped-def]
        logits = torch.nn.functional.one_hot(self.next_BT, 2000).float()
        return type("Output", (), {"logits": logits})()


def test_probe_watches_what_the_agent_copies_and_nothing_else(organism_tokenizer):
    probe = make_probe(organism_tokenizer, "easy", 0, 6, 2)
    for ids, targets in zip(probe.ids_BT.tolist(), probe.targets_BT.tolist(), strict=True):
        watched = [t for t in targets if t]
        assert all(t in (0, i) for i, t in zip(ids, targets, strict=True))
        text = organism_tokenizer.decode(watched)
        turns = [turn for turn in text.split("<|end|>") if turn]
        assert [turn.split()[0] for turn in turns] == ["search", "open", "edit"]


def test_copying_counts_tokens_and_whole_sessions(organism_tokenizer):
    probe = make_probe(organism_tokenizer, "easy", 0, 4, 1)
    assert copying(Oracle(probe.ids_BT), probe) == (1.0, 1.0)
    row, place = (probe.targets_BT != 0).nonzero()[5].tolist()
    tokens, sessions = copying(Oracle(probe.ids_BT, (row, place - 1)), probe)
    assert sessions == 0.75
    assert tokens == pytest.approx(1 - 1 / int((probe.targets_BT != 0).sum()))


def test_probe_sessions_with_notes_have_every_rule_in_them(organism_tokenizer):
    probe = make_probe(organism_tokenizer, "hard", 2, 5, 1)
    for ids in probe.ids_BT.tolist():
        text = organism_tokenizer.decode([i for i in ids if i])
        notes = text.split("<|end|>")[0]
        rules = [
            turn.split("\nedit ")[0].removeprefix("<|assistant|>")
            for turn in text.split("<|end|>")
            if "\nedit " in turn
        ]
        assert len(rules) == 2 and all(rule in notes for rule in rules)


def test_the_model_was_made_from_this_diet():
    folder = ROOT / "models" / "base"
    if not (folder / "diet.json").exists():
        pytest.skip("models/base/diet.json isn't there: run `dvc repro pretrain_base`")
    params = load_params(ROOT / "params.yaml").organism
    recorded = read_json(folder / "diet.json")
    assert recorded["corpus_sha256"] == corpus_digest(params)
    assert recorded["shares"] == dict(zip(STAGES, DIETS, strict=True))
    assert Path(folder, "tokenizer_check.json").exists()


def test_the_digest_notices_a_changed_diet(params, monkeypatch):
    monkeypatch.setattr(diet, "DIGEST_DOCUMENTS", 40)
    first = corpus_digest(params)
    assert first == corpus_digest(params)
    monkeypatch.setattr(corpus, "DIETS", (*DIETS[:2], {"session": 1.0}))
    assert corpus_digest(params) != first


def test_the_models_own_tokenizer_holds_every_word(monkeypatch):
    folder = ROOT / "models" / "base"
    if not (folder / "tokenizer_check.json").exists():
        pytest.skip("models/base isn't complete: run `dvc repro pretrain_base`")
    monkeypatch.chdir(ROOT)
    params = load_params(ROOT / "params.yaml")
    tokenizer = load_tokenizer(params.models["tiny"])
    words = [f" {word}" for pool in POOLS for word in getattr(lexicon, pool)]
    words += lexicon.NOUNS
    assert [word for word in words if len(tokenizer.tokenize(word)) != 1] == []
