"""The sandbox as the rest of Carryover uses it: run a command, a program, or a grading."""

from __future__ import annotations

import ast
import functools
import os
import queue
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from stages.agent.sandbox.layout import make_layout
from stages.agent.sandbox.worker import Worker, WorkerLost

AHEAD = 2  # requests in a worker's pipe: it never waits for the host between two programs


def open_sandbox(config: SandboxConfig | None = None) -> Sandbox:
    """A running sandbox with the first backend that works; SandboxUnavailable when none does."""
    config = config or SandboxConfig()
    folder = tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True)
    layout = make_layout(Path(folder.name))
    reasons = []
    for backend in BACKENDS if config.backend == "auto" else (config.backend,):
        try:
            first = Worker(backend, layout, config, 0)
        except NotHere as reason:
            reasons.append(f"{backend}: {reason}")
            continue
        count = config.workers or len(os.sched_getaffinity(0))
        others = [Worker(backend, layout, config, index) for index in range(1, count)]
        return Sandbox(backend, config, [first, *others], folder, layout.work)
    folder.cleanup()
    raise SandboxUnavailable(f"No sandbox works on this machine ({'; '.join(reasons)}). {REMEDY}")


class Sandbox:
    """Warm workers of one backend; safe to use from several threads. A context manager."""

    def __init__(
        self,
        backend: str,
        config: SandboxConfig,
        workers: list[Worker],
        folder: tempfile.TemporaryDirectory[str],
        work: Path,
    ) -> None:
        self.backend, self.config, self.work = backend, config, work
        self._workers, self._folder = workers, folder
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        for worker in workers:
            self._free.put(worker)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and remove every workspace."""
        for worker in self._workers:
            worker.stop()
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
        guarded = {path: _guard_comparisons(text, path) for path, text in files.items()}
        request = {
            "kind": "tests",
            "workspace": self._name(workspace),
            "modules": sorted({m for t in files.values() for m in _imports(t)}),
        }
        flat = [part for item in guarded.items() for part in item]
        tests = wire.pack([str(len(files)), *flat, *names])
        with self._worker() as worker:
            reply = _ask(worker, request, tests)
        return _verdicts(reply, list(names))

    def check_program(self, program: str, test: str, entry_point: str) -> TestResult:
        """Grade one program HumanEval's way: `test` defines check(candidate)."""
        return self.map_check([(program, test, entry_point)])[0]

    def map_check(self, items: Iterable[tuple[str, str, str]]) -> list[TestResult]:
        """`check_program` of each (program, test, entry point), on all workers, order kept."""
        work = list(enumerate(items))
        results: list[TestResult | None] = [None] * len(work)
        todo, lock = iter(work), threading.Lock()

        def take() -> tuple[int, tuple[str, str, str]] | None:
            with lock:
                return next(todo, None)

        def serve() -> None:
            with self._worker() as worker:
                _pipeline(worker, take, results)

        threads = min(len(self._workers), len(work))
        if threads <= 1:
            serve()
        else:
            with ThreadPoolExecutor(threads) as pool:
                for future in [pool.submit(serve) for _ in range(threads)]:
                    future.result()
        return [result for result in results if result is not None]

    def _run(self, request: dict[str, Any]) -> RunResult:
        with self._worker() as worker:
            try:
                worker.send(request)
                return RunResult(**worker.receive())
            except WorkerLost as lost:
                return RunResult(137, str(lost), False, "worker", 0.0)

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        worker = self._free.get()
        try:
            yield worker
        finally:
            self._free.put(worker)

    def _name(self, workspace: Path) -> str:
        if workspace.parent != self.work or not workspace.is_dir():
            raise ValueError(
                f"{workspace} is not a workspace of this sandbox; use "
                "`with sandbox.workspace() as folder` and write the files there."
            )
        return workspace.name


def _ask(worker: Worker, request: dict[str, Any], tests: bytes) -> dict[str, Any]:
    try:
        worker.send(request, tests)
        return worker.receive()
    except WorkerLost as lost:
        return {"failed": str(lost)}


def _check_request(item: tuple[str, str, str]) -> tuple[dict[str, Any], bytes]:
    program, test, entry_point = item
    return {"kind": "check", "program": program}, wire.pack([test, entry_point])


def _pipeline(worker: Worker, take: Any, results: list[TestResult | None]) -> None:
    """Keep `AHEAD` requests in the worker's pipe; after a loss, ask each of them again alone."""
    waiting: deque[tuple[int, tuple[str, str, str]]] = deque()
    while True:
        try:
            while len(waiting) < AHEAD and (item := take()) is not None:
                waiting.append(item)
                worker.send(*_check_request(item[1]))
            if not waiting:
                return
            reply = worker.receive()
            index, (_, _, entry_point) = waiting.popleft()
            results[index] = _verdicts(reply, [entry_point])[0]
        except WorkerLost:
            for index, item in waiting:
                results[index] = _verdicts(_ask(worker, *_check_request(item)), [item[2]])[0]
            waiting.clear()


def _verdicts(reply: dict[str, Any], names: list[str]) -> list[TestResult]:
    verdicts = reply.get("verdicts", [])
    if len(verdicts) != len(names):
        why = reply.get("failed") or (verdicts[0][1:] if verdicts else "no verdict came back")
        return [TestResult(name, False, why) for name in names]
    return [TestResult(n, v[:1] == "1", v[1:]) for n, v in zip(names, verdicts, strict=True)]


class _Comparisons(ast.NodeTransformer):
    """`a == b` as __same__(a, b), which notices an object that equals everything."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            return node
        call = ast.Call(ast.Name("__same__", ast.Load()), [node.left, node.comparators[0]], [])
        return call if isinstance(node.ops[0], ast.Eq) else ast.UnaryOp(ast.Not(), call)


@functools.lru_cache(maxsize=1024)
def _guard_comparisons(text: str, path: str) -> str:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"The test file {path} doesn't parse: line {error.lineno}.") from error
    return ast.unparse(ast.fix_missing_locations(_Comparisons().visit(tree)))


@functools.lru_cache(maxsize=1024)
def _imports(text: str) -> tuple[str, ...]:
    """Modules that a test file imports at any depth, for import before the tests arrive."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return tuple(sorted(found))
