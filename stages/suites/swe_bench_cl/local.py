"""The local executor: a task's tests in the sandbox, with a virtual environment read-only in it."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from stages.agent.sandbox import Sandbox, SandboxConfig, SandboxUnavailable
from stages.agent.sandbox.backends import REMEDY, NotHere
from stages.agent.sandbox.config import BACKENDS
from stages.agent.sandbox.layout import make_layout
from stages.agent.sandbox.pool import Pool
from stages.agent.sandbox.worker import Worker
from stages.params import SweBenchClParams
from stages.records import Task, canonical_json, sha256_text
from stages.suites.swe_bench_cl.environments import (
    INSIDE,
    PREFIX,
    Environment,
    ensure,
    told_version,
)
from stages.suites.swe_bench_cl.errors import HarnessError
from stages.suites.swe_bench_cl.executor import Command, marked
from stages.suites.swe_bench_cl.repository import check_out, mirror_of
from stages.suites.swe_bench_cl.room import with_room
from stages.suites.swe_bench_cl.specs import Spec, spec_of, test_targets

SCRATCH = ".git/carryover"
"""Within .git: neither Git nor an agent's tools look there."""
OUTPUT_BYTES = 32 * 1024 * 1024  # sympy's and Django's logs are some megabytes
FILE_SIZE_MB = 1024


@dataclasses.dataclass(frozen=True)
class LocalSession:
    """A task's repository in a workspace of the sandbox."""

    sandbox: Sandbox
    workspace: Path
    task: Task
    spec: Spec
    tree: str
    root: str = "/workspace"
    scratch: str = f"/workspace/{SCRATCH}"

    def run(self, command: str) -> Command:
        variables = {
            "PATH": f"{PREFIX}/bin:{INSIDE}/bin:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": INSIDE,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **told_version(self.task),
        } | dict(self.spec.variables)
        pairs = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        done = self.sandbox.run_command("; ".join([*pairs, command]), self.workspace)
        if done.killed_by == "worker":
            raise HarnessError(f"{done.output} Run the same command again.")
        limit = done.killed_by or ""
        return Command(done.exit_code, done.output, done.timed_out or limit == "cpu", limit)

    def put(self, name: str, text: str) -> str:
        path = self.workspace / SCRATCH / name
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        return f"{self.scratch}/{name}"

    def rebuild(self) -> Command:
        return self.install() if self.spec.compiled else Command(0, "")

    def begin(self) -> None:
        """Install the project from a repository that is in place; HarnessError where it fails."""
        (self.workspace / SCRATCH).mkdir()
        done = self.install()
        if done.exit_code:
            raise HarnessError(
                f"{self.task.instance_id}: `{self.spec.install.format(prefix=PREFIX)}` failed at "
                f"the base commit: {done.output.strip()[-400:]} Add what is missing to its entry "
                "in stages/suites/swe_bench_cl/specs.py, or use the container executor."
            )

    def install(self) -> Command:
        """Make the project importable; exit code 0 when there is nothing to do."""
        if not self.spec.install:
            return Command(0, "")
        return self.run(self.spec.install.format(prefix=PREFIX))

    def test_script(self, task: Task) -> str:
        targets = " ".join(shlex.quote(name) for name in test_targets(task))
        return marked(f"{self.spec.test_command} {targets}".rstrip())


class LocalExecutor:
    """Runs tasks on this machine, without containers."""

    name = "local"

    def __init__(self, params: SweBenchClParams, specs: Callable[[Task], Spec] = spec_of) -> None:
        """``specs`` gives a task's specification; other suites of repositories have their own."""
        self.params, self.specs = params, specs

    def log_parser(self, task: Task) -> str:
        return self.specs(task).log_parser

    def environment(self, task: Task) -> Environment:
        """The task's environment, built when needed."""
        p = self.params
        return ensure(task, self.specs(task), p.repositories, p.environments, p.find_links)

    def identity(self, task: Task) -> str:
        parts = [self.name, self.environment(task).key, dataclasses.asdict(self.specs(task))]
        limits = [self.params.wall_seconds, self.params.memory_mb, self.params.processes]
        return sha256_text(canonical_json([*parts, limits]))

    @contextlib.contextmanager
    def session(self, task: Task) -> Iterator[LocalSession]:
        spec, environment = self.specs(task), self.environment(task)
        mirror = mirror_of(self.params.repositories, task.repo)
        with (
            open_bound(self._config(), environment) as sandbox,
            with_room(sandbox.work),
            sandbox.workspace() as folder,
        ):
            tree = check_out(mirror, task, folder)
            session = LocalSession(sandbox, folder, task, spec, tree)
            session.begin()
            yield session

    def sandbox(self, task: Task) -> Sandbox:
        """A sandbox that shows the task's environment; SandboxUnavailable where none works."""
        return open_bound(self._config(), self.environment(task))

    def _config(self) -> SandboxConfig:
        return SandboxConfig(
            cpu_seconds=int(self.params.wall_seconds) + 1,
            wall_seconds=self.params.wall_seconds,
            memory_mb=self.params.memory_mb,
            processes=self.params.processes,
            file_size_mb=FILE_SIZE_MB,
            output_bytes=OUTPUT_BYTES,
            workers=self.params.at_once,
        )


def open_bound(config: SandboxConfig, environment: Environment) -> Sandbox:
    """A sandbox that shows the environment read-only; HarnessError when no backend works."""
    holder = tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True)
    layout = make_layout(Path(holder.name))
    binds = [(str(environment.folder), INSIDE)]
    base = str(environment.base)
    if not base.startswith("/usr") and base not in dict(layout.read_only):
        binds.append((base, base))
    layout = dataclasses.replace(layout, read_only=(*layout.read_only, *binds))
    reasons = []
    for backend in BACKENDS[:2]:  # a container of the sandbox's has its own Python
        pool = Pool(partial(Worker, backend, layout, config), 1)
        try:
            pool.start()
        except NotHere as reason:
            reasons.append(f"{backend}: {reason}")
            continue
        graders = Pool(partial(Worker, backend, layout, config, stripped=True), 1)
        return Sandbox(backend, config, pool, graders, holder, layout.work)
    holder.cleanup()
    raise SandboxUnavailable(f"No sandbox works on this machine ({'; '.join(reasons)}). {REMEDY}")
