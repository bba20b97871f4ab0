"""Which teacher the parameters choose. Choosing is all that happens here.

Cells don't count this file's imports (see ``stages.lab.imports.UNCOUNTED``): each counts the rooms
of the teacher that was chosen, so the rules' cells don't depend on the language model's code.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from stages.lab import chosen
from stages.lab.context import Lab
from stages.params import (
    MicrorepoDriftParams,
    MicrorepoParams,
    ModelParams,
    ParamsError,
    TeacherParams,
    suite_of,
    teacher_model,
)
from stages.records import canonical_json
from stages.synthesize.teacher import Teacher


def open_teacher(lab: Lab) -> Teacher:
    """The rules, or a language model's answers; its model opens when an answer is missing."""
    settings = lab.experiment.synthesis
    params = settings.teacher
    if params is None:
        others = [name for name in settings.formats if name != "T"]
        if others and not _embedded(lab):
            raise ParamsError(
                f"experiments.{lab.name}.synthesis.formats: there are rules for {others[0]} on the "
                "embedded world only. Name a language model as `synthesis.teacher`, or set "
                "`formats: [T]`, which is written from the merged fixes."
            )
        return _rules(lab)
    from stages.synthesize.language import Asking, LanguageTeacher

    asking = Asking(
        temperature=params.temperature,
        seed=params.seed,
        max_new_tokens=params.max_new_tokens,
        observation_characters=params.observation_characters,
        examples=lab.experiment.synthesis.pairs_per_session,
    )
    actions = _rules(lab) if "T" in lab.experiment.synthesis.formats else None
    return LanguageTeacher(_answers(_model_of(lab), params), asking, actions)


def teacher_rooms(lab: Lab) -> tuple[str, ...]:
    """The rooms whose code writes this experiment's examples."""
    if lab.experiment.synthesis.teacher is None:
        return (_rules_room(lab),)
    model = _model_of(lab)
    rooms = ("synthesize.language", "lab.models" if model.server is None else "lab.served")
    return (*rooms, _rules_room(lab)) if "T" in lab.experiment.synthesis.formats else rooms


def teacher_key(lab: Lab) -> list[Any]:
    """What a cell depends on beside code and settings: nothing for the rules."""
    if lab.experiment.synthesis.teacher is None:
        return []
    from stages.synthesize.language import prompts_sha256

    return [identity(_model_of(lab)), prompts_sha256()]


def identity(model: ModelParams) -> str:
    """All of a model that decides its answers; prices, limits and waits don't.

    Of a server it is the address, kind and name, which can't tell whether it changed its weights.
    """
    server = model.server
    if server is not None and server.model is not None:
        return canonical_json([server.url, server.kind, server.model, server.fold_roles])
    base = chosen.base_sha256(dataclasses.replace(model, server=None))
    where = None if server is None else [server.url, server.kind, server.fold_roles]
    return canonical_json(
        [base, model.dtype, model.quantisation, model.device, model.context_tokens, where]
    )


def _rules(lab: Lab) -> Teacher:
    """Who writes without a language model: the embedded world's rules, or the merged fixes."""
    if _embedded(lab):
        from stages.synthesize.rules import RuleTeacher

        return RuleTeacher()
    from stages.synthesize.gold import GoldTeacher

    return GoldTeacher()


def _rules_room(lab: Lab) -> str:
    return "synthesize.rules" if _embedded(lab) else "synthesize.gold"


def _embedded(lab: Lab) -> bool:
    """Whether the worlds are generated ones, whose sessions the rules can read."""
    suite = suite_of(lab.params, lab.experiment)
    return isinstance(suite, MicrorepoParams | MicrorepoDriftParams)


def _model_of(lab: Lab) -> ModelParams:
    model = teacher_model(lab.params, lab.experiment)
    assert model is not None, "asked for a language model's only"
    return model


def _answers(model: ModelParams, params: TeacherParams) -> Any:
    from stages.synthesize.answers import Answers, Limits

    limits = Limits(params.budget_tokens, params.budget_usd)
    at_once = model.max_live if model.server is None else model.server.concurrency

    def cost(read: int, cached: int, written: int) -> float:
        if model.server is None:
            return 0.0
        from stages.lab.served import config_of
        from stages.server.usage import Usage

        named = dataclasses.replace(model.server, model=model.server.model or "copy")
        return Usage(read, cached, written).cost(config_of(model, named).prices)

    def open_model() -> Any:
        return _open_model(model)

    return Answers(Path(params.cache), identity(model), open_model, limits, cost, at_once)


def _open_model(model: ModelParams) -> Any:
    """Weights in process, or a server that has answered once.

    A server needs no weights and no tokenizer here: nothing it says is compared with training.
    """
    if model.server is None:
        return chosen.open_model(model, ())
    from stages.lab.served import config_of
    from stages.server.model import ServerModel

    served = ServerModel(config_of(model, model.server))
    served.check()
    return served
