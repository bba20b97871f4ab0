"""What the parameters choose: suite, checkpoint, backend. Choosing is all that happens here.

Cells therefore don't count this file's imports as their code: each counts what was chosen
(``rooms``), so that a suite or backend that an experiment doesn't use can change beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.params import (
    GuardParams,
    MicrorepoDriftParams,
    MicrorepoParams,
    ModelParams,
    ParamsError,
    RepositoryParams,
    SuiteParams,
    SweBenchClParams,
    organism_fingerprint,
)
from stages.suites.suite import Suite

SUITE_ROOMS = {
    kind: f"suites.{kind}.suite"
    for kind in ("microrepo", "microrepo_drift", "repository", "swe_bench_cl")
}
"""By kind, where the code of a suite with repositories stands."""


def open_suite(params: SuiteParams, where: str) -> Suite:
    """The suite of repository tasks; ParamsError for one of problems."""
    if isinstance(params, MicrorepoParams):
        from stages.suites.microrepo.suite import Microrepo

        return Microrepo(params.tasks_per_world, params.seed)
    if isinstance(params, MicrorepoDriftParams):
        from stages.suites.microrepo_drift.suite import MicrorepoDrift

        return MicrorepoDrift(params.tasks_per_world, params.seed, params.drift_seed)
    if isinstance(params, RepositoryParams):
        from stages.suites.repository.suite import Repository

        return Repository(params)
    if isinstance(params, SweBenchClParams):
        from stages.suites.swe_bench_cl.suite import open_swe_bench_cl

        return open_swe_bench_cl(params)
    raise ParamsError(
        f"{where} is of kind {params.kind}, which has no repositories to work in. Choose one of "
        f"kind {', '.join(SUITE_ROOMS)}."
    )


def worlds_of(params: SuiteParams) -> tuple[str, ...]:
    """The suite's repositories; none for a suite of problems."""
    return getattr(params, "worlds", ())


def open_model(model: ModelParams, openings: Sequence[Sequence[dict[str, str]]]) -> Any:
    """The backend that plays episodes: weights in process, or a server that has answered.

    A server must answer the opening chats as the weights do (check 6), else ParityError.
    """
    if model.server is not None:
        from stages.lab import served

        opened = served.served_model(model)
        served.require_same_actions(model, opened, openings)
        return opened
    from stages.lab.models import local_model

    return local_model(model)


def load_base(model: ModelParams) -> tuple[Any, Any]:
    """The transformers model (eval mode) that is trained, and its tokenizer."""
    from stages.lab import models

    return models.load_base(model)


def load_tokenizer(model: ModelParams) -> Any:
    """The checkpoint's tokenizer."""
    from stages.lab import models

    return models.load_tokenizer(model)


def base_sha256(model: ModelParams) -> str:
    """What identifies the base model: the organism's bytes, or another's settings and contents."""
    if organism := organism_fingerprint(model):
        return organism
    from stages.checkpoints.identity import checkpoint_sha256

    return checkpoint_sha256(model)


def workers(model: ModelParams) -> int:
    """Processes that work side by side; 0 is one a core. A GPU's state doesn't survive a fork."""
    return 0 if model.device == "cpu" else 1


def rooms(suite: SuiteParams, model: ModelParams) -> tuple[str, ...]:
    """The rooms whose code plays episodes of this suite with this model."""
    return SUITE_ROOMS[suite.kind], "lab.models" if model.server is None else "lab.served"


def guard_room(guard: SuiteParams) -> str:
    """The room of the guard's problems and grader."""
    return f"suites.{guard.kind}" if isinstance(guard, GuardParams) else "suites.procedural"
