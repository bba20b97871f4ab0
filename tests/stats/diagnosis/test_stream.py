"""Causes planted in streams: few examples, forgetting, tasks known by heart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from stages.params import CriterionParams
from stages.stats.diagnosis.case import Case
from stages.stats.diagnosis.stream import stream_arms, stream_gains
from stages.stats.diagnosis.walk import diagnose
from stages.stats.results import Results
from stages.stats.streams import Stream
from tests.stats.families.small_stream import made_results, made_stream

SESSIONS, EVERY = 40, 20
BASE = [n % 2 for n in range(SESSIONS)]
CHECKS = {
    "5": {"name": "live", "level": "stop", "status": "pass", "evidence": {"adapters": 2}},
    "9": {"name": "parse", "level": "stop", "status": "pass", "evidence": {"targets": 80}},
}


def stream(
    arm: str = "ewc_10",
    last: Sequence[int] | None = None,
    early: Sequence[int] | None = None,
    first_kept: int = 1,
    examples: int = 100,
) -> Stream:
    """Two consolidations; ``last`` is success on all tasks then, ``early`` after the first one."""
    kept = {
        1: [[1]] * EVERY,
        2: [[first_kept]] * EVERY + [[1]] * EVERY,
    }
    played = {1: early or BASE, 2: last or BASE}
    facts = {"new_examples": examples}
    return made_stream(arm, kept, every=EVERY, played=played, facts=facts)


def explain(results: Results, estimand: str = "stream.forgetting.ewc_10") -> dict[str, Any]:
    criterion = CriterionParams(estimand=estimand, comparator="<", threshold=0.1, test="none")
    experiment = dataclasses.replace(results.lab.experiment, criteria={"it": criterion})
    lab = dataclasses.replace(results.lab, experiment=experiment)
    row = {"verdict": "refuted", "n": SESSIONS, "unit": "session", "n_to_decide": None}
    return diagnose(dataclasses.replace(results, lab=lab), CHECKS, {"it": row})["it"]


def suspects(found: dict[str, Any]) -> list[str]:
    return [node["name"] for node in found["nodes"] if node["status"] == "suspect"]


def test_a_sound_stream_has_no_suspect() -> None:
    found = explain(made_results([stream()], base=BASE))
    assert suspects(found) == [] and found["cause"] == "none"
    measured = {node["name"]: node["status"] for node in found["nodes"]}
    assert measured["data count"] == measured["overfit"] == measured["forgetting"] == "passed"
    assert found["nodes"][0]["evidence"]["fewest_examples"] == 200
    assert found["nodes"][2]["evidence"] == {"adapters": 2, "check": 5}


def test_few_examples_over_the_whole_stream_are_named() -> None:
    found = explain(made_results([stream(examples=4)], base=BASE))
    assert suspects(found) == ["data count"] and "streams/oak/A/ewc_10-s0" in found["remedy"]


def test_forgotten_examples_are_named() -> None:
    found = explain(made_results([stream(first_kept=0)], base=BASE))
    assert suspects(found) == ["forgetting"] and "keeps 50% of its trained" in found["remedy"]


def test_forgotten_tasks_are_named() -> None:
    """The first block solved when it was trained, and not at the end."""
    early, last = [1] * EVERY + BASE[EVERY:], [0] * EVERY + [1] * EVERY
    found = explain(made_results([stream(early=early, last=last)], base=BASE))
    assert found["cause"] == "forgetting" and "ewc_10 forgets" in found["remedy"]


def test_tasks_known_by_heart_are_named() -> None:
    """All trained tasks solved at the end, the next ones no better than base."""
    found = explain(made_results([stream(last=[1] * SESSIONS)], base=BASE))
    assert suspects(found) == ["overfit"]


def test_arms_are_named_by_themselves_or_by_their_first_word() -> None:
    results = made_results([stream("naive"), stream("ewc_10"), stream("ewc_100")], base=BASE)

    def arms(estimand: str) -> tuple[str, ...]:
        return stream_arms(Case(results, {}, "it", estimand, {}))

    assert arms("stream.retention.ewc_10") == ("ewc_10",)
    assert arms("stream.best_forgetting_ratio.naive.ewc") == ("naive", "ewc_10", "ewc_100")
    assert arms("stream.best_retention_ratio.under_30") == ("naive", "ewc_10", "ewc_100")
    assert arms("forward_transfer.skill") == ()


def test_a_stream_whose_tasks_were_not_played_has_no_gains() -> None:
    bare = made_stream("ewc_10", {1: [[1]] * 4}, facts={"new_examples": 100})
    case = Case(made_results([bare]), {}, "it", "stream.retention.ewc_10", {})
    assert stream_gains(case, "ewc_10") is None
