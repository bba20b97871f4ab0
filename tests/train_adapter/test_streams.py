"""Streams through the stage: known answers, what is counted, and kills that leave no trace."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from stages.adapters.lora import adapter_sha256, attached, delta_weights
from stages.adapters.merge import Adapter
from stages.lab.cells import STORE
from stages.lab.context import Lab
from stages.lab.forcing import force
from stages.records import read_json
from stages.strategies.factors import mixture
from stages.strategies.protocol import ADAPTER, State
from stages.strategies.spectra import truncate
from stages.strategies.store import load_state
from stages.train_adapter import consolidation, streams
from stages.train_adapter.streams import train_streams
from stages.training.settings import TrainingError
from tests.small_stream import RANK, Arms, stream_lab, write_inputs

ROUTER = {"steps": 20}
ONE_EXPERT = {"taxonomy": {"all": ["naming", "unit"]}, "rank_sum": RANK, "router": ROUTER}
TWO_EXPERTS = {
    "taxonomy": {"names": ["naming"], "units": ["unit"]},
    "rank_sum": RANK,
    "top_k": 2,
    "router": ROUTER,
}
FIXED = {"budget": 6, "probes": [2], "target_rank": 1}
PROBED = {"budget": 6, "probes": [1, 2], "target_rank": 1}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streams, "run_jobs", lambda jobs, *_: [job() for job in jobs])
    return tmp_path


def ran(base, arms: Arms, **changes) -> Lab:
    """The streams of ``arms``, trained."""
    lab = stream_lab(arms, **changes)
    write_inputs(lab, Path())
    train_streams(lab, base).sweep()
    return lab


def ran_apart(base, arms: Arms) -> None:
    """Each arm by itself, with nothing to take from another."""
    for name, arm in arms.items():
        shutil.rmtree(STORE, ignore_errors=True)
        lab = stream_lab({name: arm})
        write_inputs(lab, Path())
        train_streams(lab, base)  # not swept: the other arms' streams stay


def path_of(arm: str, number: int) -> Path:
    return Path(f"models/adapters/p1/streams/oak_harbor/A/{arm}-s0/c{number:04}")


def state_of(arm: str, number: int) -> State:
    return load_state(path_of(arm, number))


def hashes(arm: str, name: str = ADAPTER) -> list[str]:
    return [adapter_sha256(state_of(arm, number).adapters[name][0]) for number in (1, 2, 3)]


def test_ewc_without_strength_and_a_single_expert_are_naive_bit_for_bit(base):
    arms = {
        "naive": ("naive", {}),
        "free": ("ewc", {"strength": 0.0}),
        "held": ("ewc", {"strength": 1e6, "samples": 2}),
        "one": ("experts", ONE_EXPERT),
    }
    ran_apart(base, arms)
    naive = hashes("naive")
    assert len(set(naive)) == 3
    assert hashes("free") == hashes("one", "all") == naive
    held = hashes("held")
    assert held[0] == naive[0]
    assert held[1] != naive[1]


def test_replay_of_an_unlimited_buffer_is_full_replay(base):
    unlimited = {"buffer": None, "mixing_ratio": None, "from_scratch": True}
    ran_apart(base, {"full": ("full_replay", {}), "partial": ("partial_replay", unlimited)})
    assert hashes("full") == hashes("partial")
    facts = read_json(path_of("full", 3) / "facts.json")
    assert [training["examples"] for training in facts["trainings"]] == [9]


def test_a_cut_at_full_rank_changes_nothing(base):
    ran(base, {"fixed": ("adaptive_rank", FIXED)})
    state = state_of("fixed", 2)
    served = mixture(state.adapters, dict.fromkeys(state.adapters, 1.0))
    assert served[1].rank == 4
    cut, kept = truncate(served, 4)
    assert kept == pytest.approx(1.0, abs=1e-9)
    examples = write_inputs(stream_lab({}), Path())[:6]
    before, after = (losses(base, adapter, examples) for adapter in (served, cut))
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= 1e-5


def losses(base, adapter: Adapter, examples) -> list[float]:
    model, tokenizer = base
    with attached(model, adapter[1], adapter[0]) as wrapped:
        return [forced.loss for forced in force(wrapped, tokenizer, examples)]


def test_a_mixture_is_the_weighted_sum_of_the_experts_deltas(base):
    ran(base, {"two": ("experts", TWO_EXPERTS)})
    adapters = state_of("two", 3).adapters
    assert {name: lora.rank for name, (_, lora) in adapters.items()} == {"names": 2, "units": 2}
    weights = {"names": 0.3, "units": 0.7}
    merged = delta_weights(*mixture(adapters, weights))
    parts = {name: delta_weights(*adapter) for name, adapter in adapters.items()}
    for module, delta in merged.items():
        wanted = sum(weights[name] * parts[name][module] for name in weights)
        torch.testing.assert_close(delta, wanted, atol=1e-6, rtol=1e-5)
    [first, *_] = read_json(path_of("two", 3) / "certificate.json")
    assert sum(first["weights"].values()) == pytest.approx(1.0)
    assert first["logit_shift_max"] > 0


def test_costs_are_counted_and_add_up(base):
    ran(base, {"held": ("ewc", {"samples": 2}), "probed": ("adaptive_rank", PROBED)})
    size = sum(parameter.numel() for parameter in base[0].parameters())
    flops = trained = 0.0
    for number in (1, 2, 3):
        facts = read_json(path_of("held", number) / "facts.json")
        [training] = facts["trainings"]
        assert facts["fisher_tokens"] == facts["strategy"]["fisher"][-1]["tokens"] > 0
        computed = training["computed_tokens"] + facts["fisher_tokens"]
        flops += 6 * size * computed + 2 * size * facts["scored_tokens"]
        trained += training["tokens"]
        assert facts["flops"] == pytest.approx(flops)
        assert facts["trained_tokens"] == trained
        assert facts["total_rank"] == RANK
    probed = read_json(path_of("probed", 2) / "facts.json")
    by_name = {training["name"]: training for training in probed["trainings"]}
    assert set(by_name) == {"probe-01", "probe-02", "final"}
    assert probed["probe_tokens"] == by_name["probe-01"]["tokens"] + by_name["probe-02"]["tokens"]
    assert by_name["probe-01"]["validation_loss"] is not None
    assert probed["scored_tokens"] >= by_name["probe-01"]["validation_tokens"] * 2 > 0


def test_few_examples_at_the_end_are_refused_but_not_few_at_once(base):
    train = dataclasses.replace(stream_lab({}).experiment.train, min_examples=10)
    with pytest.raises(TrainingError, match=r"6 sessions bring 9 different examples.*check 11"):
        ran(base, {"naive": ("naive", {})}, train=train)
    ran(base, {"naive": ("naive", {})}, train=train, kind="pilot")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_killed_stream_goes_on_where_it_was(base, folder, monkeypatch, after):
    """PROBED trains three times per consolidation: kills within the first, at its end, later."""
    arms = {"probed": ("adaptive_rank", PROBED)}
    ran(base, arms)
    wanted = contents()
    shutil.rmtree("models/adapters")
    shutil.rmtree(STORE)
    real, made = consolidation.run_training, []

    def until(limit: int):
        def training(*arguments):
            if len(made) == limit:
                raise Killed
            made.append(arguments[1].name)
            return real(*arguments)

        return training

    monkeypatch.setattr(consolidation, "run_training", until(after))
    with pytest.raises(Killed):
        ran(base, arms)
    torn = path_of("probed", 3)
    torn.mkdir(parents=True)
    (torn / "state.json").write_text("{")  # a file of a cell that was never finished
    monkeypatch.setattr(consolidation, "run_training", until(99))
    ran(base, arms)
    assert made == ["probe-01", "probe-02", "final"] * 3  # none of them twice
    assert contents() == wanted


def contents() -> dict[str, bytes]:
    root = Path("models/adapters")
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_what_arms_train_alike_is_trained_once_and_changes_nothing(base, monkeypatch):
    """Naive, a buffer that keeps nothing yet, and EWC before there is anything to hold on to."""
    arms = {
        "naive": ("naive", {}),
        "replay": ("partial_replay", {"buffer": 2, "mixing_ratio": 1.0}),
        "held": ("ewc", {"strength": 1e6, "samples": 2}),
        "held_more": ("ewc", {"strength": 1e6, "samples": 3}),
    }
    ran_apart(base, arms)
    wanted = contents()
    shutil.rmtree("models/adapters")
    shutil.rmtree(STORE)
    real, trained = consolidation.run_training, []

    def training(*arguments):
        trained.append(arguments[1].penalty is not None)
        return real(*arguments)

    monkeypatch.setattr(consolidation, "run_training", training)
    ran(base, arms)
    assert contents() == wanted
    # 4 arms x 3 consolidations: the first is one and the same; those with a penalty aren't shared.
    assert sorted(trained) == [False] * 5 + [True] * 4
    facts = [read_json(path_of(arm, 3) / "facts.json") for arm in arms]
    assert all(fact["trained_tokens"] > 0 and fact["flops"] > 0 for fact in facts)


def test_a_finished_stream_is_not_trained_again_and_another_setting_is(base, monkeypatch):
    ran(base, {"kept": ("naive", {}), "held": ("ewc", {"samples": 2})})
    before = contents()
    monkeypatch.setattr(consolidation, "run_training", None)
    ran(base, {"kept": ("naive", {}), "held": ("ewc", {"samples": 2})})
    assert contents() == before
    with pytest.raises(TypeError):
        ran(base, {"kept": ("naive", {}), "held": ("ewc", {"samples": 3})})


def test_timings_stay_outside_of_what_is_tracked(base):
    ran(base, {"naive": ("naive", {})})
    timed = json.loads(Path("timings/p1/streams/oak_harbor/A/naive-s0/c0001.json").read_text())
    assert timed["total"] > timed["trainings"][ADAPTER] > 0
    assert not any(b"seconds" in content for content in contents().values())


def test_streams_that_train_most_start_first(base, monkeypatch):
    started = []
    monkeypatch.setattr(
        streams,
        "run_jobs",
        lambda jobs, *_: [(started.append(job.args[3].arm), job()) for job in jobs],
    )
    replay = {"buffer": 2, "priority": "recency"}
    arms = {
        "naive": ("naive", {}),
        "half": ("partial_replay", {**replay, "mixing_ratio": 0.5}),
        "triple": ("partial_replay", {**replay, "mixing_ratio": 3.0}),
        "one": ("experts", ONE_EXPERT),
        "full": ("full_replay", {}),
    }
    ran(base, arms)
    assert started == ["full", "triple", "one", "half", "naive"]
