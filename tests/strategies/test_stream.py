"""Streams: any strategy resumes after a kill with the same bytes, and a new one is one file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import stages.strategies
from stages.adapters.lora import adapter_sha256
from stages.records import RecordError, write_atomic
from stages.strategies import table
from stages.strategies.adaptive_rank import AdaptiveRank
from stages.strategies.ewc import Ewc
from stages.strategies.experts import Experts
from stages.strategies.factors import mixture
from stages.strategies.full_replay import FullReplay
from stages.strategies.naive import Naive
from stages.strategies.partial_replay import PartialReplay
from stages.strategies.protocol import (
    ADAPTER,
    Plan,
    State,
    Strategy,
    StrategyError,
    Trained,
    Training,
    consolidate,
    pass_tokens,
)
from stages.strategies.router import RouterSettings
from stages.strategies.store import load_state, save_state
from tests.strategies.tiny import TinyMeasures, features, make_examples, train_tiny

SKILLS = ("x", "y", "z")
STREAM = [make_examples(session, 8, SKILLS) for session in range(5)]
MEASURES = TinyMeasures()
STRATEGIES: dict[str, Strategy] = {
    "naive": Naive(),
    "full": FullReplay(),
    "recency": PartialReplay(buffer=10, mixing_ratio=0.5),
    "difficulty": PartialReplay(buffer=10, priority="difficulty", mixing_ratio=0.5),
    "diversity": PartialReplay(buffer=10, priority="diversity", mixing_ratio=0.5),
    "confidence": PartialReplay(buffer=10, priority="confidence", mixing_ratio=0.5),
    "ewc": Ewc(strength=1.0, samples=5),
    "ewc_delta": Ewc(strength=1.0, samples=5, accumulation="replace", space="delta"),
    "experts": Experts(
        {"one": ("x",), "two": ("y", "z")}, rank_sum=5, top_k=2, router=RouterSettings(steps=20)
    ),
    "adaptive": AdaptiveRank(budget=8, probes=(1, 2, 4), target_rank=2),
}


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_stream_killed_anywhere_ends_with_the_same_bytes(name: str, tmp_path: Path) -> None:
    strategy = STRATEGIES[name]
    straight = State(seed=3)
    for new in STREAM:
        straight = consolidate(strategy, straight, new, train_tiny, MEASURES)
    save_state(tmp_path / "straight", straight)

    save_state(tmp_path / "killed", State(seed=3))
    for new in STREAM:
        finished: dict[str, Trained] = {}
        budget = [1]  # trainings until the kill: the first run stops within, the next a bit later

        def train(
            training: Training, finished: dict[str, Trained] = finished, left: list[int] = budget
        ) -> Trained:
            if training.name not in finished:
                if not left[0]:
                    raise KeyboardInterrupt
                left[0] -= 1
                finished[training.name] = train_tiny(training)
            return finished[training.name]

        while True:
            try:
                state = consolidate(strategy, load_state(tmp_path / "killed"), new, train, MEASURES)
                break
            except KeyboardInterrupt:
                budget[0] = 1
        save_state(tmp_path / "killed", state)
    assert folder_bytes(tmp_path / "killed") == folder_bytes(tmp_path / "straight")
    assert straight.consolidation == len(STREAM)
    assert straight.trained_tokens > 0


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_served_is_an_adapter_for_each_query(name: str) -> None:
    state = State()
    for new in STREAM[:3]:
        state = consolidate(STRATEGIES[name], state, new, train_tiny, MEASURES)
    served = STRATEGIES[name].serve(state, features(STREAM[0]))
    assert len(served) == len(STREAM[0])
    for weights in served:
        tensors, _ = mixture(state.adapters, weights)
        assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())


def test_unlimited_replay_is_full_replay_bit_for_bit() -> None:
    unlimited = PartialReplay(buffer=None, mixing_ratio=None, from_scratch=True)
    for priority in ("recency", "difficulty", "diversity", "confidence"):
        strategy = dataclasses.replace(unlimited, priority=priority)
        full, partial = State(), State()
        for new in STREAM:
            [one] = FullReplay().plan(full, new, {}, MEASURES).trainings
            [other] = strategy.plan(partial, new, {}, MEASURES).trainings
            assert one.examples == other.examples
            assert other.start is None
            full = consolidate(FullReplay(), full, new, train_tiny, MEASURES)
            partial = consolidate(strategy, partial, new, train_tiny, MEASURES)
        assert full.trained_tokens == partial.trained_tokens
        assert adapter_sha256(full.adapters[ADAPTER][0]) == adapter_sha256(
            partial.adapters[ADAPTER][0]
        )


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        (Ewc(strength=0.0), ADAPTER),
        (Experts({"all": SKILLS}, rank_sum=3), "all"),
        (PartialReplay(buffer=0), ADAPTER),
        (PartialReplay(buffer=9, mixing_ratio=0.0), ADAPTER),
    ],
)
def test_what_must_equal_naive_does_bit_for_bit(strategy: Strategy, name: str) -> None:
    naive, other = State(), State()
    for new in STREAM[:4]:
        naive = consolidate(Naive(), naive, new, train_tiny, MEASURES)
        other = consolidate(strategy, other, new, train_tiny, MEASURES)
    assert naive.trained_tokens == other.trained_tokens
    wanted = adapter_sha256(naive.adapters[ADAPTER][0])
    assert adapter_sha256(other.adapters[name][0]) == wanted
    for weights in strategy.serve(other, features(STREAM[0])):
        assert adapter_sha256(mixture(other.adapters, weights)[0]) == wanted


def test_cost_is_counted_in_tokens() -> None:
    state = State(examples=tuple(STREAM[0]))
    plan = FullReplay().plan(state, STREAM[1], {}, MEASURES)
    assert pass_tokens(plan, MEASURES) == 10 * 16
    after = consolidate(FullReplay(), state, STREAM[1], train_tiny, MEASURES)
    assert after.trained_tokens == 25 * 10 * 16


class Stuck(Naive):
    def plan(self, state, new, done, measures):
        return Plan((Training(ADAPTER, tuple(new)),))


def test_a_plan_that_never_ends_and_an_empty_batch_are_refused() -> None:
    with pytest.raises(StrategyError, match="second training 'adapter'"):
        consolidate(Stuck(), State(), STREAM[0], train_tiny, MEASURES)
    with pytest.raises(StrategyError, match="no new examples"):
        consolidate(Naive(), State(), [], train_tiny, MEASURES)


def test_a_changed_or_missing_file_is_refused(tmp_path: Path) -> None:
    state = consolidate(Naive(), State(), STREAM[0], train_tiny, MEASURES)
    save_state(tmp_path, state)
    [tensors] = tmp_path.glob("*.safetensors")
    whole = tensors.read_bytes()
    write_atomic(tensors, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(RecordError, match="aren't those that its name hashes"):
        load_state(tmp_path)
    write_atomic(tensors, whole[:20])
    with pytest.raises(RecordError, match="not readable as safetensors"):
        load_state(tmp_path)
    tensors.unlink()
    with pytest.raises(RecordError, match="no such file"):
        load_state(tmp_path)
    write_atomic(tmp_path / "state.json", "{}")
    with pytest.raises(RecordError, match="its fields aren't"):
        load_state(tmp_path)


def test_a_kill_while_saving_leaves_the_earlier_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = consolidate(Naive(), State(), STREAM[0], train_tiny, MEASURES)
    save_state(tmp_path, state)
    later = consolidate(Naive(), state, STREAM[1], train_tiny, MEASURES)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("stages.strategies.store.write_json", killed)
        save_state(tmp_path, later)
    assert load_state(tmp_path).consolidation == 1
    save_state(tmp_path, later)
    assert load_state(tmp_path).consolidation == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_tables_names_are_the_files() -> None:
    assert table.strategy_names() == [
        "adaptive_rank",
        "ewc",
        "experts",
        "full_replay",
        "naive",
        "partial_replay",
    ]
    assert table.strategy_class("partial_replay") is PartialReplay
    with pytest.raises(ValueError, match="Did you mean partial_replay"):
        table.strategy_class("partial_reply")
    with pytest.raises(ValueError, match="is no strategy"):
        table.strategy_class("../os")


NEW = '''
import dataclasses
from stages.strategies.naive import Naive
from stages.strategies.protocol import ADAPTER, Plan, State, Training

@dataclasses.dataclass(frozen=True)
class OnceOnly:
    """Train at the first consolidation only."""
    def plan(self, state, new, done, measures):
        if done or state.adapters:
            return Plan()
        return Plan((Training(ADAPTER, tuple(new)),))
    def absorb(self, state, new, done, measures):
        return State(adapters={**state.adapters, **{n: t.adapter for n, t in done.items()}})
    def serve(self, state, queries):
        return [{ADAPTER: 1.0} for _ in queries]
'''


def test_adding_a_strategy_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "once_only.py").write_text(NEW)
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    monkeypatch.setattr(stages.strategies, "__path__", [str(tmp_path)])
    strategy = table.strategy_class("once_only")()
    first = consolidate(strategy, State(), STREAM[0], train_tiny, MEASURES)
    second = consolidate(strategy, first, STREAM[1], train_tiny, MEASURES)
    assert second.trained_tokens == first.trained_tokens > 0
    for key, tensor in first.adapters[ADAPTER][0].items():
        assert torch.equal(tensor, second.adapters[ADAPTER][0][key])
