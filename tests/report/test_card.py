"""The embedded model's measured card."""

from __future__ import annotations

from pathlib import Path

from stages.params import load_params
from stages.report.__main__ import main
from stages.report.card import BARS
from tests.report.conftest import verdict, write_result

ROOT = Path(__file__).parents[2]


def row_of(text: str, start: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_card_shows_bars_conditions_and_guard_with_intervals(root):
    bars = {"base_at_least_15": verdict(), "placebo_world_5_points": verdict("refuted")}
    write_result(root, "organism", verdicts=bars)
    main(["organism", "--card", "p1"])
    text = (root / "models" / "README.md").read_text()
    assert row_of(text, BARS["base_at_least_15"])[1:] == ["+0.310 [+0.200, +0.420]", "supported"]
    assert row_of(text, BARS["placebo_world_5_points"])[2] == "refuted"
    assert row_of(text, "base  ")[:3] == ["base", "0.400 [0.300, 0.500]", "100"]
    assert row_of(text, "rpn") == ["rpn", "0.450 [-0.010, 0.030]", "yes"]
    assert row_of(text, "gcd")[2] == "no"


def test_every_bar_in_words_is_a_criterion_of_the_experiment():
    params = load_params(ROOT / "params.yaml")
    assert BARS.keys() == params.experiments["organism"].criteria.keys()
