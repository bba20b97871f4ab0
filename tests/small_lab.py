"""A small open experiment and helpers on microrepo, for tests of the stages."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stages.agent.sandbox import Sandbox, SandboxConfig, SandboxUnavailable, open_sandbox
from stages.lab.context import Lab
from stages.params import MicrorepoParams, Params, load_params
from stages.suites.microrepo.issues import draft_issue
from stages.suites.microrepo.suite import Microrepo
from stages.suites.microrepo.world import (
    Issue,
    World,
    draw_parameters,
    module_text,
    repository,
    visible_test,
)

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def all_params() -> Params:
    """params.yaml, read once: it takes most of a second."""
    return load_params(ROOT / "params.yaml")


def small_lab(tasks: int = 12, name: str = "p1", **experiment: Any) -> Lab:
    """Experiment ``name`` of params.yaml with few tasks a world and some values changed."""
    params = all_params()
    suite = params.suites["microrepo"]
    assert isinstance(suite, MicrorepoParams)
    suite = dataclasses.replace(suite, tasks_per_world=tasks)
    params = dataclasses.replace(params, suites={**params.suites, "microrepo": suite})
    changed = dataclasses.replace(params.experiments[name], suite=None, **experiment)
    return Lab(name, params, changed, params.models["tiny"], Microrepo(tasks, suite.seed))


@contextmanager
def sandbox_or_skip() -> Iterator[Sandbox]:
    try:
        sandbox = open_sandbox(SandboxConfig(workers=1))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with sandbox:
        yield sandbox


def issue_of(world: World, kinds: tuple[str, ...], rng: Any, function: str = "") -> Issue:
    """An issue that asks for ``kinds``, about a function that no other file defines."""
    module = rng.choice(world.modules)
    free = free_functions(world)
    draft = draft_issue(
        world.conventions,
        function or rng.choice(free),
        draw_parameters(module, rng),
        rng,
        kinds=kinds,
    )
    return Issue(0, module, draft)


def free_functions(world: World) -> list[str]:
    """Names of functions that stand nowhere in the world's first state."""
    from stages.suites.microrepo.lexicon import FUNCTIONS

    text = "\n".join(repository(world, 0).values())
    return [name for name in FUNCTIONS if name not in text]


def filed(world: World, issue: Issue, fixed: bool = False) -> dict[str, str]:
    """The world's repository with ``issue`` filed (or fixed) in it."""
    draft = issue.draft
    body = draft.after if fixed else draft.before
    return {
        **repository(world, 0, fixed=True),
        issue.path: module_text(issue.module, body, "wrapper" in draft.kinds),
        f"tests/test_{issue.module.stem}.py": visible_test(issue.module, draft),
    }
