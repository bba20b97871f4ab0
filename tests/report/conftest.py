"""A small result of one experiment, as stats writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.records import write_json, write_jsonl

CONDITIONS = ["base", "aa", "knowledge", "skill", "both", "placebo_random", "placebo_world"]


def condition(rate: float) -> dict[str, Any]:
    ends = {"resolve_rate": rate, "lo": rate - 0.1, "hi": rate + 0.1, "n": 100}
    tokens = {"input_tokens": 812.3, "cached_tokens": 640.0, "output_tokens": 71.5}
    return {**ends, "episodes": 300, "attempted": rate, "steps": 6.25, **tokens}


def comparison(gain: float) -> dict[str, Any]:
    test = {"name": "t", "statistic": 1.0, "p": 0.0004, "n": 100}
    return {
        "forward_transfer": {"value": gain, "lo": gain - 0.05, "hi": gain + 0.05, "n": 100},
        "mcnemar_first_seed": test,
        "paired_t": {**test, "p": 0.03},
        "wilcoxon": "undefined: every difference is zero",
        "permutation_clustered": test,
        "cohens_dz": 0.61,
    }


def details() -> dict[str, Any]:
    around = {"value": 0.01, "lo": -0.01, "hi": 0.03, "n": 100}
    return {
        "registration": {"status": "REGISTERED", "hash": "ab12" * 16},
        "experiment": {
            "title": "Pilot: does it work?",
            "hypothesis": "An adapter helps. " * 8,
            "kind": "pilot",
            "worlds": ["oak_harbor"],
            "splits": ["A"],
            "seeds": [0, 1, 2],
        },
        "comparisons": {name: comparison(0.1) for name in CONDITIONS[1:]},
        "capability": {
            "drop": around,
            "non_inferiority": "inconclusive",
            "margin": 0.02,
            "power_to_see_margin": 0.4,
            "pass_at_1": {"base": {"rpn": {**around, "value": 0.45}, "gcd": around}},
        },
        "forgetting": around,
        "retention": {"100": around, "25": around, "1": "undefined: no pairs"},
        "power": {"tasks": 100, "minimum_detectable_effect": 0.09},
        "by_split": {},
    }


def verdict(word: str = "supported", **changes: Any) -> dict[str, Any]:
    row = {
        "verdict": word,
        "estimate": 0.31,
        "lo": 0.2,
        "hi": 0.42,
        "n": 100,
        "unit": "task",
        "undefined": "",
        "comparator": ">",
        "threshold": 0.0,
        "p": 0.001,
        "alpha": 0.05,
        "registration": "ab12" * 16,
        "detectable_effect": None,
        "n_to_decide": None,
    }
    return {**row, **changes}


def check(name: str, status: str = "pass", level: str = "stop", **more: Any) -> dict[str, Any]:
    return {"name": name, "level": level, "status": status, "evidence": {"seen": 3}, **more}


def write_result(root: Path, experiment: str = "p1", **files: Any) -> None:
    """Write the four files below ``root``/metrics; ``files`` replaces any of them."""
    standard = {
        "conditions": {name: condition(0.4) for name in CONDITIONS},
        "details": details(),
        "verdicts": {"forward_transfer": verdict()},
        "audit": {
            "10": check("losses sound"),
            "2": check("gold patch passes", "not applicable", reason="none"),
            "13": check(
                "power of the guard", "fail", "warn", remedy="Raise suites.procedural.per_kind."
            ),
        },
    }
    for name, content in (standard | files).items():
        folder = root / "metrics" / ("" if name == "conditions" else name)
        write_json(folder / f"{experiment}.json", content)


def episode(instance: str, outcome: str, said: str) -> dict[str, Any]:
    info = {"instance_id": instance, "outcome": outcome, "n_steps": 1, "pathology": "none"}
    return {"messages": [{"role": "assistant", "content": said}], "info": info}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the standard result of p1, as the working folder."""
    write_result(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def root_with_episodes(root: Path) -> Path:
    """Episodes of base and skill, one of them hostile to the page, and rows of plots."""
    hostile = [episode("t1", "resolved", "<script>alert('x')</script> & more")]
    hostile += [episode(f"t{i}", "unresolved", f"said {i}") for i in range(2, 9)]
    write_jsonl(root / "data/evaluations/p1/oak/A/skill-s0.jsonl", hostile)
    write_jsonl(root / "data/baseline/p1/oak-s0.jsonl", [*hostile, episode("t99", "timeout", "")])
    loss = [{"arm": "skill", "seed": 0, "step": s, "loss": 3.0 / s} for s in (1, 2, 3)]
    write_json(root / "plots/p1/loss.json", loss)
    rates = [{"condition": "<b>", "resolve_rate": 0.5, "lo": 0.4, "hi": 0.6, "n": 9}]
    write_json(root / "plots/p1/conditions.json", rates)
    return root


def diagnosis() -> dict[str, Any]:
    """A refuted criterion whose adapter overfitted, as stats explains it."""
    names = ("data count", "format validity", "adapter live", "overfit", "forgetting", "harness")
    nodes = [
        {"name": name, "status": "passed", "evidence": {"seen": 3}, "source": "metrics/audit"}
        for name in names
    ]
    nodes[3] |= {"status": "suspect", "evidence": {"gap": 0.4}, "remedy": "Fewer epochs."}
    nodes[4] |= {"status": "not measured", "evidence": {"reason": "no guard <b>"}}
    gain = {"verdict": "refuted", "cause": "overfit", "remedy": "Fewer epochs.", "nodes": nodes}
    return {"gain": gain}
