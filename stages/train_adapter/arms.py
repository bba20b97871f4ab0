"""The adapters of an experiment's own arms: one per world, split, arm with examples, and seed.

An arm whose ``adapter`` names another's is played with that, or recovers from it (recovery.py).
Beside the files that a condition's adapter has, an arm's folder holds the rows that were trained on
(``examples.jsonl``, in the order that they were taken), what is wrong with each different one
(``pairs.jsonl``), what the adapter retains of all that others wrote of the sessions, trained on or
not (``retention.jsonl``), and, with planted errors, how the trained agent answers those sessions
(``planted.jsonl``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stages.adapters.folder import save_adapter
from stages.adapters.lora import LoraSettings, base_sha256
from stages.lab.arm_adapters import ARMS, arm_place, arms_in
from stages.lab.budget import training_tokens
from stages.lab.cells import Cells
from stages.lab.chosen import open_model
from stages.lab.context import Lab
from stages.lab.forcing import force
from stages.lab.places import AdapterPlace
from stages.lab.pool import run_jobs
from stages.lab.splits import read_split
from stages.params import ArmParams, ExamplesParams, values_of
from stages.records import Example, read_json, sha256_file, write_json, write_jsonl
from stages.train_adapter.conditions import settings_of
from stages.train_adapter.generations import PAIRS, Loop, Written, run_generations
from stages.train_adapter.material import (
    external_examples,
    require_readable,
    source_files,
    turns_of,
)
from stages.train_adapter.noise import noise_facts, pair_rows
from stages.train_adapter.plant import corrections, plant
from stages.train_adapter.player import Player
from stages.train_adapter.select import choose, record
from stages.train_adapter.validate import validated
from stages.training.settings import TrainSettings
from stages.training.sft import reproducible
from stages.training.train import TrainedAdapter, train

Base = tuple[Any, Any]


@dataclasses.dataclass(frozen=True)
class Arm:
    """One adapter to be trained: its place, what on, and how."""

    lab: Lab
    base: Base
    player: Player | None
    """the agent at play, where an arm's examples take that"""
    place: AdapterPlace
    params: ExamplesParams

    @property
    def world(self) -> str:
        """The world whose sessions it is trained on."""
        return self.params.world or self.place.world

    @property
    def settings(self) -> tuple[TrainSettings, LoraSettings]:
        """A condition's settings of the same format; a registered ``count`` is the minimum."""
        of_format = dataclasses.replace(self.place, arm=f"format_{self.params.format}")
        settings, lora = settings_of(self.lab, of_format)
        least = min(self.params.count or settings.min_examples, settings.min_examples)
        return dataclasses.replace(settings, min_examples=least), lora

    @property
    def work(self) -> tuple[int, int]:
        """Puts first what takes longest: generations to play and train, then pairs to learn."""
        made = self.params.generations
        played = 0 if made is None else made.number * made.attempts
        return played, self.params.pairs_per_session or 0

    @property
    def key(self) -> list[Any]:
        """Everything that the adapter depends on beside the code."""
        splits = self.lab.folder("data/splits") / "splits.json"
        files = source_files(self.lab, self.world, self.place.split, self.params)
        return [
            self.lab.base_sha256(),
            [sha256_file(path) for path in (splits, *files)],
            values_of(self.lab.model),
            *map(values_of, self.settings),
            values_of(self.params),
            self.lab.experiment.synthesis.tokens,
            [values_of(self.lab.agent_params), values_of(self.lab.params.sandbox)],
            self.lab.experiment.evaluate.temperature,
            self.place.name,
        ]


def train_arms(lab: Lab, base: Base) -> Cells:
    """Train, or find trained, what the arms need; the cells say which files those are."""
    cells = Cells(lab.folder("models/adapters") / ARMS, "train_adapter.arms", *lab.rooms)
    arms = sorted(_arms(lab, base), key=lambda arm: arm.work, reverse=True)
    run_jobs([_job(arm, cells) for arm in arms], ARMS, lab.workers)
    return cells


def _arms(lab: Lab, base: Base) -> list[Arm]:
    asked = [
        (world, split, name, arm.examples, seed)
        for world in lab.worlds
        for name, arm in arms_in(lab, world).items()
        if arm.examples is not None and arm.adapter is None
        for split in lab.experiment.splits
        for seed in lab.experiment.seeds
    ]
    player = _player(lab, base) if any(plays(arm) for arm in _declared(lab)) else None
    return [
        Arm(lab, base, player, arm_place(lab, world, split, name, seed), params)
        for world, split, name, params, seed in asked
    ]


def _declared(lab: Lab) -> list[ArmParams]:
    return list((lab.experiment.arms or {}).values())


def plays(arm: ArmParams) -> bool:
    """Whether an arm's examples take episodes to make or to judge."""
    examples = arm.examples
    return examples is not None and bool(
        examples.source != "external" or examples.validated or examples.planted
    )


def _player(lab: Lab, base: Base) -> Player:
    halves = [read_split(lab, w, s).train for w in lab.worlds for s in lab.experiment.splits]
    return Player(lab, open_model(lab.model, lab.openings(halves)), base_sha256(base[0]))


def _job(arm: Arm, cells: Cells) -> Callable[[], Path]:
    if arm.params.source != "external":  # made by the worker, so the sweep is told here
        cells.keep(cells.folder / f"{arm.place.name}.generations")
    return cells.job(arm.place.name, arm.key, "", partial(_make, arm))


def _make(arm: Arm, folder: Path) -> None:
    settings, lora = arm.settings
    half = read_split(arm.lab, arm.world, arm.place.split)
    written, wrong = _written(arm)
    there = [turn for example in written.examples for turn in _shaped(arm, example)]
    rows = _chosen(arm, there)
    unreadable = require_readable(rows, arm.place.name, arm.params.unparseable)
    result = train(*arm.base, rows, settings, lora, progress=False)
    by_agent = _generations_of(arm, written)
    pairs = pair_rows(arm.lab, half.train, rows, by_agent)
    facts = {
        **_facts(arm, settings, result),
        "selection": record(there, rows),
        **noise_facts(pairs),
        "pairs_by_agent": sum(row["generation"] > 0 for row in pairs),
        "unreadable_examples": unreadable,
    }
    write_jsonl(folder / "examples.jsonl", rows)
    write_jsonl(folder / PAIRS, pairs)
    write_jsonl(folder / "retention.jsonl", _retained(arm, result))
    _save(arm.lab, folder, lora, facts, result)
    write_json(folder / "losses.json", list(result.losses))
    taken = {row["instance_id"] for row in pairs}
    wrong = {name: error for name, error in wrong.items() if name in taken}
    if wrong and arm.player is not None:
        answers = corrections(arm.player, half.train, wrong, folder, arm.place.seed)
        write_jsonl(folder / "planted.jsonl", answers)
    timings = Path("timings") / arm.lab.name / f"train-arms-{arm.place.name.replace('/', '-')}.json"
    write_json(timings, {"seconds": result.seconds, "tokens": result.tokens})


def _written(arm: Arm) -> tuple[Written, dict[str, str]]:
    """All examples there are for the arm, and by session the errors planted in them."""
    lab, params, seed = arm.lab, arm.params, arm.place.seed
    half = read_split(lab, arm.world, arm.place.split)
    external = external_examples(lab, arm.world, arm.place.split, params)
    external, wrong = plant(lab, external, params.planted, seed)
    if params.source != "external":
        assert arm.player is not None, "plays() says so"
        root = arm.place.path.with_name(f"{arm.place.path.name}.generations")
        loop = Loop(
            arm.place.name,
            arm.player,
            arm.base[1],
            partial(_intermediate, arm),
            params,
            half,
            external,
            seed,
        )
        made = run_generations(loop, Cells(root, "train_adapter.arms", *lab.rooms), arm.key)
        return made, wrong
    if params.validated:
        assert arm.player is not None, "plays() says so"
        external = validated(arm.player, half.train, external, seed)
    return Written(external, {}), wrong


def _shaped(arm: Arm, example: Example) -> list[Example]:
    return list(turns_of(example)) if arm.params.turns else [example]


def _generations_of(arm: Arm, written: Written) -> dict[str, int]:
    """Who wrote each row: a turn is its session's."""
    return {
        shaped.example_id: written.generation[example.example_id]
        for example in written.examples
        if example.example_id in written.generation
        for shaped in _shaped(arm, example)
    }


def _chosen(arm: Arm, there: Sequence[Example]) -> list[Example]:
    tokenizer = arm.base[1]
    budget = arm.lab.experiment.synthesis.tokens
    return choose(
        there, arm.params, arm.place.seed, budget, lambda e: training_tokens(tokenizer, e)
    )


def _retained(arm: Arm, result: TrainedAdapter) -> list[dict[str, Any]]:
    """One row per pair that the synthesis has of the arm's sessions and formats, sound ones all.

    The set is the same for every budget, source and count, so that arms are compared on what the
    sessions hold and not on what each happened to take. ``kept``: every target token is the most
    likely one under teacher forcing; ``loss`` in nats per target token.
    """
    model, tokenizer = arm.base
    settings, lora = result.settings, result.lora
    known = external_examples(arm.lab, arm.world, arm.place.split, arm.params)
    asked = [turn for example in known for turn in _shaped(arm, example)]
    with reproducible(settings.threads, settings.seed):
        found = force(model, tokenizer, asked, (result.state, lora))
    return [
        {
            "example_id": example.example_id,
            "instance_id": example.instance_id,
            "format": example.format,
            "skill": example.skill,
            "kept": forced.kept,
            "loss": forced.loss,
        }
        for example, forced in zip(asked, found, strict=True)
    ]


def _facts(arm: Arm, settings: TrainSettings, result: TrainedAdapter) -> dict[str, Any]:
    place = arm.place
    manifest = arm.lab.folder("data/synthetic") / arm.world / place.split / "manifest.json"
    return {
        "arm": place.arm,
        "world": place.world,
        "trained_world": arm.world,
        "split": place.split,
        "seed": place.seed,
        "examples": result.n_examples,
        "tokens": result.tokens,
        "target_tokens": result.target_tokens,
        "computed_tokens": result.computed_tokens,
        "method": settings.method,
        "engine": result.engine,
        "source": arm.params.source,
        "source_sha256": read_json(manifest)["source_sha256"],
        "first_loss": result.losses[0],
        "last_loss": result.losses[-1],
    }


def _intermediate(arm: Arm, examples: Sequence[Example], folder: Path) -> dict[str, Any]:
    """A generation's adapter: how examples are made, no result, so no minimum holds for it."""
    settings, lora = arm.settings
    settings = dataclasses.replace(settings, min_examples=1)
    model, tokenizer = arm.base
    require_readable(examples, arm.place.name, arm.params.unparseable)
    result = train(model, tokenizer, examples, settings, lora, progress=False)
    facts = {"examples": result.n_examples, "tokens": result.tokens, "last_loss": result.losses[-1]}
    digest = result.certificate.base_sha256
    save_adapter(folder, result.state, lora, arm.lab.model.path, digest, facts)
    return {**facts, "adapter_sha256": result.certificate.adapter_sha256}


def _save(
    lab: Lab, folder: Path, lora: LoraSettings, facts: dict[str, Any], trained: TrainedAdapter
) -> None:
    certificate = dataclasses.asdict(trained.certificate)
    digest = certificate["base_sha256"]
    save_adapter(folder, trained.state, lora, lab.model.path, digest, facts)
    write_json(folder / "facts.json", facts)
    write_json(folder / "certificate.json", certificate)
