"""The screen, the Markdown, and what is said of files that aren't there."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.report.__main__ import main
from stages.report.read import read_measured
from stages.report.terminal import MAX_LINES, WIDTH, screen
from tests.report.conftest import CONDITIONS, check, details, verdict, write_result


def test_the_screen_shows_everything_that_decides(root: Path) -> None:
    text = screen(read_measured("p1"))
    for part in (
        "p1  Pilot: does it work?",
        "REGISTERED ab12ab12ab12",
        "0.400 [0.300, 0.500]",
        "+0.100 [+0.050, +0.150]",
        "<0.001",
        "supported",
        "inconclusive at 0.02; power to see it 0.40",
        "25: 0.01 [-0.01, 0.03]",
        "audit: 1 of 2 checks passed, 1 not applicable",
        "FAILED warn 13 power of the guard: seen 3. Raise suites.procedural.per_kind.",
    ):
        assert part in text
    assert "\x1b" not in text
    lines = text.splitlines()
    assert len(lines) <= MAX_LINES
    assert max(map(len, lines)) <= WIDTH


def test_conditions_stand_in_the_order_of_the_argument(root: Path) -> None:
    assert list(read_measured("p1").conditions) == CONDITIONS


def test_checks_stand_by_number(root: Path) -> None:
    assert list(read_measured("p1").audit) == ["2", "10", "13"]


def test_many_failures_never_fill_more_than_a_screen(root: Path) -> None:
    rows = {str(i): check(f"check {i}", "fail", remedy="Do this. " * 20) for i in range(30)}
    write_result(root, audit=rows)
    lines = screen(read_measured("p1")).splitlines()
    assert len(lines) <= MAX_LINES
    assert "metrics/audit/p1.json" in lines[-1]


def test_what_a_registration_allowed_is_neither_passed_nor_failed(root: Path) -> None:
    rows = {"2": check("gold"), "11": check("enough examples", "warn", remedy="Collect more.")}
    write_result(root, audit=rows)
    text = screen(read_measured("p1"))
    assert "audit: 1 of 2 checks passed, 1 warned" in text
    assert "WARNED stop 11 enough examples: seen 3. Collect more." in text and "FAILED" not in text


def test_exploratory_is_said_in_capitals(root: Path) -> None:
    about = {**details(), "registration": {"status": "EXPLORATORY", "hash": "ff00" * 16}}
    write_result(root, details=about, verdicts={"gain": verdict("EXPLORATORY")})
    text = screen(read_measured("p1"))
    assert "EXPLORATORY ff00ff00ff00" in text
    assert "supported" not in text


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"n_to_decide": 412}, "412 tasks (now 100)"),
        ({"detectable_effect": 0.09}, "no n; finds 0.09 off"),
        ({}, "no n would"),
    ],
)
def test_inconclusive_says_what_would_decide(
    root: Path, changes: dict[str, float], shown: str
) -> None:
    write_result(root, verdicts={"gain": verdict("inconclusive", **changes)})
    assert shown in screen(read_measured("p1"))


def test_an_undefined_estimate_says_why(root: Path) -> None:
    row = verdict("inconclusive", estimate=None, lo=None, hi=None, undefined="undefined: no guard")
    write_result(root, verdicts={"gain": row})
    assert "undefined: no guard" in screen(read_measured("p1"))


def test_colour_only_when_asked(root: Path) -> None:
    assert "\x1b[32msupported\x1b[0m" in screen(read_measured("p1"), colour=True)


def test_main_prints_markdown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["p1", "--markdown"])
    text = capsys.readouterr().out
    assert "| skill" in text and "|--" in text and "REGISTERED `ab12ab12ab12`" in text


@pytest.mark.parametrize("name", ["p1.json", "details/p1.json", "verdicts/p1.json"])
def test_a_missing_file_is_one_paragraph_with_the_remedy(
    root: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (root / "metrics" / name).unlink()
    with pytest.raises(SystemExit) as caught:
        main(["p1"])
    said = capsys.readouterr().err
    assert caught.value.code == 1
    assert name in said and "dvc repro stats@p1" in said
    assert len(said.splitlines()) == 1


def test_a_cut_file_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "metrics/audit/p1.json").write_text('{"2": {')
    with pytest.raises(SystemExit):
        main(["p1"])
    assert "audit/p1.json, line 1" in capsys.readouterr().err
