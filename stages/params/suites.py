"""The blocks under `suites` in params.yaml: one frozen dataclass per kind of suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stages.params.values import place


@dataclass(frozen=True, kw_only=True)
class MicrorepoParams:
    """A suite of generated repositories with hidden conventions."""

    kind: Literal["microrepo"]
    """which suite's code makes the tasks"""
    worlds: tuple[str, ...]
    """names of the worlds, each a repository"""
    tasks_per_world: int
    """issues per world"""
    seed: int
    """seed of the worlds and their issues"""


@dataclass(frozen=True, kw_only=True)
class MicrorepoDriftParams:
    """The generated repositories before and after their environment has changed (e10)."""

    kind: Literal["microrepo_drift"]
    """which suite's code makes the tasks"""
    worlds: tuple[str, ...]
    """names of the worlds; `NAME~minor`, `~moderate` and `~major` are NAME after the change"""
    tasks_per_world: int
    """issues per world, the same ones before and after"""
    seed: int
    """seed of the worlds and their issues"""
    drift_seed: int
    """seed of the change"""


@dataclass(frozen=True, kw_only=True)
class ProceduralParams:
    """A suite of generated code problems."""

    kind: Literal["procedural"]
    """which suite's code makes the tasks"""
    per_kind: int
    """problems per kind (arithmetic, RPN, ...)"""
    difficulties: tuple[int, ...]
    """difficulties drawn from, 1 to 10"""
    samples: int
    """answers drawn per problem"""
    temperature: float
    """sampling temperature of those answers; 0 is greedy"""
    seed: int
    """seed of the problems"""


@dataclass(frozen=True, kw_only=True)
class GuardParams:
    """A public problem set, how it is asked, and how often."""

    kind: Literal["humaneval", "mbpp", "maths"]
    """which problem set"""
    subset: str
    """humaneval: all; mbpp: sanitized (427) or full (974); maths: level2 (894)"""
    path: str | None = place()
    """file of rows (JSON, JSON Lines, either with .gz, or Parquet); null downloads from the hub"""
    revision: str | None = place()
    """commit of the data set on the hub; null only with a path"""
    style: Literal["paper", "chat"]
    """paper: the prompt of the original paper; chat: an instruction, the answer marked"""
    samples: int
    """answers per problem"""
    temperature: float
    """softmax temperature; 0 is greedy"""
    max_new_tokens: int
    """tokens per answer"""
    cpu_seconds: int | None = None
    """CPU time of one program; null takes the sandbox's. MBPP's longest reference needs 60"""


@dataclass(frozen=True, kw_only=True)
class RepositoryParams:
    """A suite of tasks in repositories of your own."""

    kind: Literal["repository"]
    """which suite's code makes the tasks"""
    repositories: dict[str, str] = place()
    """name (the rows' `repo`, "/" written "__") -> folder of its Git clone"""
    tasks: str = place()
    """file of tasks, JSON Lines with SWE-bench's fields"""
    test_command: str
    """how tests are run: plain (functions, called on Python alone), or python -m pytest OPTIONS"""
    environment: str | None = place()
    """virtual environment with pytest and what the tests import; null takes the running one"""
    unsupported: Literal["refuse", "leave_out"]
    """what happens to a task whose tests can't be graded plainly"""

    @property
    def worlds(self) -> tuple[str, ...]:
        """Names of the repositories."""
        return tuple(self.repositories)


@dataclass(frozen=True, kw_only=True)
class SweBenchClParams:
    """SWE-Bench-CL: which tasks, and what runs them; the experiment says in which order."""

    kind: Literal["swe_bench_cl"]
    """which suite's code makes the tasks"""
    worlds: tuple[str, ...]
    """repositories, each a sequence, "/" written "__"; experiments choose among them"""
    path: str | None = place()
    """the published SWE-Bench-CL JSON, or SWE-bench Verified rows (.json, .jsonl, .parquet)"""
    revision: str | None = place()
    """commit of princeton-nlp/SWE-bench_Verified on the hub; null only with a path"""
    leave_out_without_tests: bool
    """true leaves tasks without tests out; false refuses them by name"""
    executor: Literal["container", "local"] = place()
    """container: the published images, which can only check and grade; local: a virtual environment
    inside the sandbox, which agents can work in too"""
    repositories: str = place()
    """folder of mirrors, <owner>__<name>.git each (git clone --mirror)"""
    environments: str = place()
    """folder where virtual environments and gold checks are cached by content"""
    find_links: str | None = place()
    """folder of wheels; environments are then built from it alone, without an index"""
    socket: str | None = place()
    """Docker or Podman socket, as unix:///path; null tries DOCKER_HOST and the usual places"""
    pull: bool = place()
    """whether a missing image may be pulled"""
    wall_seconds: float
    """one installation, one command of an agent, or one run of a task's tests, seconds"""
    memory_mb: int
    """memory of one run, MiB"""
    processes: int
    """processes and threads of one run"""
    gold_runs: int
    """how often the gold patch must pass"""
    at_once: int = place()
    """runs of tests side by side"""


# A new suite is one more dataclass with its own `kind`, added to this union.
SuiteParams = (
    MicrorepoParams
    | MicrorepoDriftParams
    | ProceduralParams
    | GuardParams
    | RepositoryParams
    | SweBenchClParams
)
