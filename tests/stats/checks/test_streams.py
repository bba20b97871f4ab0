"""Checks on streams (8, 22, 24, 5, 6), each with its mistake planted."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from stages.adapters.certificate import MergeParity, NotLive
from stages.evaluate.parity import first_adapter
from stages.records import read_json, write_json
from stages.stats.checks import adapters, decoding, fisher, iterations, runs, training
from stages.stats.checks.record import Record
from stages.strategies.store import load_state, save_state
from tests.stats.checks.run_files import SKILL, change_json, change_rows, read_record
from tests.stats.checks.run_files import TESTED as CONDITIONS_TESTED
from tests.stats.checks.stream_files import ADAPTERS, NAMES, TESTED, stream_lab, write_streams

LAST = ADAPTERS / "ewc_10-s0/c0002"


@pytest.fixture
def streamed(run: Path) -> Path:
    write_streams()
    return run


def record_of() -> Record:
    return read_record(stream_lab())


def test_a_sound_stream_passes(streamed: Path) -> None:
    record = record_of()
    for check in (fisher.fisher_is_sound, iterations.weights_changed, runs.all_reported):
        found = check(record)
        assert found.status == "pass", found
    assert record.results.conditions[-2:] == ["naive", "ewc_10"]
    assert {e.condition for e in record.episodes} >= {"naive", "ewc_10"}
    assert fisher.fisher_is_sound(record).evidence["penalty_at_anchor"] == 0.0


def test_8_a_fisher_of_the_batch_is_caught(streamed: Path) -> None:
    """One gradient given for each sample has one norm, and its trace is that of the mean."""
    fact = read_json(LAST / "state.json")["facts"]["fisher"][-1]
    one = {"smallest": fact["trace"], "largest": fact["trace"], "of_mean": fact["trace"]}
    change_json(LAST / "state.json", lambda state: state["facts"]["fisher"][-1].update(one))
    found = fisher.fisher_is_sound(record_of())
    assert found.status == "fail" and "as a batch's has" in found.evidence["first_problem"]
    assert found.evidence["problems"] == 2


def test_8_a_stored_diagonal_of_the_batch_is_caught(streamed: Path) -> None:
    state = load_state(LAST)
    batch = {name: tensor / 4 for name, tensor in state.tensors.items()}
    save_state(LAST, dataclasses.replace(state, tensors=batch))
    assert "stored diagonal" in fisher.fisher_is_sound(record_of()).evidence["first_problem"]


def test_8_a_penalty_that_is_not_zero_at_its_anchor_is_caught(
    streamed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.strategies import ewc

    right = ewc.penalty_of

    def from_zero(anchor, fisher, strength, space):  # type: ignore[no-untyped-def]
        zeros = {name: torch.zeros_like(tensor) for name, tensor in anchor[0].items()}
        return right((zeros, anchor[1]), fisher, strength, space)

    monkeypatch.setattr(ewc, "penalty_of", from_zero)
    assert "at its own anchor" in fisher.fisher_is_sound(record_of()).evidence["first_problem"]


def test_8_is_absent_without_a_penalty(run: Path) -> None:
    assert fisher.fisher_is_sound(read_record()).status == "not applicable"


def test_22_weights_of_an_earlier_consolidation_are_caught(streamed: Path) -> None:
    first = read_json(ADAPTERS / "naive-s1/c0001/facts.json")["trainings"][0]["weights_sha256"]

    def copy(facts: dict) -> None:
        facts["trainings"][0]["weights_sha256"] = first

    change_json(ADAPTERS / "naive-s1/c0002/facts.json", copy)
    found = iterations.weights_changed(record_of())
    assert found.status == "fail" and found.evidence["problems"] == 1
    assert "has the weights of c0001" in found.evidence["first_problem"]


def test_22_a_loss_that_never_moves_and_a_served_copy_are_caught(streamed: Path) -> None:
    facts = ADAPTERS / "naive-s0/c0002/facts.json"
    change_json(facts, lambda f: f["trainings"][0].update(last_loss=1.0))
    assert "did not move" in iterations.weights_changed(record_of()).evidence["first_problem"]
    change_json(facts, lambda f: f.update(trainings=[]))
    assert "trained nothing" in iterations.weights_changed(record_of()).evidence["first_problem"]
    shutil.copy(TESTED / "naive-s1/tasks-c0001.jsonl", TESTED / "naive-s1/tasks-c0002.jsonl")
    assert iterations.weights_changed(record_of()).evidence["problems"] == 2


def test_22_is_absent_without_streams(run: Path) -> None:
    assert iterations.weights_changed(read_record()).status == "not applicable"


def test_24_a_stream_that_is_cut_or_missing_is_caught(streamed: Path) -> None:
    shutil.rmtree(ADAPTERS / "naive-s0/c0002")
    problems = runs.all_reported(record_of()).evidence["first_problem"]
    assert "streams/oak_harbor/C/naive-s0: consolidations of c0002" in problems
    shutil.rmtree(ADAPTERS / "naive-s0")
    shutil.rmtree(TESTED / "naive-s0")
    assert runs.all_reported(record_of()).evidence["problems"] >= 1


def test_5_an_arm_played_without_its_adapter_is_caught(streamed: Path) -> None:
    path = TESTED / "naive-s0/tasks-c0002.jsonl"
    assert "naive" not in str(adapters.live(record_of()).evidence)
    change_rows(path, lambda row: row["info"].update(adapter_hash=""))
    assert "without its adapter" in adapters.live(record_of()).evidence["first_problem"]


def test_10_a_loss_of_a_consolidation_that_is_lost_or_zero_is_caught(streamed: Path) -> None:
    found = training.sound_losses(record_of())
    assert found.status == "pass" and found.evidence["stream_trainings"] == 8
    path = ADAPTERS / "naive-s0/c0002/losses.json"
    change_json(path, lambda losses: losses.update(adapter=[0.5, 0.0]))
    text = training.sound_losses(record_of()).evidence["first_problem"]
    assert text == "oak_harbor/C/naive-s0/c0002/adapter: a loss is 0"
    path.unlink()
    assert "no loss was recorded" in training.sound_losses(record_of()).evidence["first_problem"]


def test_5_a_mixture_that_changes_nothing_is_caught(streamed: Path) -> None:
    assert adapters.live(record_of()).status == "pass"
    path = ADAPTERS / "naive-s0/c0001/certificate.json"
    change_json(path, lambda proofs: proofs[0].update(logit_shift_max=0.0))
    assert "changes nothing" in adapters.live(record_of()).evidence["first_problem"]
    path.unlink()
    assert "1 certificates of 2" in adapters.live(record_of()).evidence["first_problem"]


def sound(record: Record) -> MergeParity:
    return MergeParity(1e-6, 1.0, 50)


def test_6_merged_and_unmerged_that_disagree_are_caught(run: Path) -> None:
    record = read_record()
    assert decoding.decoded_alike(record, sound).status == "pass"
    other = NotLive("merged and unmerged adapter disagree on 50 prompts")
    found = decoding.decoded_alike(record, lambda r: other)
    assert found.status == "fail" and "disagree on 50" in found.evidence["first_problem"]
    told = decoding.decoded_alike(record, lambda r: "not tried: no adapter")
    assert told.status == "pass" and told.evidence["merged"].startswith("not tried")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": 5}, "another seed"),
        ({"temperature": 0.9}, "temperatures 0.3, 0.9 are recorded"),
    ],
)
def test_6_an_arm_under_another_decoding_is_caught(run: Path, change: dict, text: str) -> None:
    for path in CONDITIONS_TESTED.glob("knowledge-s?.jsonl"):
        change_rows(path, lambda row: row["info"].update(temperature=0.3))
    change_rows(CONDITIONS_TESTED / "skill-s0.jsonl", lambda row: row["info"].update(change))
    found = decoding.decoded_alike(read_record(), sound)
    assert found.status == "fail" and text in found.evidence["first_problem"]


def test_6_longer_answers_than_the_limit_are_caught(run: Path) -> None:
    def long(row: dict) -> None:
        row["info"]["steps"][0]["output_tokens"] = 10**4

    change_rows(CONDITIONS_TESTED / "skill-s0.jsonl", long)
    found = decoding.decoded_alike(read_record(), sound)
    assert "over the limit of tokens" in found.evidence["first_problem"]


@pytest.mark.parametrize(
    ("found", "status", "text"),
    [
        (None, "fail", "so nothing was compared"),
        ({"not_tried": "the experiment has no adapter"}, "pass", "not tried: the experiment"),
        ({"not_live": "merged and unmerged adapter disagree"}, "fail", "unmerged adapter disagree"),
        (
            {"max_logit_difference": 1e-6, "argmax_agreement": 1.0, "n_probes": 50},
            "pass",
            "",
        ),
    ],
)
def test_6_what_evaluate_compared_is_read(
    run: Path, found: dict | None, status: str, text: str
) -> None:
    if found is not None:
        write_json(Path("data/evaluations/p1/parity.json"), found)
    finding = decoding.decoded_alike(read_record())
    assert finding.status == status
    told = {key: finding.evidence.get(key) for key in ("merged", "first_problem", "prompts")}
    assert text in str(told["merged"] or told["first_problem"] or "")
    assert told["prompts"] == (found or {}).get("n_probes")


def test_6_the_adapter_that_is_tried_is_a_condition_s_or_else_a_stream_s(streamed: Path) -> None:
    found = first_adapter(record_of().lab)
    assert found is not None and "layers.0" in sorted(found[0])[0]
    shutil.rmtree(SKILL.parent)
    found = first_adapter(record_of().lab)
    assert found is not None and sorted(found[0]) == sorted(NAMES)
