"""The adapters that the conditions ask for: one per world, split, arm and seed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from stages.adapters.folder import load_adapter, save_adapter
from stages.adapters.lora import LoraSettings
from stages.lab.arms import arms_of, examples_of, format_of
from stages.lab.cells import Cells
from stages.lab.context import Lab
from stages.lab.places import AdapterPlace, adapter_place, adapter_places, examples_file
from stages.lab.pool import run_jobs
from stages.params import values_of
from stages.records import Example, read_json, read_jsonl, sha256_file, write_json
from stages.train_adapter.placebo import random_delta, shuffle
from stages.training.settings import TrainSettings
from stages.training.train import require_enough, train

RANDOM = "placebo_random"


def train_conditions(lab: Lab, base: tuple[Any, Any]) -> Cells:
    """Train, or find trained, what the conditions need; the cells say which files those are."""
    folder = lab.folder("models/adapters")
    cells = Cells(folder, "train_adapter.conditions", *lab.rooms, shared=True)
    places = adapter_places(lab)
    drawn = [place for place in places if place.arm == RANDOM]
    lent = [place for place in places if _lender(lab, place) is not None]
    trained = [place for place in places if place not in drawn and place not in lent]
    trained.sort(key=lambda place: format_of(lab.experiment, place.arm) != "C")  # DPO takes longest
    run_jobs([_trained(lab, cells, base, place) for place in trained], "adapters", lab.workers)
    run_jobs([_lent(lab, cells, place) for place in lent], "adapters of other worlds", workers=1)
    run_jobs([_random(lab, cells, base, place) for place in drawn], "random adapters", workers=1)
    return cells


def _lender(lab: Lab, place: AdapterPlace) -> AdapterPlace | None:
    """The place of the adapter that a placebo would be trained to be: another world's own.

    None where that world isn't one of the experiment, so has no adapter; and for every other arm.
    """
    if place.arm != "placebo_world" or "skill" not in arms_of(lab.experiment):
        return None
    owner = lab.placebo_worlds[place.world]
    if owner not in lab.worlds:
        return None
    return adapter_place(lab, owner, place.split, "skill", place.seed)


def settings_of(lab: Lab, place: AdapterPlace) -> tuple[TrainSettings, LoraSettings]:
    """How an arm is trained; format C by DPO, everything else by SFT.

    The model's own ``adapter`` values replace the experiment's, which suit the embedded model.
    """
    values, own = lab.experiment.train, lab.model.adapter
    chosen = own or values
    dpo = format_of(lab.experiment, place.arm) == "C"
    settings = TrainSettings(
        method="dpo" if dpo else "sft",
        learning_rate=chosen.dpo_learning_rate if dpo else chosen.learning_rate,
        epochs=chosen.epochs,
        batch_size=values.batch_size,
        warmup=values.warmup,
        max_length=lab.model.context_tokens,
        min_examples=examples_of(place.arm) or values.min_examples,
        allow_small=lab.experiment.kind == "pilot",
        beta=values.beta,
        threads=lab.model.threads,
        seed=place.seed,
    )
    lora = LoraSettings(rank=chosen.rank, alpha=chosen.alpha, seed=place.seed)
    if own is None:
        return settings, lora
    return dataclasses.replace(
        settings,
        micro_tokens=own.micro_tokens,
        gradient_checkpointing=own.gradient_checkpointing,
        optimizer=own.optimizer,
    ), dataclasses.replace(
        lora, dropout=own.dropout, target_modules=own.target_modules or lora.target_modules
    )


def _trained(
    lab: Lab, cells: Cells, base: tuple[Any, Any], place: AdapterPlace
) -> Callable[[], Path]:
    source = examples_file(lab, place.world, place.split, place.arm)
    settings, lora = settings_of(lab, place)
    key = [
        lab.base_sha256(),
        sha256_file(source),
        _sessions_sha256(source),
        values_of(lab.model),
        # of how many examples are enough the bytes don't depend: a pilot's adapter serves others
        values_of(dataclasses.replace(settings, min_examples=1, allow_small=True)),
        values_of(lora),
        place.name,
    ]
    make = partial(_train, lab, base, place)
    cell = cells.job(place.name, key, "", make, _clock(lab, place))

    def trained() -> Path:
        require_enough(_examples(lab, place), settings)
        return cell()

    return trained


def _clock(lab: Lab, place: AdapterPlace) -> Path:
    """Where the seconds of an adapter's training stand."""
    return Path("timings") / lab.name / f"train-{place.name.replace('/', '-')}.json"


def _train(lab: Lab, base: tuple[Any, Any], place: AdapterPlace, folder: Path) -> None:
    settings, lora = settings_of(lab, place)
    source = examples_file(lab, place.world, place.split, place.arm)
    examples = _examples(lab, place)
    dealt: dict[str, str] = {}
    if place.arm == "placebo_shuffled":
        examples, dealt["shuffled"] = shuffle(examples, place.seed, lab.suite.name)
    model, tokenizer = base
    result = train(model, tokenizer, examples, settings, lora, progress=False)
    facts = {
        "arm": place.arm,
        "world": place.world,
        "split": place.split,
        "seed": place.seed,
        "examples": result.n_examples,
        "tokens": result.tokens,
        "target_tokens": result.target_tokens,
        "method": settings.method,
        "engine": result.engine,
        "source_sha256": _sessions_sha256(source),
        "first_loss": result.losses[0],
        "last_loss": result.losses[-1],
        **dealt,
    }
    _save(lab, folder, result.state, lora, facts, dataclasses.asdict(result.certificate))
    write_json(folder / "losses.json", list(result.losses))
    write_json(_clock(lab, place), {"seconds": result.seconds, "tokens": result.tokens})


def _examples(lab: Lab, place: AdapterPlace) -> list[Example]:
    source = examples_file(lab, place.world, place.split, place.arm)
    return few(read_jsonl(source, Example), place)


def _sessions_sha256(source: Path) -> str:
    """Hash of the sessions that a file of examples was written from."""
    return str(read_json(source.parent / "manifest.json")["source_sha256"])


def few(examples: list[Example], place: AdapterPlace) -> list[Example]:
    """As many different examples as the arm's name says, drawn anew for each seed, in order."""
    count = examples_of(place.arm)
    if count is None:
        return examples
    different = list({example.example_id: example for example in examples}.values())
    drawn = random.Random(f"few {place.seed}").sample(different, min(count, len(different)))
    return sorted(drawn, key=different.index)


def _lent(lab: Lab, cells: Cells, place: AdapterPlace) -> Callable[[], Path]:
    lender = _lender(lab, place)
    assert lender is not None
    files = ("adapter_model.safetensors", "facts.json", "losses.json")
    key = [*(sha256_file(lender.path / name) for name in files), place.name]

    def make(folder: Path) -> None:
        certificate = lender.read("certificate.json")
        facts = {**lender.read("facts.json"), "arm": place.arm, "world": place.world}
        state, lora = load_adapter(lender.path, certificate["base_sha256"])
        _save(lab, folder, state, lora, facts, certificate)
        write_json(folder / "losses.json", lender.read("losses.json"))
        clock = _clock(lab, lender)
        if clock.exists():  # its training's seconds are what this one's would have been
            write_json(_clock(lab, place), read_json(clock))

    return cells.job(place.name, key, "", make, _clock(lab, place))


def _random(
    lab: Lab, cells: Cells, base: tuple[Any, Any], place: AdapterPlace
) -> Callable[[], Path]:
    skill = adapter_place(lab, place.world, place.split, "skill", place.seed).path
    weights = skill / "adapter_model.safetensors"
    probes = sha256_file(examples_file(lab, place.world, place.split, place.arm))
    key = [lab.base_sha256(), values_of(lab.model), sha256_file(weights), probes, place.name]
    return cells.job(place.name, key, "", partial(_draw, lab, base, skill, place))


def _draw(lab: Lab, base: tuple[Any, Any], skill: Path, place: AdapterPlace, folder: Path) -> None:
    from stages.adapters.certificate import certify
    from stages.adapters.lora import base_sha256
    from stages.agent.chat import render_prompt

    model, tokenizer = base
    base_hash = base_sha256(model)
    state, lora = load_adapter(skill, base_hash)
    drawn = random_delta(state, lora, place.seed)
    examples = read_jsonl(examples_file(lab, place.world, place.split, place.arm), Example)[:8]
    probes = [render_prompt(tokenizer, example.prompt) for example in examples]
    certificate = certify(model, drawn, lora, probes, base_hash)
    facts = {"arm": place.arm, "world": place.world, "split": place.split, "seed": place.seed}
    _save(lab, folder, drawn, lora, facts, dataclasses.asdict(certificate))


def _save(
    lab: Lab,
    folder: Path,
    state: Any,
    lora: LoraSettings,
    facts: dict[str, Any],
    certificate: dict[str, Any],
) -> None:
    save_adapter(folder, state, lora, lab.model.path, certificate["base_sha256"], facts)
    write_json(folder / "facts.json", facts)
    write_json(folder / "certificate.json", certificate)
