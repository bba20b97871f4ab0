"""The warm worker: imports once, then one fork per run, answering frames on its pipes."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from . import confine, grading, guards, launch, linux, programs, supervise, wire

# Imported before the first fork, so that a run needn't pay for them. Few, on purpose: a fork
# costs about 0.4 ms for each MiB that the zygote holds.
PRELOADED = (
    *("bisect", "collections", "collections.abc", "contextlib", "copy", "enum", "fractions"),
    *("functools", "glob", "heapq", "importlib.util", "itertools", "json", "math", "operator"),
    *("random", "re", "string", "sys", "textwrap", "threading", "time", "traceback", "types"),
    "typing",
)
IN_EVERY_INTERPRETER = {"_collections_abc", "genericpath", "os", "posixpath", "site", "stat"}


def main(settings: dict[str, Any]) -> None:
    """Enter the sandbox where the backend hasn't, say hello, serve until the pipe closes."""
    try:
        if settings["backend"] == "unshare":
            launch.enter(settings)
        zygote = Zygote(settings)
    except (OSError, KeyError) as error:
        wire.write_all(1, wire.frame(json.dumps({"error": str(error)}).encode()))
        return
    wire.write_all(1, wire.frame(json.dumps({"ready": sys.version}).encode()))
    zygote.serve()


class Zygote:
    """Forks a run into namespaces of its own and watches over it from outside them."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        settings["memory_free"] = supervise.free_memory(settings)
        takers, givers = _in_scratch_fork(guards.frame_users)
        for name in PRELOADED:
            importlib.import_module(name)
        self.own = programs.worker_modules()
        self.preloaded = frozenset(sys.modules) - IN_EVERY_INTERPRETER
        self.preloaded -= {*settings["startup"], *self.own}
        self.guard = guards.Guard(takers, givers, ["builtins", *PRELOADED])
        if settings["own_user_namespace"]:  # else the setting would be the host's
            _forbid_user_namespaces()
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.proc = os.open("/proc", os.O_RDONLY | os.O_CLOEXEC)
        sys.modules["random"].seed(
            0
        )  # a program that seeds nothing draws the same numbers in every worker
        grading.rehearse(self.guard)
        if settings["stripped"]:
            confine.strip_zygote(settings)
        gc.collect()
        gc.freeze()  # a collection in a fork would otherwise copy every page

    def serve(self) -> None:
        """Answer each request frame with one frame of JSON; end at end of file."""
        while True:
            try:
                request = json.loads(wire.read_frame(0))
            except wire.WireError:
                return
            reply = self.run(request)
            wire.write_all(1, wire.frame(json.dumps(reply).encode()))

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """One run. Tests are read from the pipe only after the fork, so no fork inherits them."""
        graded = request["kind"] in grading.KINDS
        token = os.urandom(16)
        here, there = os.pipe(), (os.pipe() if graded else None)
        linux.unshare(linux.NEWPID)
        child = linux.fork()
        if child == 0:
            os.close(here[0])
            try:
                self._child(request, token, here[1], there)
            except BaseException as error:  # a fork never returns into the loop of its parent
                text = f"sandbox: {type(error).__name__}: {error}\n".encode()
                os.write(2, text)
                if graded:
                    os.write(200, wire.frame(text))
            os._exit(125)
        linux.setns(self.own_pids, linux.NEWPID)
        os.close(here[1])
        watch = supervise.Watch(child, here[0], self.proc, self.settings)
        if there is None:
            return watch.output()
        os.close(there[0])
        try:
            tests = wire.read_frame(0)
            return watch.grade(token, tests, there[1])
        finally:
            os.close(there[1])
            if self.settings["stripped"]:
                confine.clean_scratch(self.settings)

    def _child(
        self, request: dict[str, Any], token: bytes, out: int, control: tuple[int, int] | None
    ) -> None:
        """`out` carries a run's output, or a grading's replies; `control` brings the tests."""
        graded = control is not None
        null = os.open("/dev/null", os.O_RDWR)
        stdin = null
        if request.get("stdin"):
            stdin = os.memfd_create("stdin")
            os.write(stdin, request["stdin"].encode())
            os.lseek(stdin, 0, os.SEEK_SET)
        # Channel descriptors move out of the way before 0, 1 and 2 replace those of the zygote.
        out, source = os.dup2(out, 200), (os.dup2(control[0], 201) if control else None)
        os.dup2(stdin, 0)
        for fd in (1, 2):
            os.dup2(null if graded else out, fd)
        os.closerange(3, 200)
        if self.settings["stripped"]:
            confine.confine_stripped(self.settings)
        else:
            confine.confine(self.settings, request.get("workspace"), graded)
        programs.forget(self.own, self.preloaded, request.get("workspace") is not None)
        if source is not None:
            grading.run(request, self.guard, token, source, out)
        else:
            os.close(out)
            programs.run(request)


def _forbid_user_namespaces() -> None:
    """No run may make one, in which it would hold capabilities again."""
    path = "/proc/sys/user/max_user_namespaces"
    with contextlib.suppress(OSError), open(path, "w") as handle:  # noqa: PTH123
        handle.write("0")


def _in_scratch_fork(function: Callable[[], Any]) -> Any:
    """What `function` returns, as JSON from a fork, so that nothing it imports stays here."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        wire.write_all(there, wire.frame(json.dumps(function()).encode()))
        os._exit(0)
    os.close(there)
    answer = json.loads(wire.read_frame(here))
    os.close(here)
    os.waitpid(child, 0)
    return answer
