"""The algebra process as its caller sees it: started at need, bounded in cost, replaced when lost.

math-verify bounds itself by SIGALRM, which works in the main thread alone and doesn't interrupt a
power of large integers. A process that the kernel ends after so many CPU seconds has neither fault,
and a busy machine doesn't change its verdicts.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
import weakref
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
START_S = 120.0
PATIENCE = 30
"""Wall seconds waited per CPU second granted: a backstop for a machine that is all but stopped."""


class AlgebraUnavailable(RuntimeError):
    """The parser of LaTeX isn't installed; the message says how to get it."""


class AlgebraWorker:
    """Decides equality of LaTeX expressions; for several threads. A context manager.

    ``given_up`` counts requests that cost more than ``cpu_s`` seconds or the memory limit; their
    verdict is 'not the same'.
    """

    def __init__(self, cpu_s: float = 2.0) -> None:
        self.cpu_s, self.given_up = cpu_s, 0
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._decide = functools.lru_cache(maxsize=65536)(self._ask)

    def __enter__(self) -> AlgebraWorker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __call__(self, kind: str, answer: str, truth: str) -> bool:
        """Whether two expressions (``kind`` equation: two equations) are the same algebra."""
        with self._lock:
            return self._decide(kind, answer, truth)

    def close(self) -> None:
        """End the process; the next call starts another."""
        if self._process is not None:
            self._finalizer()
            self._process = None

    def _ask(self, kind: str, answer: str, truth: str) -> bool:
        process = self._process or self._start()
        request = {"kind": kind, "answer": answer, "truth": truth, "cpu_s": self.cpu_s}
        line = _exchange(process, json.dumps(request) + "\n", self.cpu_s * PATIENCE)
        if not line:
            self.given_up += 1
            self.close()
            return False
        return bool(json.loads(line)["same"])

    def _start(self) -> subprocess.Popen[str]:
        if importlib.util.find_spec("latex2sympy2_extended") is None:
            raise AlgebraUnavailable(
                "latex2sympy2_extended isn't installed, and MATH's answers hold LaTeX that only it "
                "reads. Install the extra: pip install '.[real]'."
            )
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "stages.suites.maths.algebra"],
            cwd=ROOT,
            env=environment | {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._finalizer = weakref.finalize(self, _end, process)
        if not _exchange(process, "", START_S):
            self.close()
            raise AlgebraUnavailable(
                f"`{sys.executable} -m stages.suites.maths.algebra` in {ROOT} doesn't start. Run "
                "it by hand to see why; most often latex2sympy2_extended and antlr4 don't fit."
            )
        return process


def _exchange(process: subprocess.Popen[str], text: str, patience_s: float) -> str:
    """The line that answers ``text``; empty when the process ended or fell silent."""
    assert process.stdin and process.stdout
    try:
        process.stdin.write(text)
        process.stdin.flush()
    except BrokenPipeError:
        return ""
    ready, _, _ = select.select([process.stdout], [], [], patience_s)
    return process.stdout.readline() if ready else ""


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
    process.wait()
