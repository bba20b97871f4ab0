"""A loop's report: its tables, its page, its row in the log, from what stats wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.records import read_json, write_json
from stages.report import loop, loop_svg
from stages.report.__main__ import main
from stages.report.html import page
from stages.report.log import BEGIN, END, add_rows
from stages.report.read import read_measured
from stages.report.terminal import MAX_LINES, WIDTH, markdown, screen
from stages.stats.loop_work.work import analyse_loop
from tests.report.test_html import Balance
from tests.small_loop import written


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("loop")
    analyse_loop(written(root), root / "metrics", root / "plots")
    return root


@pytest.fixture
def root(result: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(result)
    return result


def test_the_screen_shows_arms_differences_and_verdicts(root: Path) -> None:
    text = screen(read_measured("l01"))
    assert "EXPLORATORY" in text and "other - plain" in text
    assert "best against worst Fisher p" in text and "confidence, plain" in text
    assert len(text.splitlines()) <= MAX_LINES + 10
    assert "plain" in markdown(read_measured("l01"))
    [head] = [line for line in text.splitlines() if line.startswith("arm ")]
    assert len(head) <= WIDTH


def test_each_arm_has_its_numbers(root: Path) -> None:
    rows = {
        row[0]: dict(zip(loop.ARMS, row, strict=True)) for row in loop.arms(read_measured("l01"))
    }
    assert rows["plain"]["runs"] == "6" and rows["other"]["gain"].startswith("+0.00 [")
    assert rows["plain"]["train"] == "0.96"


def test_an_arm_that_trains_nothing_says_so(root: Path) -> None:
    table = read_json(root / "metrics" / "l01.json")
    table["other"]["evaluation_only"] = True
    write_json(root / "metrics" / "l09.json", table)
    for folder in ("details", "verdicts", "audit"):
        write_json(
            root / f"metrics/{folder}/l09.json", read_json(root / f"metrics/{folder}/l01.json")
        )
    assert loop.arms(read_measured("l09"))[1][0] == "other (evaluation only)"


def test_the_page_is_whole_and_draws_every_plot(root: Path) -> None:
    text = page(read_measured("l01"))
    balance = Balance()
    balance.feed(text)
    assert balance.open == []
    # curves of two parts, reliability, a strip per arm
    assert text.count("<svg") == 5
    assert not {"script", "link", "img"} & set(balance.seen)
    assert "Episodes" not in text


def test_nothing_to_draw_draws_nothing() -> None:
    assert loop_svg.learning([], "test") == loop_svg.strip([], "plain") == ""
    assert loop_svg.reliability([]) == ""


def test_a_run_becomes_a_row_of_the_log(root: Path) -> None:
    log = root / "EXPERIMENTS.md"
    log.write_text(f"# Log\n\n{BEGIN}\n{END}\n")
    assert add_rows([read_measured("l01")], "2026-11-21", log) == 1
    assert add_rows([read_measured("l01")], "2026-11-22", log) == 0
    [row] = [line for line in log.read_text().splitlines() if line.startswith("| 2026")]
    assert "plain 0.000, other 0.000" in row and "audit: stops 5" in row


def test_the_command_prints_a_loop_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["l01"])
    assert "12 done" in capsys.readouterr().out
