"""The sandbox as the rest of Carryover uses it: run a command, a program, or a grading."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from stages.agent.sandbox.backends import REMEDY, NotHere
from stages.agent.sandbox.config import (
    BACKENDS,
    RunResult,
    SandboxConfig,
    SandboxUnavailable,
    TestResult,
)
from stages.agent.sandbox.guest import wire
from stages.agent.sandbox.hidden_tests import guard_comparisons, imports_of
from stages.agent.sandbox.layout import interpreter_path, make_layout, memory_folder, prefixes
from stages.agent.sandbox.pool import Pool, ask, verdicts_of
from stages.agent.sandbox.worker import Worker, WorkerLost


def anywhere(output: str) -> str:
    """What a program printed, with the interpreter as ``python`` and its library in /usr.

    The agent reads it, so an episode must not hang on where this machine keeps its Python.
    """
    output = output.replace(interpreter_path(), "python")
    for prefix in prefixes():
        output = output.replace(f"{prefix}/", "/usr/")
    return output


def open_sandbox(config: SandboxConfig | None = None) -> Sandbox:
    """A running sandbox with the first backend that works; SandboxUnavailable when none does."""
    config = config or SandboxConfig()
    folder = tempfile.TemporaryDirectory(
        prefix="sandbox-", dir=memory_folder(), ignore_cleanup_errors=True
    )
    layout = make_layout(Path(folder.name))
    reasons = []
    count = config.workers or len(os.sched_getaffinity(0))
    for backend in BACKENDS if config.backend == "auto" else (config.backend,):
        pool = Pool(partial(Worker, backend, layout, config), count)
        try:
            pool.start()
        except NotHere as reason:
            reasons.append(f"{backend}: {reason}")
            continue
        graders = Pool(partial(Worker, backend, layout, config, stripped=True), count)
        return Sandbox(backend, config, pool, graders, folder, layout.work)
    folder.cleanup()
    raise SandboxUnavailable(f"No sandbox works on this machine ({'; '.join(reasons)}). {REMEDY}")


class Sandbox:
    """Warm workers of one backend; safe to use from several threads. A context manager."""

    def __init__(
        self,
        backend: str,
        config: SandboxConfig,
        pool: Pool,
        graders: Pool,
        folder: tempfile.TemporaryDirectory[str],
        work: Path,
    ) -> None:
        self.backend, self.config, self.work = backend, config, work
        self._pool, self._graders, self._folder = pool, graders, folder

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and remove every workspace."""
        self._pool.stop()
        self._graders.stop()
        self._folder.cleanup()

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A fresh empty folder that runs can be given as theirs; removed at the end."""
        with tempfile.TemporaryDirectory(dir=self.work, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def run_command(self, command: str, workspace: Path) -> RunResult:
        """Run a shell command with `workspace` as its cwd and only writable folder."""
        return self._run(
            {"kind": "command", "command": command, "workspace": self._name(workspace)}
        )

    def run_program(self, source: str, workspace: Path | None = None, stdin: str = "") -> RunResult:
        """Run Python source as a script; without a workspace its cwd is an empty private /tmp."""
        name = None if workspace is None else self._name(workspace)
        return self._run({"kind": "program", "source": source, "stdin": stdin, "workspace": name})

    def run_tests(
        self, workspace: Path, files: Mapping[str, str], names: Sequence[str]
    ) -> list[TestResult]:
        """Grade `workspace` by tests it never sees: files as path -> text, names path::function.

        Each test is a plain function, called once, in the order of `names`. One that ends the
        process or runs past the wall limit fails them all.
        """
        for name in names:
            path, _, function = name.partition("::")
            if path not in files or not function:
                raise ValueError(
                    f"The test {name!r} is not path::function with a path of {list(files)}."
                )
        guarded = {path: guard_comparisons(text, path) for path, text in files.items()}
        request = {
            "kind": "tests",
            "workspace": self._name(workspace),
            "modules": sorted({m for t in files.values() for m in imports_of(t)}),
        }
        flat = [part for item in guarded.items() for part in item]
        tests = wire.pack([str(len(files)), *flat, *names])
        with self._pool.lend() as worker:
            reply = ask(worker, request, tests)
        return verdicts_of(reply, list(names))

    def check_program(self, program: str, test: str, entry_point: str) -> TestResult:
        """Grade one program HumanEval's way: `test` defines check(candidate)."""
        return self.map_check([(program, test, entry_point)])[0]

    def map_check(self, items: Iterable[tuple[str, str, str]]) -> list[TestResult]:
        """`check_program` of each (program, test, entry point), on all workers, order kept."""
        return self._graders.map_check(list(items))

    def _run(self, request: dict[str, Any]) -> RunResult:
        with self._pool.lend() as worker:
            try:
                worker.send(request)
                result = RunResult(**worker.receive())
                return dataclasses.replace(result, output=anywhere(result.output))
            except WorkerLost as lost:
                return RunResult(137, str(lost), False, "worker", 0.0)

    def _name(self, workspace: Path) -> str:
        if workspace.parent != self.work or not workspace.is_dir():
            raise ValueError(
                f"{workspace} is not a workspace of this sandbox; use "
                "`with sandbox.workspace() as folder` and write the files there."
            )
        return workspace.name
