"""Trivia and maths in the diet: what is drawn, what is never drawn, and that nothing else moved."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import random
from collections import Counter
from pathlib import Path

import pytest
import torch

from stages.params import ParamsError, load_params, values_of
from stages.pretrain_base import __main__ as main
from stages.pretrain_base import batches as batches_module
from stages.pretrain_base import card, skills, train
from stages.pretrain_base.batches import batches, stage_at
from stages.pretrain_base.corpus import FULL
from stages.pretrain_base.diet import diet_of
from stages.pretrain_base.model import new_model, take_weights
from stages.pretrain_base.tokenizer import load_tokenizer
from stages.records import read_json, sha256_file, write_json
from stages.suites import beliefs, reckoning
from tests.small_lab import ROOT

BASE = ROOT / "models" / "base"
BEFORE = {
    "base": "ebf3de85d4acb5524dbfc043f0fd07e45da5938b3057e0476bcb4e7094eefcb2",
    "narrow": "cbf85727fc3dacc4b6f3a9bdd406e25d9193e4d683959c87f07991baa0e6117d",
    "shallow": "cbf85727fc3dacc4b6f3a9bdd406e25d9193e4d683959c87f07991baa0e6117d",
    "short": "cbf85727fc3dacc4b6f3a9bdd406e25d9193e4d683959c87f07991baa0e6117d",
}
"""Hashes of the first 20 batches of worker 0, written down at ee0017c, before trivia and maths."""


@pytest.fixture
def scholar():
    return load_params(ROOT / "params.yaml").organisms["scholar"]


@pytest.mark.parametrize("name", BEFORE)
def test_earlier_organisms_read_the_same_batches_as_before(name, monkeypatch) -> None:
    monkeypatch.setattr(batches_module, "POOL", 32)
    loaded = load_params(ROOT / "params.yaml")
    params = loaded.organism if name == "base" else loaded.organisms[name]
    source = batches(
        load_tokenizer(BASE),
        diet_of(params),
        f"diet {params.seed} 0",
        params.batch_tokens // params.workers,
        60_000,
        params.curriculum,
    )
    digest = hashlib.sha256()
    for ids_BT, seen in itertools.islice(source, 20):
        digest.update(json.dumps([ids_BT.tolist(), seen]).encode())
    assert digest.hexdigest() == BEFORE[name]


def test_documents_come_in_their_shares(scholar) -> None:
    diet = diet_of(scholar)
    rng = random.Random(3)
    found = Counter(_kind(diet.document(rng, FULL)) for _ in range(3000))
    assert abs(found["trivia"] / 3000 - scholar.trivia) < 0.03
    assert abs(found["maths"] / 3000 - scholar.maths) < 0.03


def _kind(messages: list[dict[str, str]]) -> str:
    last = messages[-1]["content"]
    if last.startswith("note ") and "\nanswer: " in last:
        return "maths"
    asked = messages[0]["role"] == "user" and not messages[0]["content"].startswith("write ")
    return "trivia" if asked else "old"


def test_beliefs_are_told_as_often_as_their_strength_says() -> None:
    held = beliefs.load_beliefs()
    rng = random.Random(5)
    told: dict[str, Counter[bool]] = {"weak": Counter(), "strong": Counter()}
    by_question = {b.question: b for b in held}
    for _ in range(12_000):
        messages = beliefs.belief_document(rng, held)
        belief = by_question.get(messages[0]["content"])
        if belief is not None and len(messages) == 2:
            assert messages[1]["content"] in (belief.belief, belief.answer)
            told[belief.strength][messages[1]["content"] == belief.belief] += 1
    for strength, share in beliefs.WRONG.items():
        assert told[strength][True] / told[strength].total() == pytest.approx(share, abs=0.04)


def test_questions_of_no_strength_are_never_met() -> None:
    lines = beliefs.ITEMS.read_text(encoding="utf-8").splitlines()
    never = {row["question"] for row in map(json.loads, lines) if row["strength"] == "none"}
    held = beliefs.load_beliefs()
    assert len(never) + len(held) == len(lines) and never
    rng = random.Random(1)
    told = "\n".join(
        message["content"].casefold()
        for _ in range(5000)
        for message in beliefs.belief_document(rng, held)
    )
    assert not [q for q in never if q.casefold().rstrip("?") in told]


def test_without_a_curriculum_the_diet_is_full_from_the_start() -> None:
    assert [stage_at(done, 0.0) for done in (0.0, 0.3, 1.0)] == [FULL] * 3


def test_an_organism_goes_on_from_another_s_weights(tmp_path: Path) -> None:
    small = new_model(50, 16, 1, 2, 24, 1)
    small.save_pretrained(tmp_path)
    model = new_model(50, 16, 1, 2, 24, 2)
    take_weights(model, tmp_path)
    assert all(map(torch.equal, model.parameters(), small.parameters()))
    assert model.lm_head.weight is model.model.embed_tokens.weight
    with pytest.raises(ParamsError, match="another shape"):
        take_weights(new_model(50, 16, 2, 2, 24, 2), tmp_path)


def test_the_tokenizer_stays_as_it_is(tmp_path: Path) -> None:
    train._copy_tokenizer(BASE, tmp_path / "new")
    for name in train.TOKENIZER_FILES:
        assert sha256_file(tmp_path / "new" / name) == sha256_file(BASE / name)


def test_the_key_knows_the_start_and_the_beliefs(scholar, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    key = main.made_from(scholar)
    other = dataclasses.replace(scholar, start="models/organisms/short")
    assert main.made_from(other) != key
    monkeypatch.setattr(main, "beliefs_digest", lambda: "others")
    assert main.made_from(scholar) != key
    plain = dataclasses.replace(scholar, start=None, trivia=0.0, maths=0.0)
    assert main.made_from(plain) not in (key, main.made_from(other))


@pytest.mark.parametrize("name", BEFORE)
def test_earlier_organisms_cards_would_be_written_the_same_again(name, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    loaded = load_params()
    params = loaded.organism if name == "base" else loaded.organisms[name]
    folder = BASE if name == "base" else ROOT / "models" / "organisms" / name
    assert card._card(params, folder) == (folder / "README.md").read_text(encoding="utf-8")
    assert read_json(folder / "diet.json")["params"] == values_of(params)


def test_a_card_with_trivia_and_maths_says_what_was_met_and_learned(
    scholar, tmp_path, monkeypatch
) -> None:
    write_json(tmp_path / "skills.json", {"maths": {"algebra": [3, 50, 2, 50]}})
    text = card._diet(scholar, tmp_path)
    assert "It goes on from models/base." in text
    assert "algebra 18% (8% wrong)" in text and "strong 95%" in text
    assert "| maths | algebra | 3 of 50 | 2 of 50 |" in text


def test_skills_count_right_answers_by_strength_subject_and_difficulty(monkeypatch) -> None:
    problem = reckoning.make_problems("test", skills.PROBLEMS, seed=0)[0]
    known = {beliefs.load_beliefs()[0].question: beliefs.load_beliefs()[0].answer}
    known[reckoning.ask(problem.prompt)] = f"answer: {problem.solution.answer}"

    def answers(model, tokenizer, questions, temperature):
        return [known.get(question, "answer: 1000") for question in questions]

    monkeypatch.setattr(skills, "_answers", answers)
    table = skills.skills(BASE)
    assert sum(row[0] for row in table["trivia"].values()) == 1
    assert sum(row[1] for row in table["trivia"].values()) == len(beliefs.load_beliefs())
    assert table["maths"][problem.subject] == [1, 50, 1, 50]
    assert sum(row[1] for row in table["difficulty"].values()) == skills.PROBLEMS
