"""A graded run: the candidate is imported first, the hidden tests and the secret come after.

Both run in a second thread: no signal handler runs there, and the main thread, which holds the
secret, is on no frame chain of theirs. From the import on only references saved beforehand are
used (every module here has its own copy of the builtins), so no contextlib, json or threading.
Tests are compiled from memory, never a file.
"""

from __future__ import annotations

import _thread
import importlib
import os
import signal
import sys
import types
from collections.abc import Callable
from typing import Any

from . import confine, wire
from .guards import TAMPERED, Guard, Tampering

__all__ = ["KINDS", "TAMPERED", "run"]

KINDS = ("check", "tests")
DETAIL = 300  # characters of an exception's message that a verdict keeps
CANARIES = compile(
    """
def not_true(): assert not True
def equal(): assert 1 == 2
def length(): assert len([]) == 1
def every(): assert all([False])
def some(): assert any([])
def kind(): assert isinstance(1, str)
def order(): assert sorted([2, 1]) == [2, 1]
def size(): assert abs(-2) < 1 and max(1, 2) < 2 and sum([1, 1]) < 2
def text(): assert str(1) == "2" or repr(1) == "2"
""",
    "canary",
    "exec",
    dont_inherit=True,
)
# Saved before any candidate runs.
_kill, _leave = os.kill, os._exit
_start, _lock, _threads = _thread.start_new_thread, _thread.allocate_lock, _thread._count
_type_name = type.__dict__["__name__"].__get__


class VacuousTest(Exception):
    """A test that could not fail in this process: its verdict is worth nothing."""


def run(request: dict[str, Any], guard: Guard, token: bytes, source: int, out: int) -> None:
    """Import the candidate, report ready with `token`, read the tests, report behind the secret."""
    for fd in (source, out):
        os.set_inheritable(fd, False)
    tests_of, load = (_check, _load_program) if request["kind"] == "check" else (_tests, _load)
    guard.arm()
    loaded = types.ModuleType("program")
    inbox: list[list[str]] = []
    done, go, box = _lock(), _lock(), []
    done.acquire()
    go.acquire()

    def candidate() -> None:
        box.append(_described(lambda: load(request, loaded)))
        done.release()
        go.acquire()
        box.append(_described(lambda: tests_of(inbox[0], loaded, guard)))
        done.release()

    _start(candidate, ())
    done.acquire()
    error = box[0][0]
    try:  # noqa: SIM105 (contextlib could be the candidate's by now)
        _kill(-1, signal.SIGKILL)  # whatever the import started; this process is number 1
    except ProcessLookupError:
        pass
    if not error and _threads() > 1:
        error = "importing it left a thread running"
    if error:
        wire.write_all(out, wire.frame(error.encode("utf-8", "replace")))
        _leave(1)
    wire.write_all(out, wire.frame(token))
    secret = wire.read_frame(source)
    inbox.append(wire.unpack(wire.read_frame(source)))
    go.release()
    done.acquire()
    error, verdicts = box[1]
    verdicts = verdicts if not error else ["0" + error]
    wire.write_all(out, wire.frame(secret + wire.pack(verdicts)))
    _leave(0)


def rehearse(guard: Guard) -> None:
    """Grade a program in the zygote, where it is trusted, so that forks inherit warm bytecode."""
    done = _lock()
    done.acquire()

    def body() -> None:
        for _ in range(20):
            module = types.ModuleType("program")
            _load_program({"program": "def f(n):\n    return [n]\n"}, module)
            test = "def check(candidate):\n    assert candidate(1) == [1]\n"
            _check([test, "f"], module, guard)
        done.release()

    _start(body, ())
    done.acquire()
    del sys.modules["program"]


def _described(function: Callable[[], Any]) -> tuple[str, Any]:
    """What `function` raised, described ("" for nothing), and what it returned."""
    try:
        return "", function()
    except BaseException as error:
        return describe(error), None


def describe(error: BaseException) -> str:
    """Type and first argument, without running code of a candidate's exception class."""
    name = _type_name(type(error))
    args = BaseException.__dict__["args"].__get__(error)
    return f"{name}: {args[0][:DETAIL]}" if args and type(args[0]) is str else name


def _load_program(request: dict[str, Any], module: types.ModuleType) -> None:
    sys.modules["program"] = module
    exec(compile(request["program"], "program.py", "exec", dont_inherit=True), module.__dict__)


def _load(request: dict[str, Any], module: types.ModuleType) -> None:
    """Import what the tests will import from the workspace; a failure shows again in the test."""
    sys.path.insert(0, confine.WORKSPACE)
    for name in request["modules"]:
        try:  # noqa: SIM105 (see above)
            importlib.import_module(name)
        except BaseException:
            pass


def _check(fields: list[str], program: types.ModuleType, guard: Guard) -> list[str]:
    """HumanEval: `check(candidate)` beside the program's names, but with builtins of its own."""
    test, entry_point = fields
    names = dict(program.__dict__)
    if entry_point not in names:
        return [f"0NameError: the program defines no {entry_point}"]
    candidate = names[entry_point]
    space = {k: v for k, v in names.items() if k not in guard.builtins}
    space["__builtins__"] = guard.builtins
    guard.restore(test)
    exec(compile(test, "test", "exec", dont_inherit=True), space)
    check = space["check"]
    check(guard.plain(candidate))
    _must_fail(lambda: check(_wrong))
    _run_canaries(guard.builtins)
    return ["1"]


def _wrong(*args: Any, **kwargs: Any) -> Any:
    return object()


def _tests(fields: list[str], program: types.ModuleType, guard: Guard) -> list[str]:
    """Fields: the number of files, path and text of each, then the names path::function."""
    count = 1 + 2 * int(fields[0])
    spaces: dict[str, dict[str, Any]] = {}
    errors: dict[str, str] = {}
    for path, text in zip(fields[1:count:2], fields[2:count:2], strict=True):
        space = spaces[path] = {
            "__builtins__": guard.builtins,
            "__name__": path,
            "__same__": guard.same,
        }
        guard.restore(text)
        try:
            exec(compile(text, path, "exec", dont_inherit=True), space)
        except BaseException as error:
            errors[path] = describe(error)
    verdicts = [_verdict(name, spaces, errors) for name in fields[count:]]
    _run_canaries(guard.builtins)
    return verdicts


def _verdict(name: str, spaces: dict[str, dict[str, Any]], errors: dict[str, str]) -> str:
    path, _, function = name.partition("::")
    if path in errors:
        return f"0the test file failed: {errors[path]}"
    try:
        spaces[path][function]()
    except BaseException as error:
        return "0" + describe(error)
    return "1"


def _run_canaries(clean: dict[str, Any]) -> None:
    space: dict[str, Any] = {"__builtins__": clean}
    exec(CANARIES, space)
    for name, value in list(space.items()):
        if name != "__builtins__":
            _must_fail(value)


def _must_fail(function: Callable[[], Any]) -> None:
    try:
        function()
    except Tampering:
        raise
    except Exception:
        return
    raise VacuousTest("a test made to fail has passed in the candidate's process")
