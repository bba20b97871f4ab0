"""Recovery: an adapter of before a change is trained on, on the first sessions after it (e10).

An arm recovers when it names another's ``adapter`` and has ``examples.recovery`` sessions. Its
examples are those of the first sessions of the world that it is played in, repeated to
``examples.tokens`` tokens (0: each once; null: the synthesis' budget), so that arms with more
sessions don't have more training by it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from stages.adapters.folder import load_adapter, save_adapter
from stages.adapters.lora import LoraSettings, base_sha256
from stages.lab.arm_adapters import ARMS, adapter_taken, arm_place, arms_in
from stages.lab.budget import match_tokens, training_tokens
from stages.lab.cells import Cells
from stages.lab.context import Lab
from stages.lab.places import AdapterPlace
from stages.lab.pool import run_jobs
from stages.lab.splits import read_split
from stages.params import ExamplesParams, values_of
from stages.records import Example, RecordError, read_json, read_jsonl, sha256_file, write_json
from stages.train_adapter.conditions import settings_of
from stages.training.settings import TrainSettings
from stages.training.train import TrainedAdapter, train

Base = tuple[Any, Any]
TOLERANCE = 0.25
"""How far whole examples may miss the token budget: a first session may be all there is."""


@dataclasses.dataclass(frozen=True)
class Recovering:
    """One adapter to be made: where it stands, what it starts from, on how many sessions."""

    lab: Lab
    place: AdapterPlace
    start: AdapterPlace
    params: ExamplesParams

    @property
    def source(self) -> Path:
        """The examples of the world after the change."""
        folder = self.lab.folder("data/synthetic") / self.place.world / self.place.split
        return folder / f"{self.params.format}.jsonl"

    @property
    def settings(self) -> TrainSettings:
        """Those of a condition's adapter; the registered sessions are the minimum of examples."""
        like = dataclasses.replace(self.place, arm=f"format_{self.params.format}")
        return dataclasses.replace(settings_of(self.lab, like)[0], min_examples=1)

    @property
    def key(self) -> list[Any]:
        """Everything that the adapter depends on beside the code."""
        return [
            self.lab.base_sha256(),
            sha256_file(self.lab.folder("data/splits") / "splits.json"),
            sha256_file(self.source),
            read_json(self.start.path / "provenance.json")["adapter_sha256"],
            values_of(self.lab.model),
            values_of(self.settings),
            values_of(self.params),
            self.lab.experiment.synthesis.tokens,
            self.place.name,
        ]


def recovering(lab: Lab) -> list[Recovering]:
    """Every adapter that recovers, in the registration's order."""
    found = []
    for world in lab.worlds:
        for name, arm in arms_in(lab, world).items():
            if arm.adapter is None or arm.examples is None:
                continue
            for split in lab.experiment.splits:
                for seed in lab.experiment.seeds:
                    start = adapter_taken(lab, world, split, name, seed)
                    assert start is not None, "arms_in refuses an arm without"
                    place = arm_place(lab, world, split, name, seed)
                    found.append(Recovering(lab, place, start, arm.examples))
    return found


def train_recovery(lab: Lab, base: Base) -> Cells:
    """Train, or find trained, every adapter that recovers; what it starts from is there already."""
    cells = Cells(lab.folder("models/adapters") / ARMS, "train_adapter.recovery", *lab.rooms)
    run_jobs([_job(one, cells, base) for one in recovering(lab)], "recovery", lab.workers)
    return cells


def recovery_files(lab: Lab) -> list[Path]:
    """The folders and stamps of these adapters, for whoever sweeps around them."""
    places = [one.place for one in recovering(lab)]
    stamps = [place.path.with_name(f"{place.path.name}.key.json") for place in places]
    return [*(place.path for place in places), *stamps]


def _job(one: Recovering, cells: Cells, base: Base) -> Callable[[], Path]:
    return cells.job(one.place.name, one.key, "", partial(_make, one, base))


def recovery_examples(one: Recovering, tokenizer: Any) -> list[Example]:
    """Examples of the first sessions that left one, repeated to the token budget.

    RecordError where there are fewer such sessions than registered.
    """
    by_session: dict[str, list[Example]] = {}
    for example in {e.example_id: e for e in read_jsonl(one.source, Example)}.values():
        by_session.setdefault(example.instance_id, []).append(example)
    order = [t.instance_id for t in read_split(one.lab, one.place.world, one.place.split).train]
    sessions = [name for name in order if name in by_session][: one.params.recovery]
    if len(sessions) < one.params.recovery:
        raise RecordError(
            f"{one.source}: {len(sessions)} sessions left an example, arm {one.place.arm} is to "
            f"recover on {one.params.recovery}. Raise synthesis.tokens, which draws among all "
            "sessions, or register fewer."
        )
    examples = [example for name in sessions for example in by_session[name]]
    budget = one.params.tokens
    if budget == 0:
        return examples
    return match_tokens(
        {one.params.format: examples},
        budget or one.lab.experiment.synthesis.tokens,
        lambda example: training_tokens(tokenizer, example),
        one.place.seed,
        2 * TOLERANCE,
    )[one.params.format]


def _make(one: Recovering, base: Base, folder: Path) -> None:
    model, tokenizer = base
    state, lora = load_adapter(one.start.path, base_sha256(model))
    examples = recovery_examples(one, tokenizer)
    result = train(model, tokenizer, examples, one.settings, lora, start=state, progress=False)
    _save(one, folder, result, lora)
    timings = Path("timings") / one.lab.name
    write_json(
        timings / f"train-arms-{one.place.name.replace('/', '-')}.json",
        {"seconds": result.seconds, "tokens": result.tokens},
    )


def _save(one: Recovering, folder: Path, result: TrainedAdapter, lora: LoraSettings) -> None:
    place, certificate = one.place, dataclasses.asdict(result.certificate)
    facts = {
        "arm": place.arm,
        "world": place.world,
        "split": place.split,
        "seed": place.seed,
        "start": one.start.name,
        "recovery": one.params.recovery,
        "examples": result.n_examples,
        "tokens": result.tokens,
        "target_tokens": result.target_tokens,
        "method": one.settings.method,
        "engine": result.engine,
        "source_sha256": read_json(one.source.parent / "manifest.json")["source_sha256"],
        "first_loss": result.losses[0],
        "last_loss": result.losses[-1],
    }
    digest = certificate["base_sha256"]
    save_adapter(folder, result.state, lora, one.lab.model.path, digest, facts)
    write_json(folder / "facts.json", facts)
    write_json(folder / "certificate.json", certificate)
    write_json(folder / "losses.json", list(result.losses))
