"""Records on disk: round trips, and every way a file can be bad."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.records import (
    Example,
    RecordError,
    Task,
    Trajectory,
    UserError,
    canonical_json,
    plain_errors,
    read_json,
    read_jsonl,
    sha256_file,
    write_atomic,
    write_json,
    write_jsonl,
)

TASKS = [
    Task(
        "oak_harbor-1",
        "microrepo",
        "oak_harbor",
        "The total is wrong: é\u2028",
        "2026-01-02",
        "easy",
    ),
    Task(
        "oak_harbor-2",
        "microrepo",
        "oak_harbor",
        "x",
        "2026-01-03",
        "hard",
        FAIL_TO_PASS=("a", "b"),
    ),
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('aé\n"\\\u2028'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc\u2028"), inner),
    max_leaves=8,
)


@pytest.fixture
def tasks_file(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "tasks.jsonl", TASKS)
    return tmp_path / "tasks.jsonl"


def test_records_come_back_equal(tasks_file: Path) -> None:
    assert read_jsonl(tasks_file, Task) == TASKS


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    messages = ({"role": "user", "content": "x"},)
    for name, info in (
        ("a", {"seed": 1, "outcome": "resolved"}),
        ("b", {"outcome": "resolved", "seed": 1}),
    ):
        write_jsonl(tmp_path / name, [Trajectory(messages, info)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_jsonl(tmp_path / "a", Trajectory)[0].messages == messages


@hypothesis.settings(max_examples=30)
@given(st.dictionaries(st.text("abc"), values))
def test_canonical_json_is_one_line_and_loses_nothing(value: dict[str, object]) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert "\n" not in text


def test_no_records_are_an_empty_file(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "none.jsonl", [])
    assert (tmp_path / "none.jsonl").read_bytes() == b""
    assert read_jsonl(tmp_path / "none.jsonl", Task) == []


def spoil_line_2(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def spoil(data: bytes) -> bytes:
        first, second = data.splitlines()
        return first + b"\n" + change(second) + b"\n"

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[:-20], "not a JSON object"),
        (spoil_line_2(lambda line: line.replace(b'"hard"', b'"hard')), "not a JSON object"),
        (spoil_line_2(lambda line: b"\x00" * len(line)), "not a JSON object"),
        (spoil_line_2(lambda line: line.replace(b"hard", b"\xff\xfe")), "not a JSON object"),
        (spoil_line_2(lambda line: b"[1, 2]"), "not a JSON object"),
        (spoil_line_2(lambda line: b""), "not a JSON object"),
        (spoil_line_2(lambda line: line.replace(b'"hard"', b"NaN")), "not a JSON object"),
        (
            spoil_line_2(lambda line: line.replace(b'"repo"', b'"rpeo"')),
            "unknown field 'rpeo' in a Task",
        ),
        (
            spoil_line_2(lambda line: line.replace(b'"repo":"oak_harbor",', b"")),
            "field 'repo' is missing",
        ),
        (
            spoil_line_2(lambda line: line.replace(b'["a","b"]', b'"a"')),
            "field 'FAIL_TO_PASS' of a Task must be tuple, but is 'a'",
        ),
        (
            spoil_line_2(lambda line: line.replace(b'"hard"', b"3")),
            "'difficulty' of a Task must be str",
        ),
    ],
)
def test_a_bad_line_is_named(tasks_file: Path, spoil: Callable[[bytes], bytes], said: str) -> None:
    tasks_file.write_bytes(spoil(tasks_file.read_bytes()))
    with pytest.raises(RecordError) as caught:
        read_jsonl(tasks_file, Task)
    message = str(caught.value)
    assert message.startswith(f"{tasks_file}, line 2: ")
    assert said in message
    assert "dvc repro" in message
    assert "\n" not in message


def test_true_is_no_number(tmp_path: Path) -> None:
    row = {"example_id": "e", "format": "T", "prompt": [], "completion": "c", "step": True}
    write_jsonl(tmp_path / "examples.jsonl", [row])
    with pytest.raises(RecordError, match="'step' of a Example must be int"):
        read_jsonl(tmp_path / "examples.jsonl", Example)


@pytest.mark.parametrize("read", [read_json, lambda path: read_jsonl(path, Task)])
def test_a_missing_file_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(RecordError, match=r"gone\.json: no such file.*dvc repro"):
        read(tmp_path / "gone.json")


def test_json_round_trip(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "m.json", {"b": 1, "a": [0.5, "é"]})
    assert read_json(tmp_path / "new" / "m.json") == {"a": [0.5, "é"], "b": 1}


@pytest.mark.parametrize(("data", "said"), [(b'{"a": 1,\n"b": ', "line 2"), (b'"\xff"', "UTF-8")])
def test_bad_json_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "m.json").write_bytes(data)
    with pytest.raises(RecordError, match=said):
        read_json(tmp_path / "m.json")


@pytest.mark.parametrize("write", [write_json, lambda path, value: write_jsonl(path, [value])])
def test_nan_is_never_written(tmp_path: Path, write: Callable[[Path, object], None]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "m.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["at fsync", "at write"])
def full_disk(
    request: pytest.FixtureRequest, tasks_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A file written while there was space, on a disk that is now full."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def on_full_device(**_: object) -> tuple[int, str]:
        return os.open("/dev/full", os.O_WRONLY), str(tasks_file.with_suffix(".part"))

    if request.param == "at fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    elif not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    else:
        monkeypatch.setattr(tempfile, "mkstemp", on_full_device)
    return tasks_file


def test_a_full_disk_leaves_the_earlier_output(full_disk: Path) -> None:
    before = full_disk.read_bytes()
    with pytest.raises(RecordError, match=r"tasks\.jsonl: can't be written \(No space left"):
        write_jsonl(full_disk, TASKS[:1])
    assert full_disk.read_bytes() == before
    assert list(full_disk.parent.iterdir()) == [full_disk]


def test_an_interrupt_leaves_the_earlier_output(
    tasks_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    before = tasks_file.read_bytes()
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tasks_file, "new")
    assert tasks_file.read_bytes() == before
    assert list(tasks_file.parent.iterdir()) == [tasks_file]


def test_a_user_error_is_one_paragraph_and_exit_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit_, plain_errors():
        raise UserError("params.yaml, line 3: unknown key.")
    assert exit_.value.code == 1
    assert capsys.readouterr().err == "error: params.yaml, line 3: unknown key.\n"


def test_the_hash_of_a_missing_file_is_an_error_with_its_remedy(tmp_path):
    with pytest.raises(RecordError, match=r"gone\.jsonl: no such file\. Run `dvc repro`"):
        sha256_file(tmp_path / "gone.jsonl")
