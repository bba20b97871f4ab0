from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

import stages.training.train as training
from stages.adapters.certificate import NotLive
from stages.adapters.folder import save_adapter
from stages.adapters.lora import LoraSettings, adapter_sha256, attached, base_sha256
from stages.checkpoints.quantised import prepare_quantised
from stages.training.dpo import run_dpo
from stages.training.engine import PeftEngine
from stages.training.settings import TrainingError, TrainSettings
from stages.training.sft import learning_rate, watch
from stages.training.train import train
from tests.train_adapter.conftest import make_examples, make_model

GOLDEN = Path(__file__).parents[1] / "golden" / "train_adapter_losses.json"


def run(model, tokenizer, settings, lora, examples=None, **extra):
    examples = make_examples(24) if examples is None else examples
    return train(model, tokenizer, examples, settings, lora, progress=False, **extra)


def test_losses_are_the_golden_ones(model, tokenizer, settings, lora):
    golden = json.loads(GOLDEN.read_text())
    sft = run(model, tokenizer, settings, lora)
    dpo_settings = dataclasses.replace(settings, method="dpo")
    dpo = run(model, tokenizer, dpo_settings, lora, make_examples(24, fmt="C"))
    assert list(sft.losses) == pytest.approx(golden["sft"], abs=2e-4)
    assert list(dpo.losses) == pytest.approx(golden["dpo"], abs=2e-4)


def test_the_adapter_learns_and_the_base_stays(model, tokenizer, settings, lora):
    before = base_sha256(model)
    settings = dataclasses.replace(settings, epochs=15, learning_rate=2e-2)
    trained = run(model, tokenizer, settings, lora)
    assert trained.losses[-1] < 0.6 * trained.losses[0]
    assert base_sha256(model) == before
    assert trained.certificate.base_sha256 == before
    assert trained.certificate.logit_shift_max > trained.certificate.logit_shift_mean > 0
    assert trained.n_examples == 24
    assert trained.engine == "fast_qwen2"


def test_two_trainings_give_the_same_bytes(tokenizer, settings, lora, tmp_path):
    for name in ("one", "two"):
        torch.manual_seed(ord(name[0]))
        model = make_model()
        trained = run(model, tokenizer, settings, lora)
        sha = trained.certificate.base_sha256
        save_adapter(tmp_path / name, trained.state, lora, "models/base", sha)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_seconds_do_not_enter_comparison(model, tokenizer, settings, lora):
    trained = run(model, tokenizer, settings, lora)
    state = trained.state
    slower = dataclasses.replace(trained, seconds=trained.seconds + 1)
    assert dataclasses.replace(slower, state={}) == dataclasses.replace(trained, state={})
    assert adapter_sha256(state) == trained.certificate.adapter_sha256


def test_both_engines_train_the_same_adapter(model, tokenizer, settings, lora, monkeypatch):
    fast = run(model, tokenizer, settings, lora)
    monkeypatch.setattr(training, "supports", lambda wrapped: False)
    general = run(model, tokenizer, settings, lora)
    assert (fast.engine, general.engine) == ("fast_qwen2", "peft")
    assert list(fast.losses) == pytest.approx(list(general.losses), abs=1e-4)


def test_general_engine_with_dropout_and_checkpointing(model, tokenizer, settings):
    lora = LoraSettings(rank=2, dropout=0.1)
    settings = dataclasses.replace(settings, gradient_checkpointing=True, epochs=1)
    first, second = (run(model, tokenizer, settings, lora) for _ in range(2))
    assert first.engine == "peft"
    assert first.certificate.adapter_sha256 == second.certificate.adapter_sha256
    assert not model.is_activation_checkpointing


def test_micro_batches_change_rounding_only(model, tokenizer, settings, lora):
    wide = dataclasses.replace(settings, micro_tokens=100_000)
    narrow = dataclasses.replace(settings, micro_tokens=1)
    found = [run(model, tokenizer, s, lora).losses for s in (wide, narrow)]
    assert list(found[0]) == pytest.approx(list(found[1]), abs=1e-4)


def test_continuing_starts_from_the_given_adapter(model, tokenizer, settings, lora):
    first = run(model, tokenizer, settings, lora)
    again = run(model, tokenizer, settings, lora, start=first.state)
    assert again.losses[0] < first.losses[0]
    assert again.certificate.adapter_sha256 != first.certificate.adapter_sha256


def test_a_penalty_sees_and_holds_the_parameters(model, tokenizer, settings, lora):
    names = []

    def penalty(parameters):
        names.extend(parameters)
        return lambda: 1e4 * sum((p**2).sum() for n, p in parameters.items() if "lora_B" in n)

    free = run(model, tokenizer, settings, lora)
    held = run(model, tokenizer, settings, lora, penalty=penalty)
    assert set(names) == set(free.state)
    assert held.certificate.delta_norm < free.certificate.delta_norm


def test_check_11_too_few_examples_are_refused_with_a_remedy(model, tokenizer, lora):
    with pytest.raises(TrainingError, match=r"24 different examples.*minimum of 100.*check 11"):
        run(model, tokenizer, TrainSettings(), lora)
    pilot = TrainSettings(allow_small=True, epochs=1)
    assert run(model, tokenizer, pilot, lora).n_examples == 24
    with pytest.raises(TrainingError, match="0 different examples"):
        run(model, tokenizer, pilot, lora, [])


def test_check_11_counts_repeated_examples_once(model, tokenizer, lora):
    with pytest.raises(TrainingError, match="24 different examples"):
        run(model, tokenizer, TrainSettings(), lora, make_examples(24) * 5)


def test_check_5_an_adapter_that_did_not_move_is_refused(model, tokenizer, settings, lora):
    settings = dataclasses.replace(settings, learning_rate=1e-30)
    with pytest.raises(NotLive, match=r"isn't live.*check 5"):
        run(model, tokenizer, settings, lora)


def test_check_10_nan_in_the_base_stops_at_the_first_step(model, tokenizer, settings, lora):
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    with pytest.raises(TrainingError, match=r"step 1 of training: the loss is nan.*check 10"):
        run(model, tokenizer, settings, lora)


@pytest.mark.parametrize(
    ("losses", "norm", "message"),
    [
        ([1.0, 0.0], 1.0, "exactly 0.0"),
        ([1.0, math.inf], 1.0, "diverged"),
        ([1.0], math.nan, "diverged"),
        ([1.0, 0.9], 0.0, "no gradient reaches"),
        ([0.7] * 8, 1.0, "has been 0.7 for 8 steps"),
    ],
)
def test_check_10_dead_losses_are_caught(losses, norm, message):
    with pytest.raises(TrainingError, match=message):
        watch(losses, norm)


def test_dpo_learns_its_preferences_from_ln_2(model, tokenizer, settings, lora):
    settings = dataclasses.replace(settings, method="dpo", epochs=8, learning_rate=1e-2)
    examples = make_examples(24, fmt="C")
    trained = run(model, tokenizer, settings, lora, examples)
    assert trained.losses[0] == pytest.approx(math.log(2), abs=1e-4)
    assert trained.losses[-1] < 0.5


def test_dpo_with_an_sft_term_keeps_the_chosen_answer_likely(model, tokenizer, settings, lora):
    settings = dataclasses.replace(settings, method="dpo", epochs=1, sft_weight=0.1)
    trained = run(model, tokenizer, settings, lora, make_examples(24, fmt="C"))
    assert math.log(2) + 0.1 < trained.losses[0] < math.log(2) + 1


def test_dpo_that_starts_elsewhere_is_refused(model, tokenizer, settings, lora, monkeypatch):
    examples = make_examples(24, fmt="C")
    settings = dataclasses.replace(settings, method="dpo")
    start = run(model, tokenizer, settings, lora, examples).state
    start = {k: v * 30 for k, v in start.items()}
    rows = training.encode(tokenizer, examples, 256)
    others = training.encode(tokenizer, examples, 256, rejected=True)
    with attached(model, lora, start) as wrapped:
        pairs = list(zip(rows, others, strict=True))
        with pytest.raises(TrainingError, match=r"not ln 2 = 0.6931"):
            run_dpo(PeftEngine(wrapped), pairs, settings, progress=False, fresh=True)
    continued = run(model, tokenizer, settings, lora, examples, start=start)
    assert continued.losses[0] == pytest.approx(math.log(2), abs=1e-4)


def test_dpo_without_rejected_answers_is_refused(model, tokenizer, settings, lora):
    settings = dataclasses.replace(settings, method="dpo")
    with pytest.raises(TrainingError, match=r"24 of 24 examples .* have no rejected answer"):
        run(model, tokenizer, settings, lora, make_examples(24))


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_schedules_rise_and_fall(schedule):
    settings = TrainSettings(schedule=schedule, learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.02 or schedule == "constant"


def test_unknown_method_and_schedule_are_refused():
    with pytest.raises(TrainingError, match="method is 'ppo'"):
        TrainSettings(method="ppo")
    with pytest.raises(TrainingError, match="schedule is 'step'"):
        TrainSettings(schedule="step")
    with pytest.raises(TrainingError, match="epochs is 0"):
        TrainSettings(epochs=0)


def test_prepare_quantised_leaves_a_plain_model_alone(model):
    assert prepare_quantised(model) == 0
