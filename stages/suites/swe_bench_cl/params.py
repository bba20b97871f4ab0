"""What a run on SWE-Bench-CL can be told, and the errors that its parts raise."""

from __future__ import annotations

import dataclasses
from typing import Literal

from stages.records import UserError


class SweBenchError(UserError):
    """Something about the tasks or the machine that the user can mend; one paragraph."""


class HarnessError(RuntimeError):
    """Something of ours failed, not of the agent's; the message says what and the remedy."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweBenchClParams:
    """Which tasks, in which order, and what runs them."""

    path: str | None
    """the published SWE-Bench-CL JSON, or SWE-bench Verified rows (.json, .jsonl, .parquet)"""
    revision: str | None
    """commit of princeton-nlp/SWE-bench_Verified on the hub; null only with a path"""
    order: Literal["difficulty", "date"]
    """difficulty first, as published; or by date alone, which the field's claim needs"""
    leave_out_without_tests: bool
    """true leaves tasks without tests out; false refuses them by name"""
    executor: Literal["container", "local"]
    """container: the published images; local: a virtual environment inside the sandbox"""
    repositories: str
    """folder of mirrors, <owner>__<name>.git each (git clone --mirror)"""
    environments: str
    """folder where virtual environments and gold checks are cached by content"""
    find_links: str | None
    """folder of wheels; environments are then built from it alone, without an index"""
    socket: str | None
    """Docker or Podman socket, as unix:///path; null tries DOCKER_HOST and the usual places"""
    pull: bool
    """whether a missing image may be pulled"""
    wall_seconds: float
    """one installation or one run of a task's tests, seconds"""
    memory_mb: int
    """memory of one run, MiB"""
    processes: int
    """processes and threads of one run"""
    gold_runs: int
    """how often the gold patch must pass"""

    def __post_init__(self) -> None:
        for name in ("wall_seconds", "memory_mb", "processes", "gold_runs"):
            if getattr(self, name) <= 0:
                raise SweBenchError(
                    f"swe_bench_cl.{name} is {getattr(self, name)}; it must be above 0."
                )
        if self.path is None and not self.revision:
            raise SweBenchError(
                "swe_bench_cl.path and .revision are both null: the rows could change between "
                "runs. Give a file, or the data set's commit on the hub."
            )
