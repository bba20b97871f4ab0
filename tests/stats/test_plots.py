"""The rows behind DVC's plots, and that each template draws them without a gap."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.records import Outcome
from stages.stats.plots import CURVE_POINTS, loss_rows, thinned, write_plots
from stages.stats.results import Results, Row

ROOT = Path(__file__).parents[2]
NAMES = {"conditions", "difficulty", "convention", "steps", "loss", "retention"}
TEMPLATES = sorted((ROOT / ".dvc" / "plots").glob("*.json"))


def row(condition: str, i: int, resolved: bool, steps: int) -> Row:
    return Row(
        world="oak",
        split="A",
        half="test",
        condition=condition,
        seed=0,
        attempt=0,
        instance_id=f"t{i}",
        outcome=Outcome.RESOLVED if resolved else Outcome.UNRESOLVED,
        pathology="none",
        difficulty="easy" if i % 2 else "hard",
        kinds=("name", "test"),
        steps=steps,
        ok_steps=steps,
        input_tokens=10,
        output_tokens=5,
        cached_tokens=2,
        submitted_empty=False,
        run_id=condition,
    )


def small(retention: list[dict[str, Any]] | None = None) -> Results:
    evaluate = SimpleNamespace(conditions=("base", "skill"))
    lab = SimpleNamespace(
        worlds=("oak",),
        experiment=SimpleNamespace(
            alpha=0.05, evaluate=evaluate, splits=("A",), arms=None, stream=None
        ),
        agent_params=SimpleNamespace(max_steps=12),
    )
    rows = [row("base", i, i < 2, 12) for i in range(8)]
    rows += [row("skill", i, i < 6, 4) for i in range(8)]
    losses = {"oak/A/skill-s0": [2.0, 1.0], "oak/A/placebo_random-s0": [9.0]}
    return Results(lab, tuple(rows), {}, retention or [], losses, {}, {})  # type: ignore[arg-type]


def read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def test_every_file_is_written_with_intervals_around_values(tmp_path: Path) -> None:
    origin = {"world": "oak", "split": "A", "seed": 0, "instance_id": "t1", "origin": 1}
    write_plots(small([{**origin, "right": True}]), tmp_path)
    plots = read(tmp_path)
    assert set(plots) == NAMES
    assert [r["resolve_rate"] for r in plots["conditions"]] == [0.25, 0.75]
    assert {r["difficulty"] for r in plots["difficulty"]} == {"easy", "hard"}
    assert {r["kind"] for r in plots["convention"]} == {"name", "test"}
    value = {"steps": "steps", "retention": "rate"}
    for name in NAMES - {"loss"}:
        for r in plots[name]:
            assert r["lo"] <= r[value.get(name, "resolve_rate")] <= r["hi"]


def test_steps_keep_a_width_where_no_episode_differs(tmp_path: Path) -> None:
    write_plots(small(), tmp_path)
    steps = {r["condition"]: r for r in read(tmp_path)["steps"]}
    assert steps["base"]["steps"] == 12 and steps["base"]["hi"] == 12
    assert steps["base"]["lo"] < 11.9
    assert 0 < steps["skill"]["lo"] < 4 < steps["skill"]["hi"] < 12


def test_nothing_measured_gives_an_empty_list(tmp_path: Path) -> None:
    write_plots(small(), tmp_path)
    assert read(tmp_path)["retention"] == []


def test_loss_is_averaged_over_worlds_and_random_placebos_are_left_out() -> None:
    losses = {
        "oak/A/skill-s0": [2.0, 1.0, 0.5],
        "elm/A/skill-s0": [4.0, 2.0],
        "oak/A/placebo_random-s0": [7.0],
        "oak/A/format_C-s0": [0.7],
    }
    rows = loss_rows(losses)
    assert [(r["arm"], r["seed"], r["step"], r["loss"]) for r in rows] == [
        ("skill", 0, 1, 3.0),
        ("skill", 0, 2, 1.5),
        ("skill", 0, 3, 0.5),
    ]


@pytest.mark.parametrize("length", [1, 2, CURVE_POINTS, CURVE_POINTS + 1, 12345])
def test_thinning_keeps_both_ends(length: int) -> None:
    kept = thinned(length)
    assert (kept[0], kept[-1]) == (0, length - 1)
    assert len(kept) == min(length, CURVE_POINTS)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_is_read_by_dvc_and_shows_on_any_background(path: Path) -> None:
    from dvc_render import VegaRenderer

    point = {"condition": "a", "arm": "skill", "seed": 0, "lo": 0, "hi": 1, "rev": "workspace"}
    names = {"x": "x", "y": "y", "x_label": "steps", "y_label": "loss (nats)", "title": "T"}
    rows = [{**point, "x": 1, "y": 0.5}]
    renderer = VegaRenderer(rows, "p", template=path.stem, template_dir=str(path.parent), **names)
    text = json.dumps(renderer.get_filled_template())
    assert not re.search(r"<DVC_METRIC_\w+>", text)
    assert "loss (nats)" in text
    config = json.loads(path.read_text())["config"]
    assert config["background"] == "transparent"
    assert config["axis"]["labelColor"] == config["axis"]["titleColor"] == "#808080"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_every_colour_has_contrast_3_on_white_and_on_dark(path: Path) -> None:
    for colour in re.findall(r'"(#[0-9A-Fa-f]{6})"', path.read_text()):
        assert 1.05 / (luminance(colour) + 0.05) >= 3, colour
        assert (luminance(colour) + 0.05) / (luminance("#1e1e1e") + 0.05) >= 3, colour


def luminance(colour: str) -> float:
    """Relative luminance of sRGB (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
