"""The diagnosis of a negative verdict on the screen, in full, and on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.report.__main__ import main
from stages.report.html import page
from stages.report.read import read_measured
from stages.report.terminal import MAX_LINES, screen
from tests.report.conftest import (
    check,
    condition,
    details,
    diagnosis,
    verdict,
    write_result,
)


@pytest.fixture
def refuted(root: Path) -> Path:
    written = {**details(), "diagnosis": diagnosis()}
    write_result(root, details=written, verdicts={"gain": verdict("refuted")})
    return root


def test_the_screen_names_cause_and_remedy(refuted: Path) -> None:
    text = screen(read_measured("p1"))
    assert "gain: overfit. Fewer epochs." in text
    [row] = [line for line in text.splitlines() if "SUSPECT" in line]
    assert row.split() == ["gain", "overfit", "ok", "ok", "ok", "SUSPECT", "–", "ok"]


def test_every_node_with_evidence_and_file_when_asked(
    refuted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["p1", "--diagnosis"])
    text = capsys.readouterr().out
    assert "overfit: suspect; gap 0.4 (metrics/audit)" in text
    assert "forgetting: not measured; no guard" in text


def test_nothing_to_explain_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "SUSPECT" not in screen(read_measured("p1"))
    main(["p1", "--diagnosis"])
    assert "nothing to explain" in capsys.readouterr().out


def test_many_diagnoses_never_fill_more_than_a_screen(refuted: Path) -> None:
    many = {f"gain{i}": diagnosis()["gain"] for i in range(40)}
    write_result(refuted, details={**details(), "diagnosis": many})
    lines = screen(read_measured("p1")).splitlines()
    assert len(lines) <= MAX_LINES
    assert any("--diagnosis" in line for line in lines)
    assert any("FAILED" in line for line in lines)


def test_the_page_shows_it_escaped(refuted: Path) -> None:
    text = page(read_measured("p1"))
    assert "<h2>Diagnosis</h2>" in text and "Fewer epochs." in text
    assert "no guard &lt;b&gt;" in text and "no guard <b>" not in text
    write_result(refuted)
    assert "Diagnosis" not in page(read_measured("p1"))


def test_results_of_many_arms_leave_a_line_each_for_diagnosis_and_audit(refuted: Path) -> None:
    arms = {f"arm{i}": condition(0.4) for i in range(40)}
    rows = {f"gain{i}": verdict("refuted") for i in range(20)}
    write_result(
        refuted,
        conditions=arms,
        verdicts=rows,
        details={**details(), "diagnosis": diagnosis()},
        audit={str(i): check(f"check {i}", "fail", remedy="Do this.") for i in range(30)},
    )
    lines = screen(read_measured("p1")).splitlines()
    assert "--diagnosis" in lines[-3] and "metrics/audit/p1.json" in lines[-1]
