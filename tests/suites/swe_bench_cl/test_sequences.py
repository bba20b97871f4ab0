"""Loader, sequences and statistics, on the published rows where they are at hand."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from stages.generate_splits.leaks import answers_in_question
from stages.generate_splits.splits import SPLITS, make_split
from stages.records import Task
from stages.suites.swe_bench_cl.__main__ import main
from stages.suites.swe_bench_cl.errors import SweBenchError
from stages.suites.swe_bench_cl.load import load_tasks, read_sequences, runnable
from stages.suites.swe_bench_cl.published import REPOSITORIES, SEQUENCES
from stages.suites.swe_bench_cl.rows import number_of, task_of
from stages.suites.swe_bench_cl.sequences import ordered
from stages.suites.swe_bench_cl.specs import image_of, spec_of
from stages.suites.swe_bench_cl.statistics import differences, statistics_of
from tests.suites.swe_bench_cl.conftest import params

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("CARRYOVER_REAL_DATA") or ROOT.parent / "shared/data")
FILE = DATA / "swe_bench_cl/SWE-Bench-CL-partial.json"
ROW: dict[str, Any] = {
    "instance_id": "sympy__sympy-1",
    "repo": "sympy/sympy",
    "base_commit": "a" * 40,
    "problem_statement": "Wrong.",
    "patch": "diff --git a/x.py b/x.py\n",
    "difficulty": "<15 min fix",
    "created_at": "2020-01-01T00:00:00Z",
    "test_patch": "diff --git a/t.py b/t.py\n",
    "FAIL_TO_PASS": '["t.py::a"]',
    "PASS_TO_PASS": [],
}


@pytest.fixture(scope="module")
def published() -> dict[str, list[Task]]:
    if not FILE.is_file():
        pytest.skip(f"{FILE} isn't here (CARRYOVER_REAL_DATA names the folder of real data)")
    return read_sequences(FILE)


@pytest.fixture(scope="module")
def flat(published: dict[str, list[Task]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tasks as rows of SWE-bench Verified, shuffled."""
    rows = []
    for sequence in json.loads(FILE.read_text())["sequences"]:
        for task in sequence["tasks"]:
            row = {**task["metadata"], **task["task"], **task["evaluation"]}
            if row["FAIL_TO_PASS"] is not None:
                row["FAIL_TO_PASS"] = json.dumps(row["FAIL_TO_PASS"])  # as the hub has it
            rows.append(row)
    random.Random(0).shuffle(rows)
    path = tmp_path_factory.mktemp("rows") / "verified.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_published_table(
    published: dict[str, list[Task]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert differences(published) == []
    main(["table", str(FILE)])
    printed = capsys.readouterr().out
    assert "Every count is as published" in printed
    assert "273" in printed


def test_a_missing_task_is_seen(published: dict[str, list[Task]]) -> None:
    cut = {**published, "sympy/sympy": published["sympy/sympy"][1:]}
    found = differences(cut)
    assert "sympy/sympy: tasks is 49, published is 50" in found
    assert "all: tasks is 272, published is 273" in found


def test_rows_give_the_published_sequences(published: dict[str, list[Task]], flat: Path) -> None:
    rebuilt = read_sequences(flat)
    for repo, tasks in published.items():
        assert [t.instance_id for t in rebuilt[repo]] == [t.instance_id for t in tasks]
        assert statistics_of(rebuilt[repo]).levels == SEQUENCES[repo].levels
        if SEQUENCES[repo].tasks < 50:  # a cut sequence depends on tasks that this file lacks
            for own, theirs in zip(rebuilt[repo], tasks, strict=True):
                assert set(own.meta["dependencies"]) == set(theirs.meta["dependencies"])


def test_by_date(published: dict[str, list[Task]]) -> None:
    for tasks in published.values():
        by_date = ordered(tasks, "date")
        dates = [task.created_at for task in by_date if task.created_at]
        assert dates == sorted(dates)
        assert [number_of(t) for t in by_date] == sorted(number_of(t) for t in tasks)
    assert ordered(published["sympy/sympy"], "date") != published["sympy/sympy"]


def test_splits_of_all_repositories(published: dict[str, list[Task]]) -> None:
    assert tuple(published) == REPOSITORIES
    for tasks in published.values():
        ids = {task.instance_id for task in tasks}
        for name in SPLITS:
            split = make_split(name, tasks)
            assert len(split.train) == len(ids) // 2
            assert {*split.train, *split.test} == ids
            assert not set(split.train) & set(split.test)


def test_every_task_with_tests_has_a_specification(published: dict[str, list[Task]]) -> None:
    tasks = [task for sequence in published.values() for task in sequence if task.test_patch]
    assert len(tasks) == 131
    for task in tasks:
        assert spec_of(task).test_command
        assert "_1776_" in image_of(task)


def test_answers_in_the_issue_are_flagged(published: dict[str, list[Task]]) -> None:
    flagged = answers_in_question(published["django/django"])
    assert "django__django-9296" in flagged  # the issue quotes the method to add
    assert len(flagged) < 50


def test_a_task_without_tests_is_refused_by_name(tmp_path: Path) -> None:
    bare = task_of(ROW | {"test_patch": None, "FAIL_TO_PASS": None}, "f, row 1")
    with pytest.raises(
        SweBenchError, match=r"sympy__sympy-1 has no tests.*leave_out_without_tests"
    ):
        runnable([bare])
    assert runnable([bare], leave_out=True) == []
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([ROW, ROW | {"instance_id": "sympy__sympy-2", "test_patch": ""}]))
    with pytest.raises(SweBenchError, match="sympy__sympy-2"):
        load_tasks(params(tmp_path, tmp_path, path=str(path)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("instance_id", "sympy-1"),
        ("repo", 3),
        ("base_commit", "abc"),
        ("difficulty", "a day"),
        ("created_at", "yesterday"),
        ("FAIL_TO_PASS", "t.py::a"),
        ("PASS_TO_PASS", [1]),
        ("patch", ""),
    ],
)
def test_a_malformed_row_is_named(field: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW | {field: value}) + "\n")
    with pytest.raises(SweBenchError, match=rf"rows\.jsonl, row 2: field '{field}'"):
        read_sequences(path)


def test_a_row_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text((json.dumps(ROW) + "\n") * 2)
    with pytest.raises(SweBenchError, match=r"row 2: field 'instance_id'.*row 1"):
        read_sequences(path)


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(SweBenchError, match=r"no specification for sympy/sympy at version '99'"):
        spec_of(task_of(ROW | {"version": "99"}, "f, row 1"))
