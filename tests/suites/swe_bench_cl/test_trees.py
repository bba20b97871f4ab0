"""Trees as texts and changes as patches, on a repository with everything that texts can't hold."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from stages.records import Task
from stages.suites.swe_bench_cl import trees
from stages.suites.swe_bench_cl.errors import SweBenchError
from tests.suites.swe_bench_cl.conftest import Shop, git

TEXTS = {"run.sh": "#!/bin/sh\n", "crlf.py": "a = 1\r\nb = 2\r\n", "latin.txt": "\udce9\n"}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, shop: Shop) -> tuple[Path, Task]:
    folder = tmp_path_factory.mktemp("odd")
    git(folder, "init", "-q", "-b", "main")
    for name, text in TEXTS.items():
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("run.sh")
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/kept.py").write_text("tracked by mistake\n")
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-q", "-m", "Odd")
    meta = {**shop.task.meta, "base_commit": git(folder, "rev-parse", "HEAD")}
    return folder, dataclasses.replace(shop.task, meta=meta)


def test_files_as_tools_see_them(odd: tuple[Path, Task]) -> None:
    assert trees.files_of(odd[0], "HEAD") == {**TEXTS, ".gitignore": "*.log\n"}


def test_a_patch_keeps_modes_and_leaves_ignored_files_out(
    odd: tuple[Path, Task], tmp_path: Path
) -> None:
    folder, task = odd
    changes = {
        "run.sh": "#!/bin/bash\n",
        "crlf.py": "a = 1\r\nb = 3\r\n",
        "latin.txt": None,
        "a/new.txt": "no end",
        "built.log": "x\n",
    }
    patch = trees.patch_of(folder, task, changes)
    assert "built.log" not in patch
    assert "old mode" not in patch
    assert "index" in patch
    commit = task.meta["base_commit"]
    found = trees.patched(folder, commit, patch, "it")
    assert found == {k: v for k, v in changes.items() if k != "built.log"}
    assert trees.patch_of(folder, task, {}) == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["../x", "/x", ".git/config", "a/../../x"])
def test_a_change_outside_is_refused(odd: tuple[Path, Task], path: str) -> None:
    with pytest.raises(SweBenchError, match="isn't a file of the repository"):
        trees.patch_of(*odd, {path: "x"})


def test_a_change_never_goes_through_a_link(odd: tuple[Path, Task], tmp_path: Path) -> None:
    folder, task = odd
    patch = trees.patch_of(folder, task, {"link": "a file now\n", "run.sh/deep": "x\n"})
    assert "deleted file mode 120000" in patch
    assert "b/run.sh/deep" in patch
    assert (folder / "run.sh").read_text() == TEXTS["run.sh"]
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_a_foreign_patch_names_its_row(odd: tuple[Path, Task]) -> None:
    folder, task = odd
    with pytest.raises(SweBenchError, match=r"x-1: its patch doesn't fit commit \w{12}.*fetch"):
        trees.patched(folder, task.meta["base_commit"], task.patch, "x-1: its patch")
    assert git(folder, "status", "--porcelain") == ""
