from __future__ import annotations

from pathlib import Path

import pytest

from stages.lab.cells import Cells
from stages.lab.imports import code_sha256
from stages.lab.pool import run_cells, run_jobs


def maker(calls: list[str], text: str = "made"):
    def make(path):
        calls.append(path.name)
        path.write_text(text)

    return make


def test_a_finished_cell_is_not_made_again(tmp_path):
    calls: list[str] = []
    for _ in range(3):
        path = Cells(tmp_path, "baseline_eval").job("w/cell", {"seed": 1}, ".txt", maker(calls))()
    assert path == tmp_path / "w" / "cell.txt" and path.read_text() == "made"
    assert calls == ["cell.txt"]


@pytest.mark.parametrize("change", ["key", "code", "cell gone", "stamp gone", "stamp cut"])
def test_what_changed_is_made_again(tmp_path, change):
    calls: list[str] = []
    Cells(tmp_path, "baseline_eval").job("cell", {"seed": 1}, ".txt", maker(calls))()
    stamp, cell = tmp_path / "cell.key.json", tmp_path / "cell.txt"
    if change == "cell gone":
        cell.unlink()
    elif change == "stamp gone":
        stamp.unlink()
    elif change == "stamp cut":
        stamp.write_text(stamp.read_text()[:12])
    stage = "stats" if change == "code" else "baseline_eval"
    key = {"seed": 2} if change == "key" else {"seed": 1}
    Cells(tmp_path, stage).job("cell", key, ".txt", maker(calls, "again"))()
    assert len(calls) == 2 and cell.read_text() == "again"


def test_a_killed_stage_goes_on_with_the_next_cell_and_ends_with_the_same_bytes(tmp_path):
    calls: list[str] = []

    def stage(folder, die_at: int | None):
        cells = Cells(folder, "baseline_eval")

        def make(number: int):
            def write(path):
                if number == die_at:
                    path.write_text("half of it")
                    raise KeyboardInterrupt
                calls.append(f"{number}")
                path.write_text(f"cell {number}")

            return write

        run_jobs([cells.job(str(n), [n], ".txt", make(n)) for n in range(4)], "cells", workers=1)
        cells.sweep()

    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path / "killed", 2)
    stage(tmp_path / "killed", None)
    assert calls == ["0", "1", "2", "3"]
    stage(tmp_path / "whole", None)
    trees = [
        {path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())}
        for name in ("killed", "whole")
    ]
    assert trees[0] == trees[1] and len(trees[0]) == 8


def test_a_cell_that_is_a_folder_holds_only_what_was_made_last(tmp_path):
    def make(names: str):
        def write(folder):
            folder.mkdir(exist_ok=True)
            for name in names:
                (folder / name).write_text(name)

        return write

    for names in ("ABT", "T"):
        cells = Cells(tmp_path, "baseline_eval")
        path = cells.job("world/A", [names], "", make(names))()
        cells.sweep()
    assert [file.name for file in path.iterdir()] == ["T"]


def test_sweep_removes_what_no_setting_asks_for(tmp_path):
    first = Cells(tmp_path, "baseline_eval")
    for name in ("old/a", "kept/b"):
        first.job(name, 1, ".txt", maker([]))()
    (tmp_path / "note.json").write_text("{}")
    (tmp_path / "stray.json").write_text("{}")
    second = Cells(tmp_path, "baseline_eval")
    second.job("kept/b", 1, ".txt", maker([]))()
    second.keep(tmp_path / "note.json")
    second.sweep()
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["kept/b.key.json", "kept/b.txt", "note.json"]
    assert not (tmp_path / "old").exists()
    Cells(tmp_path / "nowhere", "baseline_eval").sweep()


def house(root, **changes):
    """A project of one stage that imports two files of a room, one of them inside a function."""
    files = {
        "stages/__init__.py": "",
        "stages/records.py": "A = 1",
        "stages/params/__init__.py": "from stages.suites import unused",
        "stages/agent/loop.py": "from stages.records import A",
        "stages/agent/other.py": "B = 1",
        "stages/suites/unused.py": "C = 1",
        "stages/play/__main__.py": "import stages.params\ndef f():\n    import stages.agent.loop",
    }
    for path, text in (files | changes).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("stages/play/__main__.py", True),
        ("stages/play/more.py", True),
        ("stages/agent/loop.py", True),
        ("stages/records.py", True),
        ("stages/__init__.py", True),
        ("stages/agent/other.py", False),
        ("stages/agent/new.py", False),
        ("stages/params/__init__.py", False),
        ("stages/suites/unused.py", False),
    ],
)
def test_code_counts_where_the_stage_reaches_it(tmp_path, path, counts):
    before = code_sha256(["play"], house(tmp_path))
    assert before == code_sha256(["play"], tmp_path)
    text = (tmp_path / path).read_text() if (tmp_path / path).exists() else ""
    house(tmp_path, **{path: f"{text}\nD = 2"})
    assert (code_sha256(["play"], tmp_path) != before) == counts


def test_a_stage_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no 'plays'"):
        code_sha256(["plays"], house(tmp_path))


def number(n: int):
    return lambda: n * n


def test_the_pool_keeps_the_order():
    for workers in (1, 2):
        assert run_jobs([number(n) for n in range(9)], "jobs", workers) == [n * n for n in range(9)]
    assert run_jobs([], "none") == []


def test_what_cells_need_is_loaded_once_and_only_where_one_is_missing(tmp_path):
    loaded: list[str] = []

    def noted(path: Path) -> None:
        path.write_text("x")

    for n, expected in ((2, 1), (2, 1), (3, 2)):
        cells = Cells(tmp_path, "baseline_eval")
        jobs = [cells.job(str(i), i, ".txt", noted) for i in range(n)]
        run_cells(jobs, lambda: loaded.append("model"), "cells", workers=1)
        assert len(loaded) == expected and all(job.path.exists() for job in jobs)


def test_an_error_in_a_job_reaches_the_stage():
    def broken():
        raise ValueError("cell 3: no such file")

    for workers in (1, 2):
        with pytest.raises(ValueError, match="cell 3"):
            run_jobs([number(1), broken, number(2)], "jobs", workers)


def test_experiments_share_what_they_have_in_common(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls: list[str] = []

    def run(name: str, key: int, code: str = "baseline_eval", shared: bool = True):
        clock = Path(f"timings/{name}.json")

        def make(path):
            calls.append(name)
            path.mkdir() if path.suffix == "" else None
            (path / "x" if path.suffix == "" else path).write_text(f"{key} {code}")
            clock.parent.mkdir(exist_ok=True)
            clock.write_text("1 s")

        cells = Cells(Path(name), code, shared=shared)
        file = cells.job("cell", [key], ".txt", make, clock)()
        folder = cells.job("folder", ["folder", key], "", make, clock)()
        return file.read_text(), (folder / "x").read_text(), clock.read_text()

    assert run("p1", 1) == run("p2", 1) == ("1 baseline_eval",) * 2 + ("1 s",)
    assert calls == ["p1", "p1"]
    assert run("p3", 2) != run("p1", 1) and calls == ["p1", "p1", "p3", "p3"]  # another key
    assert run("p4", 1, "stats")[0] == "1 stats"  # other code
    run("p5", 1, shared=False)
    assert calls[4:] == ["p4", "p4", "p5", "p5"]
    assert not list(Path(".cells").glob(".unfinished*"))


def test_an_unfinished_cell_is_not_shared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def dies(path):
        path.write_text("half of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cells(Path("p1"), "baseline_eval", shared=True).job("cell", [1], ".txt", dies)()
    calls: list[str] = []
    job = Cells(Path("p2"), "baseline_eval", shared=True).job("cell", [1], ".txt", maker(calls))
    assert job().read_text() == "made" and calls == ["cell.txt"]
