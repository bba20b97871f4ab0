"""The host's end of one warm worker: start it, ask it, and start it anew when it is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from typing import Any

from stages.agent.sandbox import backends
from stages.agent.sandbox import layout as layouts
from stages.agent.sandbox.config import SandboxConfig
from stages.agent.sandbox.guest import wire

START_S = 20.0
CONTAINER_START_S = 300.0  # the first start may pull an image
GRACE_S = 10.0  # beyond the wall limit, which the worker itself enforces


class WorkerLost(RuntimeError):
    """The worker ended or fell silent during a request; it has been started anew."""


class Worker:
    """One sandboxed zygote process and its pipes. Not for two threads at once."""

    def __init__(
        self,
        backend: str,
        layout: layouts.Layout,
        config: SandboxConfig,
        index: int,
        stripped: bool = False,
    ) -> None:
        """`stripped` workers only grade programs without a workspace, and do it faster."""
        self.wall_s = config.wall_seconds
        self.patience_s = CONTAINER_START_S if backend == "container" else START_S
        self.command = backends.COMMANDS[backend](layout)
        self.boot = layouts.boot_frame(layout, config, backend, index, stripped)
        self.start()

    def start(self) -> None:
        """Start the process; raises NotHere with what it printed when it can't start."""
        with tempfile.TemporaryFile() as errors:
            try:
                self.process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    bufsize=0,
                    start_new_session=True,
                    cwd="/",
                    env=layouts.guest_environment() | {"PATH": os.environ.get("PATH", "")},
                )
                assert self.process.stdin and self.process.stdout
                self.to, self.back = self.process.stdin.fileno(), self.process.stdout.fileno()
                wire.write_all(self.to, self.boot)
                hello = json.loads(wire.read_frame(self.back, time.monotonic() + self.patience_s))
            except OSError as error:
                self.stop()
                errors.seek(0)
                text = errors.read().decode("utf-8", "replace").strip().splitlines()
                raise backends.NotHere(text[-1] if text else str(error)) from error
        if "error" in hello:
            self.stop()
            raise backends.NotHere(hello["error"])

    def send(self, request: dict[str, Any], tests: bytes | None = None) -> None:
        """Write a request; the tests follow in a frame that no fork of the worker inherits."""
        data = wire.frame(json.dumps(request).encode())
        if tests is not None:
            data += wire.frame(tests)
        try:
            wire.write_all(self.to, data)
        except OSError as error:
            raise self._lost() from error

    def receive(self) -> dict[str, Any]:
        """The next reply, in the order of the requests."""
        try:
            return json.loads(wire.read_frame(self.back, time.monotonic() + self.wall_s + GRACE_S))
        except OSError as error:
            raise self._lost() from error

    def stop(self) -> None:
        """End the worker and, with its pid namespace, everything in it."""
        process = getattr(self, "process", None)
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()

    def _lost(self) -> WorkerLost:
        self.stop()
        self.start()
        return WorkerLost("the sandbox worker was lost during this run; it has been started anew")
