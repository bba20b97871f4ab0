"""A small real Git repository with a future that must not be seen, and a task made from it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.params import SweBenchClParams
from stages.records import Task
from stages.suites.swe_bench_cl.local import LocalExecutor
from stages.suites.swe_bench_cl.specs import Spec

BUGGY = "def total(prices):\n    return sum(prices[1:])\n"
FIXED = "def total(prices):\n    return sum(prices)\n"
TESTS = """import unittest

from shop import total


class TotalTests(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(total([]), 0)
"""
NEW_TEST = """
    def test_all(self):
        self.assertEqual(total([1, 2, 3]), 6)
"""
SPEC = Spec(
    python="%d.%d" % sys.version_info[:2],  # noqa: UP031
    requirements=(),
    test_command="python -m unittest -v",
    log_parser="parse_log_django",
    # The package lies in src/ and is found through the prefix alone.
    install=(
        "site={prefix}/lib/python%d.%d/site-packages; mkdir -p $site; "  # noqa: UP031
        "echo /workspace/src > $site/shop.pth"
    )
    % sys.version_info[:2],
)


def git(folder: Path, *arguments: str, date: str = "2020-01-01T00:00:00Z") -> str:
    people = {
        f"GIT_{who}_{what}": "a@b.c"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env=os.environ | people | dates,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@dataclasses.dataclass(frozen=True)
class Shop:
    """The repository, its mirrors' folder and its task."""

    folder: Path
    mirrors: Path
    task: Task
    future: str
    """commit of the fix, later than the base"""


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    mirrors = tmp_path_factory.mktemp("mirrors")
    folder = mirrors / "acme__shop"
    (folder / "src/shop").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "src/shop/__init__.py").write_text(BUGGY)
    (folder / "test_shop.py").write_text(TESTS)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Shop")
    base = git(folder, "rev-parse", "HEAD")
    later = "2021-01-01T00:00:00Z"
    (folder / "src/shop/__init__.py").write_text(FIXED)
    patch = git(folder, "diff") + "\n"
    git(folder, "commit", "-q", "-a", "-m", "Fix the total", date=later)
    (folder / "test_shop.py").write_text(TESTS + NEW_TEST)
    test_patch = git(folder, "diff") + "\n"
    git(folder, "commit", "-q", "-a", "-m", "Test it", date=later)
    git(folder, "tag", "-a", "v2", "-m", "The fix is here", date=later)
    dotted = ".TotalTests" if sys.version_info < (3, 11) else ".TotalTests.{0}"
    name = f"{{0}} (test_shop{dotted})"
    task = Task(
        instance_id="acme__shop-7",
        suite="swe_bench_cl",
        repo="acme/shop",
        problem_statement="The first price is missing from the total.",
        created_at="2020-01-01T00:00:00Z",
        difficulty="easy",
        patch=patch,
        test_patch=test_patch,
        FAIL_TO_PASS=(name.format("test_all"),),
        PASS_TO_PASS=(name.format("test_empty"),),
        meta={
            "base_commit": base,
            "version": "1.0",
            "difficulty_score": 1,
            "modified_files": ["src/shop/__init__.py"],
        },
    )
    return Shop(folder, mirrors, task, git(folder, "rev-parse", "HEAD"))


def params(mirrors: Path, environments: Path, **changed: object) -> SweBenchClParams:
    values: dict[str, object] = {
        "kind": "swe_bench_cl",
        "worlds": ("shop__shop",),
        "path": "tasks.json",
        "revision": None,
        "leave_out_without_tests": False,
        "executor": "local",
        "repositories": str(mirrors),
        "environments": str(environments),
        "find_links": None,
        "socket": None,
        "pull": False,
        "wall_seconds": 60.0,
        "memory_mb": 1024,
        "processes": 64,
        "gold_runs": 3,
        "at_once": 1,
    }
    return SweBenchClParams(**(values | changed))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="session")
def executor(shop: Shop, environments: Path) -> LocalExecutor:
    return LocalExecutor(params(shop.mirrors, environments), specs=lambda task: SPEC)
