"""A small real Git repository whose commits are of every kind that can become a task or not."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.agent.sandbox import Sandbox
from tests.small_lab import sandbox_or_skip

BUGGY = "def total(prices):\n    return sum(prices[1:])\n"
FIXED = "def total(prices):\n    return sum(prices)\n"
TESTS = "from shop import total\n\n\ndef test_empty():\n    assert total([]) == 0\n"
ALL = "\n\ndef test_all():\n    assert total([1, 2, 3]) == 6\n"
MEAN = "\n\ndef mean(prices):\n    return total(prices) / len(prices)\n"
MEAN_TEST = "from shop import mean\n\n\ndef test_mean():\n    assert mean([1, 3]) == 2\n"
FIXTURE_TEST = "\n\ndef test_saved(tmp_path):\n    assert total([]) == 0\n"
SECRET = "a word of the future"


@dataclasses.dataclass(frozen=True)
class Shop:
    """The clone, and its commits by name."""

    folder: Path
    commits: dict[str, str]


class Maker:
    """Writes files and commits them, a day apart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.days = 0
        self.commits: dict[str, str] = {}
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        date = f"2020-01-{self.days + 1:02d}T00:00:00Z"
        people = {f"GIT_{who}_{what}": "a@b.c" for who in WHO for what in ("NAME", "EMAIL")}
        fixed = {"GIT_CONFIG_GLOBAL": os.devnull} | {f"GIT_{who}_DATE": date for who in WHO}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            env=os.environ | people | fixed,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, name: str, message: str, files: dict[str, str]) -> None:
        for path, text in files.items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.commits[name] = self.git("rev-parse", "HEAD")
        self.days += 1


WHO = ("AUTHOR", "COMMITTER")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    make = Maker(tmp_path_factory.mktemp("clones") / "shop")
    main, tests = "shop.py", "tests/test_shop.py"
    make.commit("start", "Shop", {main: BUGGY, tests: TESTS})
    make.commit("fix", "The total leaves the first price out", {main: FIXED, tests: TESTS + ALL})
    make.commit("source", "A comment", {main: f"# prices\n{FIXED}"})
    tested = "from shop import total\n\n\ndef test_one():\n    assert total([2]) == 2\n"
    make.commit("tests", "More tests", {"tests/test_one.py": tested})
    vacuous = "def test_nothing():\n    assert True\n"
    make.commit("vacuous", "Second", {main: f"# all\n{FIXED}", "tests/test_none.py": vacuous})
    make.commit("fixture", "Save", {main: f"# save\n{FIXED}", tests: TESTS + ALL + FIXTURE_TEST})
    wrong = "from shop import total\n\n\ndef test_wrong():\n    assert total([1]) == 2\n"
    make.commit("wrong", "Wrong", {main: f"# wrong\n{FIXED}", "tests/test_wrong.py": wrong})
    new = {main: f"# {SECRET}\n{FIXED}{MEAN}", "tests/test_mean.py": MEAN_TEST}
    make.commit("mean", "There is no mean", new)
    return Shop(make.folder, make.commits)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_or_skip() as opened:
        yield opened
