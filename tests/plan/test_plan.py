"""The plan against what the stages really make, and its figures against hand-computed ones."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from stages.lab.arm_adapters import arm_places
from stages.lab.places import adapter_places
from stages.lab.streams import session_counts, stream_of, stream_places
from stages.params import load_params
from stages.plan.__main__ import main, make_plan, power_line
from stages.plan.count import stage_plans
from stages.plan.designs import arms_work, stream_work
from stages.plan.machine import Card, Size, playing_seconds, training_seconds
from stages.plan.power import detectable_effect, mcnemar_power
from stages.stats import power as after
from tests.small_lab import ROOT, small_lab


@pytest.fixture
def params(tmp_path, monkeypatch):
    """params.yaml in a folder of its own, without any earlier run."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return load_params()


@pytest.mark.parametrize("name", ["p1", "p2", "e06"])
def test_adapters_are_those_that_training_makes(name):
    lab = small_lab(name=name)
    trained = next(s for s in stage_plans(lab.experiment, "", 12) if s.stage == "train_adapter")
    assert trained.adapters == len(adapter_places(lab))


def test_the_pilots_cells_and_episodes_by_hand(params):
    plan = make_plan(params, "p1", tasks=240)
    found = {stage.stage: (stage.cells, stage.episodes) for stage in plan.stages}
    assert found == {
        "collect_trajectories": (2, 2 * 2 * 120),  # the world and its placebo, two attempts
        "baseline_eval": (3, 3 * 240),
        "train_adapter": (12, 0),  # skill and three placebos, three seeds
        "evaluate": (3 * 7 + 6 + 6, 3 * 8 * 120),  # seven conditions, and the trained half
    }


def test_power_is_the_one_that_stats_computes_after_the_run():
    for n, gain, loss in ((25, 0.24, 0.0), (120, 0.2, 0.05), (50, 0.1, 0.1)):
        assert mcnemar_power(n, gain, loss, 0.05) == pytest.approx(
            after.mcnemar_power(n, gain, loss, 0.05)
        )
    assert detectable_effect(120, 0.05, 0.8, 0.025) == after.minimum_detectable_effect(
        120, 0.05, 0.8, 0.025
    )
    assert detectable_effect(3, 0.0, 0.8, 0.05) is None


def test_seconds_follow_arithmetic_and_bandwidth():
    size = Size(1e9, 2e9, 0, 0, 0, "")
    card = Card(tflops=100, bandwidth_gb_s=1000, utilisation=0.5, price_per_hour=1)
    assert playing_seconds(size, card, 1e6, 0, 8) == pytest.approx(2e15 / 5e13)
    assert playing_seconds(size, card, 0, 1000, 8) == pytest.approx(1000 / 8 * 2e9 / 5e11)
    assert training_seconds(size, card, 1e6, True) == pytest.approx(6e15 / 5e13)
    assert training_seconds(size, card, 1e6, False) == pytest.approx(4e15 / 5e13)


def write_earlier_run(folder: Path) -> None:
    info = {"input_tokens": 500, "cached_tokens": 400, "output_tokens": 50}
    (folder / "data/baseline/p1").mkdir(parents=True)
    (folder / "data/baseline/p1/x.jsonl").write_text(json.dumps({"info": info}) + "\n")
    (folder / "timings/p1").mkdir(parents=True)
    (folder / "timings/p1/train-a.json").write_text('{"seconds": 10, "tokens": 1000}')
    (folder / "timings/p1/baseline-a.jsonl").write_text('{"seconds": [0.5, 1.5]}\n')


def test_earlier_runs_are_used_for_the_same_model_only(params, tmp_path):
    write_earlier_run(tmp_path)
    plan = make_plan(params, "p1", tasks=240)
    assert (plan.tokens.computed, plan.tokens.written) == (100, 50)
    by_name = {stage.stage: plan.seconds(stage) for stage in plan.stages}
    assert by_name["baseline_eval"] == 720 * 2.0
    assert by_name["train_adapter"] == pytest.approx(12 * 135_000 / 100)
    other = make_plan(params, "p1", model="qwen-coder-7b")
    assert other.tokens.source.startswith("assumed")
    assert other.training_tokens == 3 * 13_500  # the model's own epochs


def test_the_plan_prints_what_would_run_and_what_is_missing(params, capsys):
    main(["p1", "--model", "qwen-coder-7b", "--tasks", "30", "--price", "2"])
    text = capsys.readouterr().out
    assert "Qwen/Qwen2.5-Coder-7B-Instruct" in text
    assert "2 USD an hour" in text
    assert "python -m stages.checkpoints fetch Qwen/Qwen2.5-Coder-7B-Instruct" in text
    assert "15 test tasks" in text
    assert "15 tasks are fewer than the registered minimum of 50" in text
    assert "-1" not in text and "nan" not in text


def test_unknown_names_are_one_paragraph(params):
    with pytest.raises(SystemExit, match=r"plan: experiment: there is no 'p9'\. "):
        main(["p9"])
    with pytest.raises(SystemExit, match="no 'qwen-7b'"):
        main(["p1", "--model", "qwen-7b"])


def test_where_nothing_knows_the_number_of_tasks_that_is_said(params):
    plan = make_plan(params, "p1", suite="procedural")
    assert plan.tasks.source.startswith("unknown")
    assert power_line(plan) == "power: unknown, as the number of tasks is."


@pytest.mark.parametrize("name", ["e06b", "e07", "e08", "x1", "x2", "x3", "x4", "e09", "e10"])
def test_arms_are_counted_as_they_are_made(name):
    lab = small_lab(name=name)
    trained = next(s for s in stage_plans(lab.experiment, "", 12) if s.stage == "train_adapter")
    assert trained.cells == len(adapter_places(lab)) + len(arm_places(lab))
    assert trained.passes > 0


@pytest.mark.parametrize("name", ["e01", "e02", "e03", "e04", "e05"])
def test_streams_are_counted_as_they_are_made(name):
    lab = small_lab(name=name)
    trained = next(s for s in stage_plans(lab.experiment, "", 12) if s.stage == "train_adapter")
    places, counts = stream_places(lab), session_counts(stream_of(lab))
    assert trained.cells == len(adapter_places(lab)) + len(places) * len(counts)


def test_a_stream_s_work_by_hand(params):
    """Full replay trains on 1/20, 2/20, ... of the budget; naive updates on 1/20 each time."""
    e01 = params.experiments["e01"]
    work = stream_work(dataclasses.replace(e01, seeds=(0,)), half=120)
    counts = session_counts(e01.stream)
    arms = e01.stream.arms
    full = [a for a in arms.values() if a.strategy == "full_replay"]
    others = len(arms) - len(full)
    assert work.passes == pytest.approx(len(full) * (len(counts) + 1) / 2 + others)
    nexts = [min([c for c in counts if c > p] or [p]) for p in e01.stream.played]
    assert work.episodes == len(arms) * sum(n + 120 for n in nexts)


def test_self_synthesis_plays_and_trains_every_generation(params):
    e08 = params.experiments["e08"]
    work = arms_work(dataclasses.replace(e08, seeds=(0,)), half=120, trained=120)
    own = [a.examples for a in e08.arms.values() if a.examples.generations]
    assert work.written_episodes == sum(e.generations.number * e.generations.block for e in own)
    assert work.adapters == len(e08.arms) + sum(e.generations.number for e in own)
