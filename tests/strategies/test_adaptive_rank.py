"""Adaptive rank: the knee, exact truncation, and a budget that holds."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.adapters.lora import PREFIX, delta_weights
from stages.strategies.adaptive_rank import AdaptiveRank, applied, knee, total_rank
from stages.strategies.factors import concatenated
from stages.strategies.protocol import State, StrategyError, Trained, consolidate
from stages.strategies.spectra import energy_kept, small_svd, truncate
from tests.strategies.tiny import TinyMeasures, make_adapter, make_examples, train_tiny

MEASURES = TinyMeasures()
SMALL = AdaptiveRank(budget=8, probes=(1, 2, 4), target_rank=2)


@settings(max_examples=25)
@given(st.integers(1, 12), st.integers(0, 50), st.integers(0, 4))
def test_full_rank_changes_nothing(rank: int, seed: int, more: int) -> None:
    adapter = make_adapter(rank, seed)
    cut, energy = truncate(adapter, rank + more)
    assert energy == pytest.approx(1.0, abs=1e-12)
    before, after = delta_weights(*adapter), delta_weights(*cut)
    for name, delta in before.items():
        assert float((after[name] - delta).norm() / delta.norm()) <= 1e-5


@settings(max_examples=25)
@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 50))
def test_a_cut_is_the_best_of_its_rank_and_says_what_it_keeps(rank, target, seed) -> None:
    adapter = make_adapter(rank, seed)
    cut, energy = truncate(adapter, target)
    before, after = delta_weights(*adapter), delta_weights(*cut)
    lost = total = 0.0
    for name, delta in before.items():
        values = torch.linalg.svdvals(delta.double())  # the whole matrix, as a second computation
        error = float((after[name].double() - delta.double()).norm() ** 2)
        assert error == pytest.approx(float(values[target:].square().sum()), rel=1e-4, abs=1e-8)
        assert int(torch.linalg.matrix_rank(after[name], rtol=1e-5)) <= target
        lost, total = lost + error, total + float(values.square().sum())
    assert energy == pytest.approx(1 - lost / total, abs=1e-6)
    assert energy_kept(adapter)[min(target, rank, 6) - 1] == pytest.approx(energy, abs=1e-9)


def test_singular_values_come_from_the_factors() -> None:
    b, a = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), torch.eye(3, 30)
    u, values, v = small_svd(a, b, scale=2.0)
    assert u.shape == (40, 3)
    assert v.shape == (3, 30)
    torch.testing.assert_close((u * values) @ v, (2.0 * b @ a).double())
    torch.testing.assert_close(values, torch.linalg.svdvals((2.0 * b @ a).double())[:3])


def test_the_energy_curve_rises_to_one() -> None:
    curve = energy_kept(make_adapter(5, 0))
    assert len(curve) == 5
    assert curve == sorted(curve)
    assert curve[-1] == pytest.approx(1.0)
    assert curve[0] < 0.9
    zero = make_adapter(2, 0, fresh=True)
    assert energy_kept(zero) == [1.0, 1.0]
    assert truncate(zero, 1)[1] == 1.0
    with pytest.raises(ValueError, match="at least 1"):
        truncate(zero, 0)


def test_modules_narrower_than_the_rank_keep_what_they_can() -> None:
    cut, _ = truncate(make_adapter(9, 0), 7)
    assert cut[0][f"{PREFIX}l.0.up.lora_A.weight"].shape == (6, 6)
    assert cut[0][f"{PREFIX}l.1.down.lora_A.weight"].shape == (4, 8)
    assert cut[1].rank == 6
    assert cut[1].scale == 1.0


RANKS = (1, 2, 4, 8, 16)


@pytest.mark.parametrize(
    ("losses", "wanted"),
    [
        ((2.0, 1.0, 0.5, 0.499, 0.498), 4),
        ((1.0, 1.0, 1.0, 1.0, 1.0), 1),
        ((1.0, 1.2, 1.5, 1.9, 2.0), 1),
        ((5.0, 4.0, 3.0, 2.0, 1.0), 16),
        ((2.0, 2.1, 1.0, 1.5, 1.6), 4),
        ((2.0, 1.99, 1.98, 1.97, 1.95), 4),
    ],
)
def test_the_knee_is_where_the_loss_stops_improving(losses, wanted: int) -> None:
    assert knee(RANKS, losses, 0.02) == wanted


@given(st.lists(st.floats(0.01, 10), min_size=5, max_size=5), st.floats(0, 0.5))
def test_no_higher_rank_beats_the_knee_and_every_lower_is_beaten(losses, tolerance) -> None:
    place = RANKS.index(knee(RANKS, losses, tolerance))
    worth = [loss - tolerance * loss for loss in losses]
    assert all(later >= worth[place] for later in losses[place + 1 :])
    assert all(min(losses[i + 1 :]) < worth[i] for i in range(place))


def test_probes_share_a_split_and_the_final_training_has_everything() -> None:
    new = make_examples(0, 10)
    trainings = SMALL.plan(State(), new, {}, MEASURES).trainings
    assert [t.rank for t in trainings] == [1, 2, 4]
    for training in trainings:
        assert len(training.validation) == 2
        assert [e for e in new if e not in training.validation] == list(training.examples)
        assert [e for e in new if e not in training.examples] == list(training.validation)
        assert training.validation == trainings[0].validation
    done = {
        t.name: Trained(make_adapter(1, 0), 1, loss)
        for t, loss in zip(trainings, (1.0, 0.5, 0.499), strict=True)
    }
    [final] = SMALL.plan(State(), new, done, MEASURES).trainings
    assert final.rank == 2
    assert final.examples == tuple(new)
    lost = {**done, trainings[0].name: Trained(make_adapter(1, 0), 1)}
    with pytest.raises(StrategyError, match="without a validation loss"):
        SMALL.plan(State(), new, lost, MEASURES)
    with pytest.raises(StrategyError, match="can't be split"):
        SMALL.plan(State(), new[:1], {}, MEASURES)


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from((1, 2, 4)), min_size=1, max_size=12),
    st.integers(1, 3),
    st.integers(2, 4),
)
def test_the_budget_holds_and_the_newest_is_never_cut(ranks, target, merged) -> None:
    strategy = AdaptiveRank(budget=8, probes=(1, 2, 4), target_rank=target, n_merged=merged)
    adapters: dict = {}
    for number, rank in enumerate(ranks, start=1):
        newest = make_adapter(rank, number)
        together = {**adapters, f"{number:04}-{number:04}": newest}
        adapters, log = strategy.compress(together)
        assert total_rank(adapters) <= 8
        assert adapters[max(adapters)] is newest
        assert bool(log) == (total_rank(together) > 8)
        spans = [name.split("-") for name in sorted(adapters)]
        assert spans[0][0] == "0001"
        assert all(int(b[0]) == int(a[1]) + 1 for a, b in itertools.pairwise(spans))


def test_a_compression_is_the_cut_of_the_oldests_sum() -> None:
    adapters = {f"{n:04}-{n:04}": make_adapter(4, n) for n in (1, 2, 3)}
    kept, [entry, *_] = SMALL.compress(adapters)
    first, second = adapters["0001-0001"], adapters["0002-0002"]
    wanted, energy = truncate(concatenated([first, second], [1.0, 1.0]), 2)
    assert entry == {"merged": ["0001-0001", "0002-0002"], "rank": [8, 2], "energy_kept": energy}
    for key, tensor in wanted[0].items():
        assert torch.equal(kept["0001-0002"][0][key], tensor)
    untouched, log = AdaptiveRank(budget=16, probes=(1,)).compress(adapters)
    assert untouched == adapters
    assert log == []
    early, log = AdaptiveRank(budget=16, trigger=0.5, probes=(1, 4)).compress(adapters)
    assert total_rank(early) <= 8
    assert log


def test_a_stream_records_its_ranks_and_trains_over_what_is_there() -> None:
    state, under = State(), []
    for session in range(4):
        new = make_examples(session, 8)

        def train(training, under=under):
            under.append(training.below)
            return train_tiny(training)

        before = applied(state)
        state = consolidate(SMALL, state, new, train, MEASURES)
        for below in under[-4:]:  # three probes and the final training
            assert (below is None) == (before is None)
            if before is not None:
                assert all(torch.equal(below[0][key], t) for key, t in before[0].items())
    facts = state.facts["consolidations"]
    assert [f["rank"] in (1, 2, 4) for f in facts] == [True] * 4
    assert facts[-1]["total_rank"] == total_rank(state.adapters) <= 8
    assert len(facts[0]["validation_losses"]) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probes": (2, 1)}, "rising"),
        ({"probes": ()}, "rising"),
        ({"n_merged": 1}, "n_merged is 1"),
        ({"target_rank": 0}, "target_rank 0"),
        ({"budget": 17}, "exceed trigger"),
    ],
)
def test_settings_that_can_not_hold_are_refused(changes, message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        AdaptiveRank(**changes)


def test_a_single_rank_is_fixed_and_nothing_is_probed() -> None:
    fixed = AdaptiveRank(budget=8, probes=(3,), target_rank=2)
    measures = TinyMeasures()
    [training] = fixed.plan(State(), make_examples(1), {}, measures).trainings
    assert (training.name, training.rank, training.validation) == ("final", 3, ())
    after = consolidate(fixed, State(), make_examples(1), train_tiny, measures)
    assert after.facts["consolidations"][0]["validation_losses"] == []
