"""Sheets hold different pairs, by seed; two scorers' agreement is Cohen's own figure."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from stages.records import Example, RecordError, write_jsonl
from stages.synthesize.sheet import Agreement, agree, draw_sheet, main, read_scores

EXAMPLES = [
    Example(f"e{n}", "T", ({"role": "user", "content": f"q{n},\nmore"},), f"open a{n}.py")
    for n in range(150)
]


def scored(wrong: str) -> dict[str, int]:
    return {f"e{n}": int(mark) for n, mark in enumerate(wrong)}


def test_a_sheet_has_a_hundred_different_pairs_drawn_by_seed() -> None:
    sheet = draw_sheet([*EXAMPLES, *EXAMPLES], 100, 0)
    rows = list(csv.DictReader(sheet.splitlines(keepends=True)))
    assert len({row["example_id"] for row in rows}) == 100 == len(rows)
    assert {row["wrong"] for row in rows} == {""}
    first = next(e for e in EXAMPLES if e.example_id == rows[0]["example_id"])
    assert rows[0]["prompt"] == f"[user] {first.prompt[0]['content']}"
    assert sheet == draw_sheet(EXAMPLES, 100, 0) != draw_sheet(EXAMPLES, 100, 1)
    assert len(draw_sheet(EXAMPLES[:3], 100, 0).splitlines()) == 4 + 3


def test_agreement_is_that_of_the_textbook() -> None:
    # Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, chapter 18:
    # kappa = (po - pe) / (1 - pe); here 20 both wrong, 15 sound, 5 and 10 apart.
    one = scored("1" * 20 + "1" * 5 + "0" * 10 + "0" * 15)
    two = scored("1" * 20 + "0" * 5 + "1" * 10 + "0" * 15)
    found = agree(one, two)
    assert (found.pairs, found.noise, found.agreement) == (50, (0.5, 0.6), 0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.lo < 0.4 < found.hi and found.hi - found.lo == pytest.approx(0.498, abs=0.02)


def test_scorers_who_say_the_same_agree_wholly() -> None:
    marks = scored("0110100")
    assert agree(marks, marks) == Agreement(7, (3 / 7, 3 / 7), 1.0, 1.0, 1.0, 1.0)
    nothing = agree(scored("000"), scored("000"))
    assert nothing.agreement == 1.0 and math.isnan(nothing.kappa)


def test_other_pairs_and_other_marks_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="2 pairs in common of 3 and 2"):
        agree(scored("010"), scored("01"))
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("example_id,wrong\ne0,1\ne1,maybe\n")
    with pytest.raises(RecordError, match=r"sheet\.csv, line 3: .* 'maybe'"):
        read_scores(sheet)


def test_the_command_draws_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    examples, sheet = tmp_path / "T.jsonl", tmp_path / "sheet.csv"
    write_jsonl(examples, EXAMPLES)
    main(["draw", str(examples), "-o", str(sheet), "--count", "4"])
    with sheet.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name, marks in (("one", "0101"), ("two", "0100")):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows({**r, "wrong": m} for r, m in zip(rows, marks, strict=True))
    main(["agree", str(tmp_path / "one.csv"), str(tmp_path / "two.csv")])
    assert "agreement 0.750\nCohen's kappa 0.500" in capsys.readouterr().out
