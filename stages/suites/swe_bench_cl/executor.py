"""Two ways to run a task's tests behind one Protocol, and what is common to both."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from stages.records import Task
from stages.suites.swe_bench_cl.errors import HarnessError
from stages.suites.swe_bench_cl.specs import TARGET

START, END = ">>>>> Start Test Output", ">>>>> End Test Output"
EXIT_CODE = ">>>>> Test Exit Code"
"""The lines by which the swebench package finds the tests' output in a log."""
APPLY = ("git apply --verbose --whitespace=nowarn", "patch --batch --forward --fuzz=5 -p1 -i")
"""Ways to apply a patch, in order; the second tolerates shifted context, as SWE-bench does."""


@dataclasses.dataclass(frozen=True)
class Command:
    """How one command in a session ended."""

    exit_code: int
    output: str
    timed_out: bool = False
    killed_by: str = ""
    """limit that ended it: memory, output, cpu; empty otherwise"""


@dataclasses.dataclass(frozen=True)
class TestRun:
    """The log of a task's tests after a patch."""

    __test__ = False  # pytest would otherwise try to collect the class

    ended: Literal["complete", "timeout", "killed", "patch_refused", "build_failed"]
    log: str
    detail: str = ""
    tree: str = ""
    """Git's hash of the base tree"""


class Session(Protocol):
    """A task's repository at its base commit, ready to run, without a network."""

    @property
    def root(self) -> str:
        """The repository's folder, as commands see it."""
        ...

    @property
    def scratch(self) -> str:
        """A writable folder that Git doesn't look at, as commands see it."""
        ...

    @property
    def tree(self) -> str:
        """Git's hash of the base tree."""
        ...

    def run(self, command: str) -> Command:
        """Run a shell command in the repository's root; HarnessError when it can't be run."""
        ...

    def put(self, name: str, text: str) -> str:
        """Write a file into the scratch folder; returns its path, as commands see it."""
        ...

    def rebuild(self) -> Command:
        """Build the project anew after a patch; exit code 0 where there is nothing to build."""
        ...

    def test_script(self, task: Task) -> str:
        """A shell script that runs the task's tests, once its test patch is applied."""
        ...


class Executor(Protocol):
    """Runs tasks: ``container`` or ``local``."""

    name: str

    def log_parser(self, task: Task) -> str:
        """Name of the swebench parser that reads this task's logs."""
        ...

    def identity(self, task: Task) -> str:
        """Hash of everything a run's result depends on but the patch."""
        ...

    def session(self, task: Task) -> AbstractContextManager[Session]:
        """The task's repository, fresh; HarnessError or SweBenchError when it can't be had."""
        ...


def run_tests(executor: Executor, task: Task, patch: str) -> TestRun:
    """Apply ``patch`` to a fresh repository, then the task's test patch, and run its tests.

    Raises HarnessError where the environment fails, for instance when the test patch can't be
    applied.
    """
    with executor.session(task) as session:
        return dataclasses.replace(_run(session, task, patch), tree=session.tree)


def _run(session: Session, task: Task, patch: str) -> TestRun:
    if patch.strip():
        refused = _apply(session, "model.patch", patch)
        if refused is not None:
            return TestRun("patch_refused", "", refused)
        built = session.rebuild()
        if built.exit_code:
            return TestRun("build_failed", built.output, built.output.strip()[-300:])
    refused = _bring_tests(session, task)
    if refused is not None:
        return TestRun("patch_refused", "", refused)
    done = session.run(f"sh {session.put('tests.sh', session.test_script(task))}")
    if done.timed_out:
        return TestRun("timeout", done.output, "the tests ran past the limit")
    if END not in done.output:
        reason = done.killed_by or f"exit code {done.exit_code}"
        return TestRun("killed", done.output, f"the tests were ended ({reason})")
    return TestRun("complete", done.output)


def marked(command: str) -> str:
    """A script that runs a test command between the marks, its exit code after them."""
    return f'echo "{START}"\n{command}\ncode=$?\necho\necho "{END}"\necho "{EXIT_CODE}: $code"\n'


def _bring_tests(session: Session, task: Task) -> str | None:
    """Put the test patch's files to their base state, whatever was done to them, and patch them.

    Returns why that can't be done where the model's patch stands in the way; HarnessError where
    the test patch doesn't fit the base commit itself.
    """
    files = " ".join(shlex.quote(name) for name in sorted(set(TARGET.findall(task.test_patch))))
    reset = f'for f in {files}; do rm -rf -- "$f"; git checkout -q HEAD -- "$f" 2>/dev/null; done'
    session.run(reset)
    refused = _apply(session, "test.patch", task.test_patch, APPLY[:1])
    if refused is None:
        return None
    session.run("git read-tree --reset -u HEAD && git clean -fdq")
    if _apply(session, "test.patch", task.test_patch, APPLY[:1]) is None:
        return "the patch stands in the way of the task's test files"
    raise HarnessError(
        f"{task.instance_id}: its test patch can't be applied to the base commit: {refused} "
        "The row isn't of this commit: fetch the data set again."
    )


def _apply(session: Session, name: str, patch: str, ways: Sequence[str] = APPLY) -> str | None:
    """None when the patch was applied, else why not; an attempt that fails is undone."""
    path = session.put(name, patch if patch.endswith("\n") else f"{patch}\n")
    tree = session.run("git add -A && git write-tree").output.strip()
    last = ""
    for way in ways:
        done = session.run(f"{way} {path}")
        if done.exit_code == 0:
            return None
        last = done.output.strip()[-300:]
        session.run(f"git read-tree --reset -u {tree} && git clean -fdq")
    return last
