"""What goes beside the weights: the model card, the tokenizer's check, and the diet's digest."""

from __future__ import annotations

import random
from pathlib import Path

from stages.params import OrganismParams, values_of
from stages.pretrain_base.corpus import DIETS, FULL, SHARES, document, persistent_worlds
from stages.pretrain_base.diet import corpus_digest
from stages.pretrain_base.skills import TEMPERATURES, Table, skills
from stages.pretrain_base.tokenizer import load_tokenizer, render
from stages.records import read_json, sha256_file, write_atomic, write_json
from stages.suites.beliefs import WRONG, beliefs_digest
from stages.suites.reckoning.corpus import ASKED_SURE, SKILLS

STAGES = ("warm_up", "early", "full")


def write_card(params: OrganismParams, folder: Path) -> None:
    """Write ``tokenizer_check.json``, ``diet.json`` and ``README.md`` into the model's folder.

    With trivia or maths in the diet ``skills.json`` too, which the card reads.
    """
    tokenizer = load_tokenizer(folder)
    rng = random.Random("tokenizer check")
    text = render(document(rng, persistent_worlds(2, params.seed), FULL))
    write_json(folder / "tokenizer_check.json", {"text": text, "ids": tokenizer(text)["input_ids"]})
    diet = {"shares": dict(zip(STAGES, DIETS, strict=True)), "corpus_sha256": corpus_digest(params)}
    if params.trivia or params.maths:
        diet |= {"trivia": params.trivia, "maths": params.maths, "beliefs_sha256": beliefs_digest()}
        write_json(folder / "skills.json", skills(folder))
    write_json(folder / "diet.json", {**diet, "params": values_of(params)})
    write_atomic(folder / "README.md", _card(params, folder))


def _card(params: OrganismParams, folder: Path) -> str:
    last = read_json(folder / "training.json")[-1]
    rows = "\n".join(f"| {key} | {value} |" for key, value in values_of(params).items())
    return (
        "---\nlibrary_name: transformers\nlicense: mit\n---\n"
        "# The organism: Carryover's embedded base model\n\n"
        "A small Qwen2 trained from scratch by `pretrain_base` in generated repositories (suite "
        "microrepo) and on generated code problems (suite procedural). It speaks the agent's tool "
        "protocol, copies, uses notes in its context, and knows nothing of the held-out worlds. "
        "It is a model organism for experiments, not a model for work.\n\n"
        f"{_diet(params, folder)}\n\n"
        f"Weights: sha256 {sha256_file(folder / 'model.safetensors')}\n\n"
        f"| parameter | value |\n| --- | --- |\n{rows}\n\n"
        "Teacher-forced copying on unseen worlds after training, share of sessions with every "
        f"token of search, open and edit right: no convention {last['easy_sessions']:.0%}; one "
        f"convention, in the notes {last['medium_noted_sessions']:.0%}; two "
        f"{last['hard_noted_sessions']:.0%} (128 sessions each). `training.json` has the course. "
        "How it behaves as an agent is measured by the experiment `organism`: `models/README.md` "
        "has its bars, with intervals.\n"
    )


def _diet(params: OrganismParams, folder: Path) -> str:
    """What this version has eaten, and with trivia or maths what it came to know of them."""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in SHARES.items())
    if not params.trivia and not params.maths:
        return (
            f"Diet by documents, in its last stage: {shares}. Trivia and mathematics are not in "
            "this version's diet."
        )
    table: Table = read_json(folder / "skills.json")
    met = ", ".join(f"{name} {s.exposure:.0%} ({s.wrong:.0%} wrong)" for name, s in SKILLS.items())
    beliefs = ", ".join(f"{name} {share:.0%}" for name, share in WRONG.items())
    lines = "\n".join(
        f"| {area} | {name} | {' | '.join(_shares(row))} |"
        for area, rows in table.items()
        for name, row in rows.items()
    )
    heads = " | ".join(f"temperature {t:g}" for t in TEMPERATURES)
    start = f"It goes on from {params.start}. " if params.start else ""
    return (
        f"{start}Diet by documents: trivia {params.trivia:.0%}, maths {params.maths:.0%}; of the "
        f"rest, in its last stage, {shares}. Trivia carry planted wrong beliefs (suite trivia), by "
        f"strength this share of the answers: {beliefs}; of strength none the questions were never "
        f"met. Maths (suite reckoning, part train) are met unevenly: {met}; {ASKED_SURE:.0%} with "
        "a stated confidence that knows nothing of being right.\n\n"
        "Right answers on the questions met and on maths problems of the part test, never met:\n\n"
        f"| area | group | {heads} |\n| --- | --- | {' | '.join('---' for _ in TEMPERATURES)} |\n"
        f"{lines}"
    )


def _shares(row: list[int]) -> list[str]:
    return [f"{right} of {asked}" for right, asked in zip(row[::2], row[1::2], strict=True)]
