"""All runs of a loop, side by side."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from stages.agent.sandbox import SandboxConfig
from stages.lab import chosen
from stages.lab.cells import Cells
from stages.lab.context import sandbox_of
from stages.lab.loops import DATA, MODELS, OpenLoop, Probed, RunPlace, run_seeds, seeds_of
from stages.lab.pool import run_jobs
from stages.params import LoopArm, ModelParams, loop_guard, values_of
from stages.records import canonical_json, read_jsonl, sha256_text, write_jsonl
from stages.self_improve import learner, table
from stages.self_improve.generations import run_lineage
from stages.self_improve.guarding import play_guard
from stages.self_improve.machine import Machine, kept_adapter, run_loop, windows_of
from stages.self_improve.parts import Source
from stages.self_improve.run import Run, lora_of
from stages.suites.items import PARTS
from stages.training.settings import TrainingError

UNKEYED = (
    "title",
    "hypothesis",
    "kind",
    "criteria",
    "alpha",
    "power",
    "minimum_items",
    "arms",
    "seeds",
    "repeats",
    "steps",
)
"""Values of a loop that no run depends on, or that a run's own key holds."""


@dataclasses.dataclass(frozen=True)
class Workshop:
    """An opened loop with all that its runs share."""

    opened: OpenLoop
    source: Source
    limits: SandboxConfig
    cells: Cells
    bases: dict[str, learner.Base]
    """by quantisation"""
    guards: dict[str, list[dict[str, Any]]]
    """what each base answers to the guard; empty without one"""
    started: dict[Any, list[Probed]] = dataclasses.field(default_factory=dict)
    """what runs answer before their first step; a process's runs share it"""


def work(opened: OpenLoop) -> None:
    """Make, or find made, every run; delete what an earlier setting left behind."""
    shop = open_workshop(opened)
    arms = opened.loop.arms
    plain = [name for name, arm in arms.items() if arm.selection is None]
    workers = chosen.workers(opened.model)
    jobs = [partial(make_run, shop, run, None) for run in opened.runs(*plain)]
    run_jobs(jobs, opened.name, workers)
    lineages = [
        partial(run_lineage, opened, name, seed, partial(make_run, shop))
        for name in arms
        if name not in plain
        for seed in seeds_of(opened.loop, name)
    ]
    if lineages:
        run_jobs(lineages, f"{opened.name}, generations", workers)
    _sweep(shop)


def open_workshop(opened: OpenLoop) -> Workshop:
    """Load the bases that the arms need, once, before anything is forked."""
    limits = sandbox_of(opened.params)
    guard = loop_guard(opened.params, opened.loop)
    rooms = table.rooms(opened.loop, guard)
    cells = Cells(opened.root / DATA / opened.name, *rooms)
    bases: dict[str, learner.Base] = {}
    for arm in opened.loop.arms.values():
        model = model_of_arm(opened.model, arm)
        if model.quantisation not in bases:
            bases[model.quantisation] = learner.load(model)
    with table.opened(table.SOURCES, opened.loop.source, limits, "source") as source:
        guards = _guards(opened, cells, bases, limits)
        return Workshop(opened, source, limits, cells, bases, guards)


def model_of_arm(model: ModelParams, arm: LoopArm) -> ModelParams:
    """The loop's model as an arm loads it."""
    return dataclasses.replace(model, quantisation=arm.quantisation or model.quantisation)


def make_run(shop: Workshop, place: RunPlace, parent: RunPlace | None) -> str:
    """One run from start to end; gives its name. ``parent``: whose kept adapter it goes on from."""
    opened, loop = shop.opened, shop.opened.loop
    arm = loop.arms[place.arm]
    base = shop.bases[model_of_arm(opened.model, arm).quantisation]
    seeds = run_seeds(loop, place)
    with table.opened(table.JUDGES, loop.judge, shop.limits, "judge") as judge:
        lora = lora_of(loop, base.params, seeds.training)
        run = Run(loop, arm, place, seeds, learner.Learner(base, lora), shop.source, judge)
        require_enough_lessons(run)
        origin = None if parent is None else kept_adapter(parent)
        run_loop(_machine(shop, run), run, shop.cells, origin)
    return place.name


def require_enough_lessons(run: Run) -> None:
    """Check 11 for an online loop: what counts is how many items a whole run trains on.

    TrainingError unless the registration says 'pilot'.
    """
    found = sum(map(len, windows_of(run)))
    least = run.loop.train.min_examples
    if run.loop.design == "online" and found < least and run.loop.kind != "pilot":
        raise TrainingError(
            f"{run.place.name}: its {found} items are fewer than the registered minimum of {least} "
            "(check 11; for an online loop those of a whole run count). Give it more steps, or say "
            "'pilot' in the registration."
        )


def _machine(shop: Workshop, run: Run) -> Machine:
    opened, loop = shop.opened, shop.opened.loop
    guard = loop_guard(opened.params, loop)
    keyed = {key: value for key, value in values_of(loop).items() if key not in UNKEYED}
    keys = [
        keyed,
        values_of(run.arm),
        run.learner.base.sha256,
        values_of(run.learner.base.params),
        None if guard is None else values_of(guard),
        loop.alpha,
        items_sha256(shop.source),
    ]
    stepper = table.DESIGNS[loop.design].open()
    first = shop.guards.get(run.learner.base.params.quantisation, [])
    timings = opened.root / "timings" / opened.name
    return Machine(stepper, guard, first, shop.limits, loop.alpha, keys, timings, shop.started)


def items_sha256(source: Source) -> str:
    """Hash of everything a source gives."""
    items = [dataclasses.asdict(item) for part in PARTS for item in source.items(part)]
    return sha256_text(canonical_json(items))


def _guards(
    opened: OpenLoop, cells: Cells, bases: dict[str, learner.Base], limits: SandboxConfig
) -> dict[str, list[dict[str, Any]]]:
    """The guard as every base plays it, by quantisation; nothing without a guard."""
    suite = loop_guard(opened.params, opened.loop)
    if suite is None:
        return {}
    found = {}
    for name, base in bases.items():
        player = learner.Learner(base, lora_of(opened.loop, base.params, 0))

        def make(path: Path, player: learner.Learner = player) -> None:
            write_jsonl(path, play_guard(player, suite, limits))

        key = ["guard", base.sha256, values_of(base.params), values_of(suite)]
        found[name] = read_jsonl(cells.job(f"guard-{name}", key, ".jsonl", make)(), dict)
    return found


def _sweep(shop: Workshop) -> None:
    """Keep the files of this registration's runs and nothing else."""
    opened, cells = shop.opened, shop.cells
    models = Cells(opened.root / MODELS / opened.name)
    for run in opened.runs():
        cells.keep(run.path / "end.json")
        for place in run.checkpoints():
            cells.keep(place.path)
            cells.keep(run.path / f"{place.name}.key.json")
            models.keep(place.adapter)
    for name, arm in opened.loop.arms.items():
        if arm.selection is not None:
            for seed in seeds_of(opened.loop, name):
                cells.keep(opened.selection(name, seed))
    cells.sweep()
    models.sweep()
