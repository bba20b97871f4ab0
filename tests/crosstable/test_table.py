"""The committed table is current and complete; each way of pointing at nothing is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.crosstable import __main__ as command
from stages.crosstable.pointers import Places
from stages.crosstable.table import ITEMS, Item, markdown, problems, read_items
from stages.records import RecordError, write_json

ROOT = Path(__file__).parents[2]
PARAMS = """
experiments:
  e01:
    title: "Replay"
    stream: {sessions: 50, empty: {}}
    criteria: {kept: {estimand: retention}}
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "params.yaml").write_text(PARAMS)
    write_json(tmp_path / "metrics/e01.json", {"base": {"steps": 3.0, "none": None}})
    (tmp_path / "stages/stats").mkdir(parents=True)
    (tmp_path / "stages/stats/knee.py").write_text("LIMIT: int = 3\n\ndef knee(x):\n    return x\n")
    return Places(tmp_path)


def test_the_committed_table_is_what_the_command_writes() -> None:
    written = (ROOT / "CROSSTABLE.md").read_text(encoding="utf-8")
    assert written == markdown(read_items(), Places(ROOT)), "run `python -m stages.crosstable`"


def test_every_item_of_the_report_stands_somewhere() -> None:
    assert problems(read_items(), Places(ROOT)) == []


@pytest.mark.parametrize(
    "pointer",
    [
        "parameter stream.sessions",
        "parameter /experiments.e01.title",
        "criterion kept",
        "metric base.steps",
        "detail whatever.has.no.file",
        "check 24",
        "code stats/knee.py knee",
        "code stats/knee.py LIMIT",
    ],
)
def test_what_is_there_resolves(places: Places, pointer: str) -> None:
    assert places.missing(pointer, "e01") == ""


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        ("parameter stream.every", "no experiments.e01.stream.every"),
        ("parameter stream.empty", "is empty"),
        ("parameter /suites.nothing", "there is no 'suites'"),
        ("criterion lost", "there is no 'lost'"),
        ("metric base.tokens", "metrics/e01.json has no base.tokens"),
        ("metric base.none", "is empty"),
        ("code stats/knee.py ankle", "defines no 'ankle'"),
        ("code stats/knee.py", "defines no ''"),
        ("code stats/hip.py knee", "there is no file stages/stats/hip.py"),
        ("somewhere else", "is no pointer"),
        ("parameter", "is no pointer"),
    ],
)
def test_what_points_at_nothing_is_named(places: Places, pointer: str, said: str) -> None:
    assert said in places.missing(pointer, "e01")
    [found] = problems([Item("e01", "control", "the model", (pointer,)), *REST], places)
    assert "e01, control 'the model'" in found and said in found


REST = [
    Item("e01", kind, "x", ("criterion kept",))
    for kind in ("independent", "dependent", "control", "criterion")
]


def test_a_check_that_the_audit_lacks_is_named(places: Places) -> None:
    write_json(places.root / "metrics/audit/e01.json", {"24": {"status": "pass"}})
    assert places.missing("check 24", "e01") == ""
    assert "there is no '31'" in places.missing("check 31", "e01")


def test_an_empty_cell_and_a_missing_experiment_are_named(places: Places) -> None:
    empty = Item("e01", "criterion", "the knee", ())
    [found] = problems([empty, *REST], places)
    assert "nothing is named" in found
    assert "**nothing yet**" in markdown([empty], places)
    unknown = [Item("e99", rest.kind, "y", ("criterion kept",)) for rest in REST]
    assert "no experiment e99" in problems(unknown, places)[0]
    assert "not in params.yaml" in markdown(unknown, places)


def test_a_kind_left_out_is_named_but_not_of_a_supplement(places: Places) -> None:
    assert problems(REST[:3], places) == ["e01: no criterion of the report is listed"]
    text = (places.root / "params.yaml").read_text()
    (places.root / "params.yaml").write_text(text.replace("e01", "x1"))
    one = Item("x1", "dependent", "rate", ("criterion kept",))
    assert problems([one], Places(places.root)) == []


@pytest.mark.parametrize("row", ["[control, text]", "[sort, text, [check 1]]", "[control, t, a b]"])
def test_a_row_that_is_none_is_refused(tmp_path: Path, row: str) -> None:
    path = tmp_path / "items.yaml"
    path.write_text(f"e01:\n  - {row}\n")
    with pytest.raises(RecordError, match="is no row"):
        read_items(path)


def test_the_command_writes_the_file_and_fails_for_what_is_missing(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(places.root)
    with pytest.raises(SystemExit) as caught:
        command.main()
    assert "params.yaml has no experiment p1" in str(caught.value.code)
    assert "# What the report registers" in Path("CROSSTABLE.md").read_text()
    assert ITEMS.name in Path("CROSSTABLE.md").read_text()
    assert "missing" in capsys.readouterr().out
