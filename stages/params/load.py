"""params.yaml as a Params, and look-ups by name that fail with the nearest known name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from stages.params.loops import SOURCE, LoopParams, require_sound_loop
from stages.params.schema import AgentParams, Experiment, ModelParams, Params
from stages.params.strict import ParamsError, build, nearest, read_yaml, read_yaml_quickly
from stages.params.suites import SuiteParams

T = TypeVar("T")

CELL = "--"
"""Between the parts of a cell's name: experiment, model and world of a matrix."""
CUSTOM = "custom"
"""The entry of `models` that lends its values to a folder or hub id."""


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check the whole file; every name that points at a block must exist."""
    quick = read_yaml_quickly(path)
    if quick is not None:
        try:
            return _checked(quick, path)
        except ParamsError:  # read again, so that the message names the line
            pass
    return _checked(read_yaml(path), path)


def _checked(document: Mapping[str, Any], path: Path) -> Params:
    _refuse_aliases(document, str(path), {})
    params = build(Params, document, str(path))
    named_model(params, params.model, f"{path}: model")
    _look_up(params.suites, params.suite, f"{path}: suite")
    for name, experiment in params.experiments.items():
        at = f"{path}: experiments.{name}"
        model_of(params, experiment, at)
        suite_of(params, experiment, at)
        guard_of(params, experiment, at)
        teacher_model(params, experiment, at)
        for model in experiment.models:
            named_model(params, model, f"{at}.models")
    for name, loop in params.loops.items():
        _check_loop(params, name, loop, f"{path}: loops.{name}")
    for name, experiment_id in params.run.items():
        experiment_of(params, name)
        if experiment_id != name.partition(CELL)[0]:
            raise ParamsError(
                f"{path}: run.{name} is {experiment_id!r}; its values are those of "
                f"{name.partition(CELL)[0]!r}, which DVC must watch. Write that name."
            )
    return params


def _check_loop(params: Params, name: str, loop: LoopParams, at: str) -> None:
    """Every name in a loop's block must exist; ParamsError says where it doesn't."""
    if name in params.experiments:
        raise ParamsError(f"{at}: an experiment has this name too. Give the loop another.")
    loop_model(params, loop, at)
    loop_guard(params, loop, at)
    for arm, values in loop.arms.items():
        if values.teacher not in (None, SOURCE):
            named_model(params, values.teacher, f"{at}.arms.{arm}.teacher")
    require_sound_loop(loop, at)


def loop_of(params: Params, name: str) -> LoopParams:
    """The loop of that name; ParamsError lists the known ones."""
    return _look_up(params.loops, name, "loop")


def loop_model(params: Params, loop: LoopParams, where: str = "loop") -> ModelParams:
    """The model that the loop starts from: its own, else the top-level one."""
    return named_model(params, loop.model or params.model, f"{where}.model")


def loop_guard(params: Params, loop: LoopParams, where: str = "loop") -> SuiteParams | None:
    """The suite that guards the loop, or None."""
    if loop.guard is None:
        return None
    return _look_up(params.suites, loop.guard.suite, f"{where}.guard.suite")


def experiment_of(params: Params, name: str) -> Experiment:
    """The experiment of that name, or a cell of its matrix as an experiment of its own.

    A cell ``NAME--MODEL--WORLD`` has one world, ``NAME--MODEL`` all of the matrix's. ParamsError
    lists the known ones.
    """
    base, *parts = name.split(CELL)
    experiment = _look_up(params.experiments, base, "experiment")
    if not parts:
        return experiment
    model, *worlds = parts
    known = model in experiment.models and len(worlds) <= 1 and set(worlds) <= {*experiment.worlds}
    if not known:
        cells = [*cells_of(params, base), *cells_of(params, base, by_model=True)]
        raise ParamsError(f"experiment {name!r}: there is no such cell. {nearest(name, cells)}")
    own = tuple(worlds) or experiment.worlds
    return dataclasses.replace(experiment, model=model, models=(), worlds=own)


def cells_of(params: Params, name: str, by_model: bool = False) -> list[str]:
    """Names of the cells of an experiment's matrix, model by model; none without a matrix.

    One per model and world, or ``by_model`` one per model with all worlds.
    """
    experiment = _look_up(params.experiments, name, "experiment")
    if by_model:
        return [CELL.join((name, model)) for model in experiment.models]
    return [
        CELL.join((name, model, world))
        for model in experiment.models
        for world in experiment.worlds
    ]


def agent_of(params: Params, experiment: Experiment) -> AgentParams:
    """The agent's loop: the experiment's own, else the top-level one."""
    return experiment.agent or params.agent


def model_of(params: Params, experiment: Experiment, where: str = "experiment") -> ModelParams:
    """The model the experiment plays with: its own, else the top-level one."""
    return named_model(params, experiment.model or params.model, f"{where}.model")


def named_model(params: Params, name: str, where: str = "model") -> ModelParams:
    """The entry of `models` of that name; of a folder or hub id, entry `custom` with that path."""
    if name not in params.models and "/" in name and CUSTOM in params.models:
        return dataclasses.replace(params.models[CUSTOM], path=name)
    return _look_up(params.models, name, where)


def suite_of(params: Params, experiment: Experiment, where: str = "experiment") -> SuiteParams:
    """The suite the experiment's tasks come from: its own, else the top-level one."""
    return _look_up(params.suites, experiment.suite or params.suite, f"{where}.suite")


def guard_of(
    params: Params, experiment: Experiment, where: str = "experiment"
) -> SuiteParams | None:
    """The suite that watches the capability drop, or None."""
    if experiment.guard is None:
        return None
    return _look_up(params.suites, experiment.guard, f"{where}.guard")


def teacher_model(
    params: Params, experiment: Experiment, where: str = "experiment"
) -> ModelParams | None:
    """The language model that writes the training examples, or None for the rules."""
    teacher = experiment.synthesis.teacher
    if teacher is None:
        return None
    return named_model(params, teacher.model, f"{where}.synthesis.teacher.model")


def _refuse_aliases(block: Any, where: str, seen: dict[int, str]) -> None:
    """ParamsError for a block that stands in two places: DVC's --set-param can't change one."""
    if not isinstance(block, Mapping | list):
        return
    if id(block) in seen or getattr(block, "merge", None):
        raise ParamsError(
            f"{where}: a YAML alias (`*name`, or `<<` with one). `dvc exp run --set-param` changes "
            "such a block in one place and then writes the other's old value over it, so the new "
            "value would be lost without a word. Write the block out."
        )
    seen[id(block)] = where
    items = block.items() if isinstance(block, Mapping) else enumerate(block)
    for key, value in items:
        _refuse_aliases(value, f"{where}: {key}" if ":" not in where else f"{where}.{key}", seen)


def _look_up(blocks: Mapping[str, T], name: str, where: str) -> T:
    if name not in blocks:
        raise ParamsError(f"{where}: there is no {name!r}. {nearest(name, blocks)}")
    return blocks[name]
