"""What a suite has, and what it needs that isn't on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from stages.params import GuardParams, RepositoryParams, SuiteParams, SweBenchClParams
from stages.records import UserError
from stages.suites.swe_bench_cl.environments import find_python
from stages.suites.swe_bench_cl.grading import require_swebench
from stages.suites.swe_bench_cl.load import load_tasks
from stages.suites.swe_bench_cl.published import SEQUENCES
from stages.suites.swe_bench_cl.repository import mirror_of
from stages.suites.swe_bench_cl.specs import spec_of


def known_tasks(suite: SuiteParams, worlds: tuple[str, ...]) -> tuple[int, str]:
    """Tasks of a repository, the mean of several rounded up, and who says so; 0 where none does."""
    made = getattr(suite, "tasks_per_world", None)
    if made is not None:
        return int(made), "the suite's tasks_per_world"
    if isinstance(suite, SweBenchClParams):
        counts = [
            SEQUENCES[repo_of(world)].tasks for world in worlds if repo_of(world) in SEQUENCES
        ]
        if counts:
            return -(-sum(counts) // len(counts)), "as published; the gold check may drop some"
    return 0, "unknown: run `python -m stages.generate_splits`, or give --tasks"


def suite_lacks(suite: SuiteParams, worlds: tuple[str, ...]) -> list[str]:
    """What must be there before the suite's tasks can be played, each with its remedy."""
    found = []
    for check in _checks(suite, worlds):
        try:
            check()
        except UserError as error:
            if str(error) not in found:
                found.append(str(error))
    return found


def _checks(suite: SuiteParams, worlds: tuple[str, ...]) -> Iterator[Callable[[], object]]:
    if isinstance(suite, GuardParams):
        yield lambda: _file("the guard's path", suite.path, suite.revision)
    elif isinstance(suite, RepositoryParams):
        yield lambda: _file("the suite's tasks", suite.tasks, None)
        for world in worlds:
            clone = suite.repositories.get(world)
            yield lambda clone=clone, world=world: _file(f"the clone of {world}", clone, None)
    elif isinstance(suite, SweBenchClParams):
        yield require_swebench
        yield lambda: _file("the suite's path", suite.path, suite.revision)
        for world in worlds:
            yield lambda world=world: mirror_of(suite.repositories, repo_of(world))
        if suite.path and Path(suite.path).exists():
            yield lambda: _pythons(suite, worlds)


def _file(what: str, path: str | None, revision: str | None) -> None:
    if path is None and not revision:
        raise UserError(f"{what}: none is named. Name it, or the data set's commit on the hub.")
    if path is not None and not Path(path).exists():
        raise UserError(f"{what}, {path}, isn't there.")


def _pythons(suite: SweBenchClParams, worlds: tuple[str, ...]) -> None:
    """UserError for the first Python that a task needs and this machine lacks."""
    listed = load_tasks(suite)
    wanted = {spec_of(task).python for world in worlds for task in listed.get(repo_of(world), ())}
    for version in sorted(wanted):
        find_python(version)


def repo_of(world: str) -> str:
    """A world's repository as SWE-bench writes it, ``owner/name``."""
    return world.replace("__", "/", 1)
