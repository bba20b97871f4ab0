"""The sound run, written once and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.stats.checks import run_files


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_files.write_run()
    return folder


@pytest.fixture
def run(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sound run, made the current folder."""
    copy = tmp_path / "copy"
    shutil.copytree(written, copy)
    monkeypatch.chdir(copy)
    return copy
