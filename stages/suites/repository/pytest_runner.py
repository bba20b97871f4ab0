"""Grading by pytest, in the sandbox, with a virtual environment of the user's shown read-only.

A framework that runs in the graded code's own process reports what that code lets it report. What
is closed: printed results, an early exit, changed tests, conftests and configuration (all come from
the task), plugins, an own `pytest` module, forged reports without the token, and patches that make
tests pass at large (canaries in every test file must fail). What isn't: a patch written against
this very grader, which tells a canary from a test in pytest's own process; and a returned object
that equals everything. Plain grading closes these too.
"""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

from stages.agent.sandbox import RunResult, Sandbox, SandboxConfig, TestResult
from stages.agent.workspace import materialise, walk
from stages.suites.repository.errors import RepositoryError
from stages.suites.repository.plain import is_test_path
from stages.suites.swe_bench_cl.environments import INSIDE, Environment
from stages.suites.swe_bench_cl.local import open_bound

DRIVER = ".carryover"
WORKSPACE = "/workspace"
OUTPUT_BYTES = 8 << 20  # names and reasons of some thousand tests
CONFIGURATION = frozenset(
    {"pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "conftest.py"}
)
METADATA = (".egg-info", ".dist-info")
"""Folders in which a package's entry points, pytest plugins among them, are found."""
OTHERS_OFF = ("cacheprovider", "randomly", "xdist", "rerunfailures", "pytest_cov")
"""Plugins that would leave something behind, or reorder, spread or repeat the tests."""
PARTIAL = re.compile(
    r"-[kmxn]\b|-[kmxn].|--(exitfirst|maxfail|lf|ff|sw|deselect|ignore|co)\b.*|-p.*"
)
PROBE = "import sys, pytest; print(sys.base_prefix); print(sys.prefix)"
LIST = (
    "import sys; from importlib.metadata import distributions as found; print(sys.version); "
    "print(*sorted({f'{d.name}=={d.version}' for d in found()}), sep=chr(10))"
)
CANARY = "\n\ndef {name}():\n    values = [{number}]\n    assert values == [{other}]\n"


def is_graded_path(path: str) -> bool:
    """Whether grading takes a file from the task: tests, and what configures them."""
    parts = PurePosixPath(path).parts
    own = any(part.endswith(METADATA) for part in parts)
    return own or parts[-1] in CONFIGURATION or is_test_path(path)


def options_of(command: str) -> list[str] | None:
    """pytest's options in a test command; None when it is ``plain``.

    Raises RepositoryError for another command, and for options that leave tests out or change
    how they are reported.

    >>> options_of("python -m pytest -q"), options_of("plain")
    (['-q'], None)
    """
    if command == "plain":
        return None
    words = shlex.split(command)
    start = next((n for n, w in enumerate(words) if PurePosixPath(w).name == "pytest"), None)
    before = [PurePosixPath(word).name for word in words[:start]]
    if start is None or not all(re.fullmatch(r"python[\d.]*|-m", word) for word in before):
        raise RepositoryError(
            f"the test command {command!r} can't be graded: it is neither `plain` nor `python -m "
            "pytest OPTIONS`, and no other runner tells reliably which tests passed. Give one of "
            "these two; pytest runs unittest's classes as well."
        )
    options = words[start + 1 :]
    wrong = [word for word in options if PARTIAL.fullmatch(word) or not word.startswith("-")]
    wrong = [word for word in wrong if "=" not in word or PARTIAL.fullmatch(word)]
    if wrong:
        raise RepositoryError(
            f"the test command {command!r}: {wrong[0]!r} would leave tests out, name some, or "
            "change how they are reported, so grading couldn't tell a missing test from a failed "
            "one. Leave it out; an option's value is written --option=value."
        )
    return options


def open_pytest(config: SandboxConfig, environment: str | None, options: Sequence[str]) -> Sandbox:
    """A sandbox whose ``run_tests`` is pytest of ``environment`` (a virtual environment's folder;
    None takes the one this runs in). RepositoryError where it has no pytest."""
    shown = find_environment(environment)
    wide = dataclasses.replace(config, output_bytes=max(config.output_bytes, OUTPUT_BYTES))
    return PytestSandbox(open_bound(wide, shown), options)


def find_environment(folder: str | None) -> Environment:
    """The user's virtual environment, asked what it is; RepositoryError when it can't be used."""
    python = Path(folder or sys.prefix) / "bin/python"
    try:
        done = subprocess.run(
            [python, "-I", "-c", PROBE], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise RepositoryError(
            f"{python}: can't be run ({error.strerror}). Give the folder of a virtual environment "
            "as `environment`: python -m venv FOLDER, then FOLDER/bin/pip install pytest and "
            "what your tests import, but not your package itself."
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise RepositoryError(
            f"{python}: pytest isn't usable there ({said}). Install it with what your tests "
            "import (bin/pip install pytest ...), or name another environment."
        )
    base, prefix = done.stdout.split("\n")[:2]
    return Environment("", Path(prefix), Path(base), ())


def contents_of(folder: str | None) -> list[str]:
    """The interpreter's version and the packages, with theirs, of a virtual environment."""
    python = Path(folder or sys.prefix) / "bin/python"
    find_environment(folder)  # says what to do where there is none
    done = subprocess.run([python, "-I", "-c", LIST], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


class PytestSandbox(Sandbox):
    """An open sandbox that grades by pytest; everything else is as it was."""

    def __init__(self, opened: Sandbox, options: Sequence[str]) -> None:
        """Takes ``opened`` over, which shows the environment at ``INSIDE``."""
        self.__dict__.update(vars(opened))
        self.options = list(options)

    def run_command(self, command: str, workspace: Path) -> RunResult:
        """As a sandbox does, with the environment's programs first on the PATH."""
        return super().run_command(f'export PATH="{INSIDE}/bin:$PATH"; {command}', workspace)

    def run_tests(
        self, workspace: Path, files: Mapping[str, str], names: Sequence[str]
    ) -> list[TestResult]:
        """Grade by tests named as pytest names them; one that wasn't reported has failed."""
        found, failed = self.run_files(workspace, files, {n.partition("::")[0] for n in names})
        return [
            found.get(name) or TestResult(name, False, failed or "pytest didn't report it")
            for name in names
        ]

    def run_files(
        self, workspace: Path, files: Mapping[str, str], paths: Iterable[str]
    ) -> tuple[dict[str, TestResult], str]:
        """Every test of the files ``paths``, and why none counts (empty when all do).

        ``files`` are all that belongs to the tests; in the workspace they replace whatever there
        is of that kind.
        """
        paths = sorted(path for path in paths if path in files)
        if not paths:
            return {}, "the task has no such test file"
        job = self._prepare(workspace, files, paths)
        done = self.run_command(f"exec {INSIDE}/bin/python -I -S {DRIVER}/driver.py", workspace)
        begin, _, answer = done.output.partition(job["word"])
        if done.timed_out or not answer:
            why = done.killed_by or begin.strip()[-200:] or f"exit code {done.exit_code}"
            return {}, "timed out" if done.timed_out else f"pytest didn't come to its end ({why})"
        said = json.loads(answer)
        tests = {
            name: TestResult(name, passed, "" if passed else said["why"].get(name, ""))
            for name, passed in said["tests"].items()
        }
        broken = "; ".join(f"{k}: {v}" for k, v in said["why"].items() if k not in tests)
        return tests, said["failed"] or broken or ("" if tests else "pytest ran no test")

    def _prepare(
        self, workspace: Path, files: Mapping[str, str], paths: Sequence[str]
    ) -> dict[str, Any]:
        """Put the task's test files and the driver into the workspace; the driver's job."""
        for name, info in list(walk(workspace)):
            if is_graded_path(name) or not stat.S_ISREG(info.st_mode):
                (workspace / name).unlink()
        canaries = {path: f"test_{secrets.token_hex(4)}" for path in paths}
        number = secrets.randbelow(1000)
        marked = {
            path: files[path] + CANARY.format(name=name, number=number, other=number + 1)
            for path, name in canaries.items()
        }
        disabled = [part for name in OTHERS_OFF for part in ("-p", f"no:{name}")]
        fixed = [f"--rootdir={WORKSPACE}", "--import-mode=append", "-o", "addopts=", *disabled]
        job = {
            "word": secrets.token_hex(16),
            "path": [WORKSPACE, f"{WORKSPACE}/src"],
            "arguments": [*fixed, *self.options, *paths],
            "canaries": [f"{path}::{name}" for path, name in canaries.items()],
        }
        driver = resources.files("stages.suites.repository").joinpath("driver.py")
        placed = {f"{DRIVER}/driver.py": driver.read_text(encoding="utf-8")}
        placed[f"{DRIVER}/job.json"] = json.dumps(job)
        materialise(workspace, {**files, **marked, **placed})
        return job
