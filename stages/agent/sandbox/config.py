"""What a sandbox is asked for, what a run returns, and the refusal when none can be had."""

from __future__ import annotations

from dataclasses import dataclass

BACKENDS = ("bubblewrap", "unshare", "container")
LIMITS = (
    "cpu_seconds",
    "wall_seconds",
    "memory_mb",
    "processes",
    "file_size_mb",
    "output_bytes",
)
"""Settings that an outcome may depend on; every backend and number of workers gives the same."""


class SandboxUnavailable(RuntimeError):
    """No backend works on this machine; the message names each reason and the remedy."""


@dataclass(frozen=True)
class SandboxConfig:
    """Limits of one run inside the sandbox; a run is one program, command or grading."""

    backend: str = "auto"
    """auto (first that works: bubblewrap, unshare, container) or one of those names"""
    cpu_seconds: int = 10
    """CPU time of each process of a run, seconds"""
    wall_seconds: float = 10.0
    """time from start to kill of a run with all its processes, seconds"""
    memory_mb: int = 1024
    """address space of each process, resident memory of a run, and, where workspaces lie in memory,
    what a run may add to them (what went beyond is reported as killed by "files"), MiB"""
    processes: int = 64
    """processes and threads alive at once in a worker"""
    file_size_mb: int = 64
    """size of one written file, and of the private /tmp, MiB"""
    output_bytes: int = 65536
    """stdout and stderr kept of a run, bytes; what follows is read and dropped"""
    workers: int = 0
    """warm workers; 0 means one per core"""
    memory: str | None = None
    """file for outcomes that follow from texts alone, shared with other processes and later runs;
    None: they are remembered as long as the process lives"""

    def __post_init__(self) -> None:
        if self.backend != "auto" and self.backend not in BACKENDS:
            raise ValueError(
                f"sandbox.backend is {self.backend!r}; choose auto, {', '.join(BACKENDS)}."
            )
        for name in LIMITS:
            if getattr(self, name) <= 0:
                raise ValueError(f"sandbox.{name} is {getattr(self, name)}; it must be above 0.")
        if self.workers < 0:
            raise ValueError(f"sandbox.workers is {self.workers}; use 0 for one per core.")


@dataclass(frozen=True)
class RunResult:
    """One command or program: merged output and how it ended."""

    exit_code: int
    """0 to 255; 128 + signal number when a signal ended it"""
    output: str
    """stdout and stderr in order, at most output_bytes"""
    timed_out: bool
    """whether the wall limit ended it"""
    killed_by: str | None
    """wall, cpu, memory, files, output, worker, signal N; None when it ended by itself"""
    seconds: float
    """wall time measured in the worker, seconds"""
    saved_seconds: float = 0.0
    """what it took when it was run, where this is remembered from then"""


@dataclass(frozen=True)
class TestResult:
    """One graded test: passed only when it ran to its end without an exception."""

    __test__ = False  # pytest would otherwise try to collect the class

    name: str
    passed: bool
    detail: str
    complete: bool = True
    """False where the run was ended from outside, by a limit or with its worker: another run may
    end otherwise"""
