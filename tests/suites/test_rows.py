"""Rows of public data sets: every format, and a clear word for what is broken or missing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from stages.suites import rows
from stages.suites.guard import GuardError
from stages.suites.guards import open_guard
from stages.suites.mbpp.problem import read_problem
from stages.suites.rows import HubSet, load_rows, read_rows
from tests.suites.real_guards import guard_params, real_params

ROWS = [{"task_id": 1, "text": "ä \u2028 b"}, {"task_id": 2, "text": ""}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
HUB = HubSet("nobody/nothing", ("main",), ("test",))


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    files = {
        "rows.jsonl": LINES,
        "rows.jsonl.gz": gzip.compress(LINES),
        "rows.json": json.dumps(ROWS).encode(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        assert read_rows(tmp_path / name) == ROWS, name
    pyarrow = pytest.importorskip("pyarrow", reason="the extra 'real' isn't installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet") == ROWS


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", LINES + b'{"task_id": 3, "te', "line 3: not a JSON object"),
        ("a.jsonl", b"[]x", "line 1"),
        ("a.json", b"[1]", "entry 0 is not an object"),
        ("a.jsonl.gz", gzip.compress(LINES)[:-20], "can't be read"),
        ("a.jsonl.gz", LINES, "can't be read"),
        ("a.jsonl", b"\xff\xfe\x00", "can't be read"),
    ],
)
def test_a_broken_file_is_named_with_line_and_remedy(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(GuardError, match=message) as error:
        read_rows(path)
    assert name in str(error.value) and "etch" in str(error.value)


def test_a_broken_parquet_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'real' isn't installed")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(GuardError, match="not a Parquet file"):
        read_rows(tmp_path / "a.parquet")


def test_a_missing_file_and_a_missing_revision_say_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(GuardError, match=r"nowhere\.jsonl: no such file"):
        load_rows(str(tmp_path / "nowhere.jsonl"), HUB, None)
    with pytest.raises(GuardError, match="commit on the hub"):
        load_rows(None, HUB, None)


def test_a_hub_out_of_reach_says_what_to_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra 'real' isn't installed")

    def unreachable(name: str, *_: object, **__: object) -> None:
        raise ConnectionError(f"Couldn't reach {name!r} on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(GuardError, match="hf download --repo-type dataset nobody/nothing") as error:
        load_rows(None, HUB, "abc123")
    assert "abc123" in str(error.value)
    monkeypatch.setattr(rows.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GuardError, match="pip install"):
        load_rows(None, HUB, "abc123")


def test_hub_rows_are_those_of_every_configuration_and_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra 'real' isn't installed")

    def load(name: str, config: str, *, split: str, revision: str) -> object:
        return datasets.Dataset.from_list([{"at": f"{name} {config} {split} {revision}"}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    hub = HubSet("a/b", ("x", "y"), ("test", "train"))
    found = [row["at"] for row in load_rows(None, hub, "c0ffee")]
    wanted = [f"a/b {c} {s} c0ffee" for c in ("x", "y") for s in ("test", "train")]
    assert found == wanted


@pytest.mark.parametrize(
    ("kind", "subset", "count"), [("humaneval", "all", 164), ("mbpp", "sanitized", 427)]
)
def test_one_problem_less_or_twice_the_same_is_noticed(
    tmp_path: Path, kind: str, subset: str, count: int
) -> None:
    real = read_rows(Path(str(real_params(kind, subset).path)))
    path = tmp_path / "rows.json"
    for wrong in (real[:-1], [*real[:-1], real[0]]):
        path.write_text(json.dumps(wrong))
        with pytest.raises(GuardError, match=f"{count - 1} problems were read, published are"):
            open_guard(guard_params(kind, subset, path))
    path.write_text(json.dumps([{"task": 1}, *real]))
    with pytest.raises(GuardError, match=r"row 1: field '\w+' is missing \(there are task\)"):
        open_guard(guard_params(kind, subset, path))


@pytest.mark.parametrize("kind", ["humaneval", "mbpp", "maths"])
def test_an_unknown_subset_is_refused(kind: str) -> None:
    with pytest.raises(GuardError, match=r"subset 'huge' of \w+ doesn't exist; use "):
        open_guard(guard_params(kind, "huge", "/nowhere"))


def test_full_and_sanitized_rows_of_mbpp_are_one_problem() -> None:
    tests = ["assert f(1) == g(2)", "assert f(2) == 3 "]
    full = {
        "task_id": 602,
        "text": "Do it.",
        "code": "def g(x):\r\n\treturn x\r\ndef f(x):\r\n\treturn x + 1",
        "test_list": tests,
        "test_setup_code": "root = 1",
        "challenge_test_list": [],
    }
    found = read_problem(full, "row 1")
    assert (found.entry_point, found.category, found.prompt) == ("f", "train", "Do it.")
    assert "\r" not in found.reference and "    root = 1\n" in found.test
    compile(found.test, "test", "exec", dont_inherit=True)
    with pytest.raises(GuardError, match="task 602: the tests call f, g, the code defines h"):
        read_problem(full | {"code": "def h(): pass"}, "row 1")
    with pytest.raises(GuardError, match="task 602: doesn't parse"):
        read_problem(full | {"code": "def h("}, "row 1")
