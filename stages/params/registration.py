"""Registrations: the hash of everything an experiment's result may depend on by choice.

registrations.json at the root holds, per experiment, the hash and the date it was registered.
A result under any other hash is EXPLORATORY (science.md, section 2).
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Literal

from stages.params.load import (
    CELL,
    agent_of,
    experiment_of,
    guard_of,
    loop_guard,
    loop_model,
    loop_of,
    model_of,
    named_model,
    suite_of,
    teacher_model,
)
from stages.params.loops import SOURCE
from stages.params.schema import Experiment, ModelParams, Params
from stages.params.strict import ParamsError
from stages.params.values import values_of
from stages.records import canonical_json, read_json, sha256_file, sha256_text, write_json

FILE = "registrations.json"
ORGANISM = Path("models/base")
"""The embedded model, made by pretrain_base."""
ORGANISMS = Path("models/organisms")
"""Folder of the further organisms, made by pretrain_organism@NAME."""

Status = Literal["REGISTERED", "EXPLORATORY"]


def _registered(block: Any) -> Any:
    return values_of(block, places=False)


def registration_hash(params: Params, experiment_id: str, organism_sha: str) -> str:
    """SHA-256 over the experiment's block and the blocks it names, as canonical JSON.

    A cell has the hash of its matrix, which is registered as one.

    ``organism_sha`` is the fingerprint of the organism (of a matrix, of its organisms one after the
    other), empty for another model.
    """
    experiment = experiment_of(params, experiment_id.partition(CELL)[0])
    guard = guard_of(params, experiment)
    models = [_registered(model) for model in _models(params, experiment)]
    blocks = {
        "experiment": _registered(experiment),
        "model": models if experiment.models else models[0],
        "suite": _registered(suite_of(params, experiment)),
        "guard": None if guard is None else _registered(guard),
        "agent": _registered(agent_of(params, experiment)),
        "organism": organism_sha,
    }
    teacher = teacher_model(params, experiment)
    if teacher is not None:  # absent for the rules, as before there were other teachers
        blocks["teacher"] = _registered(teacher)
    return sha256_text(canonical_json(blocks))


def loop_hash(params: Params, name: str, organism_sha: str) -> str:
    """SHA-256 over a loop's whole block and the blocks it names, as canonical JSON.

    These are its model, the suite of its guard and the models that teach an arm;
    ``organism_sha`` is the fingerprint of the organism, empty for another model.
    """
    loop = loop_of(params, name)
    guard = loop_guard(params, loop)
    names = {arm.teacher for arm in loop.arms.values()} - {None, SOURCE}
    teachers = {teacher: named_model(params, teacher) for teacher in sorted(filter(None, names))}
    blocks = {
        "loop": _registered(loop),
        "model": _registered(loop_model(params, loop)),
        "guard": None if guard is None else _registered(guard),
        "teachers": _registered(teachers),
        "organism": organism_sha,
    }
    return sha256_text(canonical_json(blocks))


def _models(params: Params, experiment: Experiment) -> list[ModelParams]:
    """The experiment's model, or those of its matrix."""
    named = [named_model(params, name) for name in experiment.models]
    return named or [model_of(params, experiment)]


def organism_fingerprint(model: ModelParams, root: Path = Path()) -> str:
    """SHA-256 of an organism's weights, the embedded one's or another's; empty for other models.

    Raises ParamsError when the weights are not there yet.
    """
    path = Path(model.path)
    if model.kind != "local" or (path != ORGANISM and path.parent != ORGANISMS):
        return ""
    weights = root / path / "model.safetensors"
    if not weights.exists():
        stage = "pretrain_base" if path == ORGANISM else f"pretrain_organism@{path.name}"
        raise ParamsError(
            f"{weights}: no such file. Make it with `dvc repro {stage}`; for that an organism "
            "needs its entry under `organisms` in params.yaml."
        )
    return sha256_file(weights)


def current_hash(params: Params, experiment_id: str, root: Path = Path()) -> str:
    """The registration hash of an experiment's or a loop's values and organism as they are now."""
    if experiment_id in params.loops:
        model = loop_model(params, loop_of(params, experiment_id))
        return loop_hash(params, experiment_id, organism_fingerprint(model, root))
    models = _models(params, experiment_of(params, experiment_id.partition(CELL)[0]))
    organism = "".join(organism_fingerprint(model, root) for model in models)
    return registration_hash(params, experiment_id, organism)


def status(params: Params, experiment_id: str, root: Path = Path()) -> tuple[Status, str]:
    """Whether the values in force are the registered ones, and their hash.

    An experiment that trains on targets its own evaluation can't read (an arm's ``unparseable``,
    which overrides check 9) measures a mistake: it is exploratory whatever is registered.
    """
    now = current_hash(params, experiment_id, root)
    if experiment_id not in params.loops and _overrides_check_9(
        experiment_of(params, experiment_id.partition(CELL)[0])
    ):
        return "EXPLORATORY", now
    registered = _read(root).get(experiment_id.partition(CELL)[0], {}).get("hash")
    return ("REGISTERED" if now == registered else "EXPLORATORY"), now


def _overrides_check_9(experiment: Experiment) -> bool:
    arms = (experiment.arms or {}).values()
    return any(arm.examples is not None and arm.examples.unparseable for arm in arms)


def register(
    params: Params, experiment_id: str, date: str, root: Path = Path(), reason: str = ""
) -> str:
    """Write the experiment's hash and ISO date; gives the hash.

    An earlier registration with other values stays, under ``supersedes``, and only gives way when
    a ``reason`` is given: whoever reads a verdict can see what was registered before, and why not.
    """
    try:
        datetime.date.fromisoformat(date)
    except ValueError:
        raise ParamsError(f"--date {date}: not a date. Write it as 2026-11-21.") from None
    now = current_hash(params, experiment_id, root)
    entries = _read(root)
    old = entries.get(experiment_id)
    if old is not None and old["hash"] == now:
        return now
    entry: dict[str, Any] = {"hash": now, "date": date}
    if old is not None:
        if not reason:
            raise ParamsError(
                f"{FILE}: {experiment_id} was registered on {old['date']} with other values. "
                "Register the new values under a new name; or, if their data don't exist yet, "
                'give --supersede "why", and say so under Departures in EXPERIMENTS.md.'
            )
        given_up = {"hash": old["hash"], "date": old["date"], "reason": reason}
        entry["supersedes"] = [*old.get("supersedes", []), given_up]
    write_json(root / FILE, {**entries, experiment_id: entry})
    return now


def _read(root: Path) -> dict[str, dict[str, Any]]:
    return read_json(root / FILE) if (root / FILE).exists() else {}
