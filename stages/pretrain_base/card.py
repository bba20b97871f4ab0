"""What goes beside the weights: the model card, the tokenizer's check, and the diet's digest."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from stages.params import OrganismParams
from stages.pretrain_base.corpus import (
    DIETS,
    FULL,
    SHARES,
    corpus_digest,
    document,
    persistent_worlds,
)
from stages.pretrain_base.tokenizer import load_tokenizer, render
from stages.records import read_json, sha256_file, write_atomic, write_json

STAGES = ("warm_up", "early", "full")


def write_card(params: OrganismParams, folder: Path) -> None:
    """Write ``tokenizer_check.json``, ``diet.json`` and ``README.md`` into the model's folder."""
    tokenizer = load_tokenizer(folder)
    rng = random.Random("tokenizer check")
    text = render(document(rng, persistent_worlds(2, params.seed), FULL))
    write_json(folder / "tokenizer_check.json", {"text": text, "ids": tokenizer(text)["input_ids"]})
    diet = {"shares": dict(zip(STAGES, DIETS, strict=True)), "corpus_sha256": corpus_digest(params)}
    write_json(folder / "diet.json", {**diet, "params": dataclasses.asdict(params)})
    write_atomic(folder / "README.md", _card(params, folder))


def _card(params: OrganismParams, folder: Path) -> str:
    log = read_json(folder / "training.json")
    last = log[-1]
    shares = ", ".join(f"{name} {share:.0%}" for name, share in SHARES.items())
    rows = "\n".join(f"| {key} | {value} |" for key, value in dataclasses.asdict(params).items())
    return (
        "---\nlibrary_name: transformers\nlicense: mit\n---\n"
        "# The organism: Carryover's embedded base model\n\n"
        "A small Qwen2 trained from scratch by `pretrain_base` in generated repositories (suite "
        "microrepo) and on generated code problems (suite procedural). It speaks the agent's tool "
        "protocol, copies, uses notes in its context, and knows nothing of the held-out worlds. "
        "It is a model organism for experiments, not a model for work.\n\n"
        f"Diet by documents, in its last stage: {shares}. Trivia and mathematics are not in this "
        "version's diet.\n\n"
        f"Weights: sha256 {sha256_file(folder / 'model.safetensors')}\n\n"
        f"| parameter | value |\n| --- | --- |\n{rows}\n\n"
        "Teacher-forced copying on unseen worlds after training, share of sessions with every "
        f"token of search, open and edit right: no convention {last['easy_sessions']:.0%}; one "
        f"convention, in the notes {last['medium_noted_sessions']:.0%}; two "
        f"{last['hard_noted_sessions']:.0%} (128 sessions each). `training.json` has the course. "
        "How it behaves as an agent is measured by the experiment `organism`: `models/README.md` "
        "has its bars, with intervals.\n"
    )
