"""The adapters of a stream: every arm's strategy consolidates the sessions as they arrive.

Each consolidation is a cell that depends on the one before. So is each training within one, by what
it is trained on and starts from: a kill loses at most one, and what several arms or experiments
train alike is trained once and counted in each.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stages.lab.cells import Cells, code_of
from stages.lab.context import Lab
from stages.lab.places import adapter_place
from stages.lab.pool import run_jobs
from stages.lab.streams import (
    Step,
    StreamPlace,
    arrived,
    examples_sha256,
    steps_of,
    strategy_of,
    stream_examples,
    stream_of,
    stream_places,
    stream_sessions,
)
from stages.params import StrategyParams, values_of
from stages.records import Example, read_json, sha256_file, write_json
from stages.strategies.protocol import State
from stages.strategies.store import load_state, save_state
from stages.train_adapter.conditions import settings_of
from stages.train_adapter.consolidation import Consolidation, Recipe
from stages.training.settings import TrainingError


def train_streams(lab: Lab, base: tuple[Any, Any]) -> Cells:
    """Consolidate, or find consolidated, every stream; the cells say which files those are."""
    rooms = ("train_adapter.streams", *lab.rooms)
    cells = Cells(lab.folder("models/adapters") / "streams", *rooms)
    places, examples = stream_places(lab), _all_examples(lab)
    arms = stream_of(lab).arms
    codes = {
        name: code_of(*rooms, f"strategies.{name}")
        for name in {arm.strategy for arm in arms.values()}
    }
    jobs = [
        partial(_run, lab, cells, base, p, examples[p.world, p.split], codes[arms[p.arm].strategy])
        for p in sorted(places, key=lambda p: work_of(arms[p.arm]), reverse=True)
    ]
    run_jobs(jobs, "streams", lab.workers)
    for place in places:  # the cells were made in processes of their own
        for step in steps_of(lab, stream_sessions(lab, place.world, place.split)):
            cells.keep(place.path / step.name)
            cells.keep(place.path / f"{step.name}.key.json")
    return cells


def work_of(arm: StrategyParams) -> float:
    """About how many examples it trains on for each new one; puts first what takes longest."""
    replayed = {"full_replay": None, "naive": 0.0}.get(
        arm.strategy, arm.settings.get("mixing_ratio", 1.0)
    )
    return math.inf if replayed is None else 1.0 + replayed


def _all_examples(lab: Lab) -> dict[tuple[str, str], dict[str, list[Example]]]:
    """The sessions' examples by world and split, checked for their number (check 11)."""
    found = {}
    for world in lab.worlds:
        for split in lab.experiment.splits:
            examples = stream_examples(lab, world, split)
            require_enough_at_the_end(lab, sum(map(len, examples.values())), f"{world}/{split}")
            found[world, split] = examples
    return found


def require_enough_at_the_end(lab: Lab, found: int, where: str) -> None:
    """Check 11 for a stream: what counts is how many examples have arrived at its end.

    A single consolidation is small by design. TrainingError unless the registration says 'pilot'.
    """
    least = lab.experiment.train.min_examples
    if found < least and lab.experiment.kind != "pilot":
        raise TrainingError(
            f"{where}: the stream's {stream_of(lab).sessions} sessions bring {found} different "
            f"examples, fewer than the registered minimum of {least} (check 11; for a stream its "
            "examples at the end count). Take more sessions, synthesize more per session, or say "
            "'pilot' in the registration."
        )


def _run(
    lab: Lab,
    cells: Cells,
    base: tuple[Any, Any],
    place: StreamPlace,
    examples: Mapping[str, Sequence[Example]],
    code: str,
) -> Path:
    """One stream, consolidation after consolidation; gives its folder."""
    before: Path | None = None
    for step in steps_of(lab, stream_sessions(lab, place.world, place.split)):
        new = arrived(step, examples)
        key = [code, *_key(lab, place, step, new, before)]
        make = partial(_consolidate, lab, base, place, step, new, before, key)
        before = cells.job(f"{place.name}/{step.name}", key, "", make)()
    shutil.rmtree(place.path / "unfinished", ignore_errors=True)
    return place.path


def recipe_of(lab: Lab, place: StreamPlace, step: Step) -> Recipe:
    """How the consolidation's adapters are trained: as the skill adapter, under a seed of its own.

    Another seed per consolidation draws another order of examples, and other initial factors:
    adapters that are added up would else share the rows of A that they started from.
    """
    settings, lora = settings_of(
        lab, adapter_place(lab, place.world, place.split, "skill", place.seed)
    )
    seed = place.seed + 1000 * step.number
    return Recipe(
        dataclasses.replace(settings, seed=seed, allow_small=True),
        dataclasses.replace(lora, seed=seed),
    )


def _key(
    lab: Lab, place: StreamPlace, step: Step, new: Sequence[Example], before: Path | None
) -> list[Any]:
    chosen, recipe = stream_of(lab).arms[place.arm], recipe_of(lab, place, step)
    return [
        lab.base_sha256(),
        values_of(lab.model),
        values_of(recipe.settings),
        values_of(recipe.lora),
        chosen.strategy,
        values_of(strategy_of(lab, place.arm)),
        (place.name, step.number, step.sessions, step.new),
        examples_sha256(new),
        "" if before is None else sha256_file(before / "state.json"),
    ]


def _consolidate(
    lab: Lab,
    base: tuple[Any, Any],
    place: StreamPlace,
    step: Step,
    new: Sequence[Example],
    before: Path | None,
    key: Any,
    folder: Path,
) -> None:
    state = State(seed=place.seed) if before is None else load_state(before)
    unfinished = place.path / "unfinished" / step.name
    cells = Cells(unfinished, "train_adapter.consolidation", *lab.rooms, shared=True)
    base_key = [lab.base_sha256(), values_of(lab.model)]
    run = Consolidation(base, recipe_of(lab, place, step), cells, base_key, key)
    after = run.work(strategy_of(lab, place.arm), state, new)
    save_state(folder, after)
    earlier = 0.0 if before is None else read_json(before / "facts.json")["flops"]
    facts = {
        "base": lab.base_sha256(),
        "arm": place.arm,
        "consolidation": step.number,
        "sessions": step.sessions,
        "origins": list(step.new),
        "new_examples": len(new),
        **run.facts(after, earlier),
    }
    write_json(folder / "facts.json", facts)
    write_json(folder / "losses.json", run.losses)
    write_json(folder / "certificate.json", run.certificates(after, new))
    timings = Path("timings") / lab.name / "streams" / place.name / f"{step.name}.json"
    write_json(timings, run.timings())
    shutil.rmtree(unfinished, ignore_errors=True)
