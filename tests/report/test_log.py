"""Rows of EXPERIMENTS.md: added for new results only, and nothing that stands there is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.records import RecordError
from stages.report.__main__ import main
from stages.report.log import BEGIN, COLUMNS, END, add_rows
from stages.report.read import read_measured
from tests.report.conftest import check, verdict, write_result

HAND = "# Experiments\n\nBy hand | with bars.\n"
AFTER = "\n\n## Departures\n\n| a | b |\n"


@pytest.fixture
def log(root: Path) -> Path:
    path = root / "EXPERIMENTS.md"
    path.write_text(f"{HAND}\n{BEGIN}\n{END}{AFTER}")
    return path


def rows(log: Path) -> list[str]:
    text = log.read_text()
    assert text.startswith(HAND) and text.endswith(AFTER)
    between = text.split(BEGIN)[1].split(END)[0]
    return [line for line in between.splitlines() if line.startswith("| 20")]


def test_a_result_becomes_one_dated_row(log: Path) -> None:
    write_result(
        log.parent,
        verdicts={"gain": verdict(), "loss": verdict("refuted", unit="problem", n=40)},
    )
    assert add_rows([read_measured("p1")], "2026-11-21") == 1
    [row] = rows(log)
    cells = [cell.strip() for cell in row.strip("|").split(" | ")]
    named = dict(zip(COLUMNS, cells, strict=False))
    assert named["date"] == "2026-11-21" and named["registration"] == "REGISTERED ab12ab12ab12"
    assert named["verdicts"].startswith("loss (> 0) refuted +0.310 [+0.200, +0.420]; gain")
    assert named["n"] == "100 tasks, 40 problems"
    assert "base 0.400" in named["key figures"] and "audit: warns 13" in named["key figures"]


def test_the_same_result_adds_nothing_and_changes_no_byte(log: Path) -> None:
    add_rows([read_measured("p1")], "2026-11-21")
    before = log.read_bytes()
    assert add_rows([read_measured("p1")], "2026-11-29") == 0
    assert log.read_bytes() == before


def test_another_result_is_a_new_row_above_the_old_one(log: Path) -> None:
    add_rows([read_measured("p1")], "2026-11-21")
    [old] = rows(log)
    write_result(log.parent, verdicts={"forward_transfer": verdict("refuted")})
    assert add_rows([read_measured("p1")], "2026-11-29") == 1
    new, kept = rows(log)
    assert kept == old and "refuted" in new and new.startswith("| 2026-11-29")


def test_a_sentence_in_the_last_column_stays(log: Path) -> None:
    add_rows([read_measured("p1")], "2026-11-21")
    [old] = rows(log)
    mine = old.removesuffix("|  |") + "| Ran while the machine was busy; see &#124;. |"
    log.write_text(log.read_text().replace(old, mine))
    assert add_rows([read_measured("p1")], "2026-11-29") == 0
    assert rows(log) == [mine]
    write_result(log.parent, "p2")
    add_rows([read_measured("p1"), read_measured("p2")], "2026-11-30")
    assert rows(log)[1] == mine and "p2" in rows(log)[0]


def test_a_check_that_stops_is_told_from_one_that_warns(log: Path) -> None:
    audit = {"3": check("errors", "fail"), "11": check("enough", "warn"), "13": check("x", "pass")}
    write_result(log.parent, audit=audit)
    add_rows([read_measured("p1")], "2026-11-21")
    assert "audit: stops 3 and warns 11" in rows(log)[0]


@pytest.mark.parametrize("text", ["no marks", f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}"])
def test_lost_marks_are_an_error(log: Path, text: str) -> None:
    log.write_text(text)
    with pytest.raises(RecordError, match="Put them back"):
        add_rows([read_measured("p1")], "2026-11-21")
    assert log.read_text() == text


def test_a_row_with_a_bar_too_many_is_named(log: Path) -> None:
    add_rows([read_measured("p1")], "2026-11-21")
    log.write_text(log.read_text().replace("|  |", "| one | two |"))
    with pytest.raises(RecordError, match="&#124;"):
        add_rows([read_measured("p1")], "2026-11-21")


def test_the_command_adds_all_or_one(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(log.parent, "p2")
    main(["p1", "--experiments", "--date", "2026-11-21"])
    assert len(rows(log)) == 1 and "1 rows added" in capsys.readouterr().out
    main(["--experiments", "--date", "2026-11-22"])
    assert len(rows(log)) == 2
    assert "1 rows added, 1 told already" in capsys.readouterr().out


def test_a_cell_of_a_matrix_has_no_verdict_and_no_row(log: Path) -> None:
    write_result(log.parent, "p3--tiny", verdicts={})
    main(["--experiments", "--date", "2026-11-22"])
    assert len(rows(log)) == 1
