from __future__ import annotations

import collections
import math
import types
import warnings
from typing import Any, cast

import pytest
import torch

from stages.adapters.lora import LoraSettings, adapter_sha256
from stages.self_improve.grpo import (
    GrpoSettings,
    Rated,
    advantages,
    grpo_loss,
    rated_groups,
    train_grpo,
)
from stages.training.settings import TrainingError, TrainSettings
from tests.self_improve.attempts import make_attempt
from tests.train_adapter.conftest import make_examples, make_model, make_tokenizer

LORA = LoraSettings(rank=4, alpha=8.0, seed=1)
SETTINGS = TrainSettings(epochs=3, batch_size=8, micro_tokens=128, learning_rate=5e-3, seed=2)
LENGTHS = (3, 5, 2, 4)


def tiny(seed: int = 0):
    """Log-probabilities (now, old, reference) of four answers' tokens, and their rewards."""
    generator = torch.Generator().manual_seed(seed)
    row = torch.repeat_interleave(torch.arange(4), torch.tensor(LENGTHS))
    draw = lambda: -torch.rand(sum(LENGTHS), generator=generator) * 2  # noqa: E731
    return draw(), draw(), draw(), row, [1.0, 0.0, 0.0, 1.0]


def by_hand(now, old, reference, row, rewards, epsilon: float, beta: float) -> float:
    """The paper's objective, token by token."""
    mean = sum(rewards) / 4
    sd = math.sqrt(sum((r - mean) ** 2 for r in rewards) / 3)
    total = 0.0
    for answer in range(4):
        a = (rewards[answer] - mean) / (sd + 1e-4)
        inner = 0.0
        for t in range(len(row)):
            if row[t] != answer:
                continue
            ratio = math.exp(now[t] - old[t])
            clipped = min(max(ratio, 1 - epsilon), 1 + epsilon)
            apart = float(reference[t] - now[t])
            inner += -min(ratio * a, clipped * a) + beta * (math.exp(apart) - apart - 1)
        total += inner / LENGTHS[answer]
    return total / 4


@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_loss_and_advantage_are_the_papers(beta):
    now, old, reference, row, rewards = tiny()
    given = torch.tensor(advantages(rewards), dtype=torch.float32)
    loss = grpo_loss(now, old, reference if beta else None, given, row, 0.2, beta).mean()
    assert float(loss) == pytest.approx(by_hand(now, old, reference, row, rewards, 0.2, beta), 1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_loss_is_trls(beta):
    """trl's own code, given these log-probabilities instead of a model's."""
    pytest.importorskip("trl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl.trainer.grpo_trainer import GRPOTrainer  # pyright: ignore[reportMissingImports]
    now, old, reference, row, rewards = tiny(1)
    mask = torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]  # B, T

    def padded(values):
        out = torch.zeros(mask.shape)
        out[mask] = values
        return out

    trainer = types.SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (padded(now), padded(now), None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=beta,
        args=types.SimpleNamespace(delta=None, use_bias_correction_kl=False),
        loss_type="grpo",
        epsilon_low=0.2,
        epsilon_high=0.2,
        use_vllm=False,
        model=types.SimpleNamespace(training=False),
        _entropy_bonus_enabled=False,
        _metrics={"eval": collections.defaultdict(list)},
        accelerator=types.SimpleNamespace(reduce=lambda x, reduction: x, gather=lambda x: x),
    )
    given = torch.tensor(advantages(rewards), dtype=torch.float32)
    blank = torch.zeros(4, 1, dtype=torch.long)
    inputs = {
        "prompt_ids": blank,
        "prompt_mask": blank,
        "completion_ids": torch.zeros(mask.shape, dtype=torch.long),
        "completion_mask": mask.long(),
        "advantages": given,
        "old_per_token_logps": padded(old),
        "ref_per_token_logps": padded(reference),
    }
    theirs = cast(Any, GRPOTrainer)._compute_loss(trainer, None, inputs)
    ours = grpo_loss(now, old, reference if beta else None, given, row, 0.2, beta).mean()
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_groups_without_a_difference_teach_nothing():
    attempts = [
        *(make_attempt("all", f"x{i}", sample=i) for i in range(4)),
        *(make_attempt("none", f"x{i}", correct=False, sample=i) for i in range(4)),
        *(make_attempt("some", f"x{i}", correct=i == 0, sample=i) for i in range(4)),
    ]
    groups = rated_groups(attempts, 4)
    assert [[r.example.instance_id for r in g] for g in groups] == [["some"] * 4]
    assert [round(r.advantage, 2) for r in groups[0]] == [1.5, -0.5, -0.5, -0.5]
    assert advantages([1.0]) == [0.0]


def test_a_loophole_is_no_reward_and_a_cut_answer_is_not_trained_on():
    """Planted: an answer that passes the visible cases alone (check 29)."""
    attempts = [
        make_attempt("p", "right"),
        make_attempt("p", "constant", correct=False, visible=True, sample=1),
        make_attempt("p", "cut", correct=False, sample=2, finish="length"),
    ]
    (group,) = rated_groups(attempts, 3)
    assert [(r.example.completion, r.advantage > 0) for r in group] == [
        ("right", True),
        ("constant", False),
    ]


def rated(n: int) -> list[list[Rated]]:
    examples = make_examples(n)
    return [
        [Rated(example, 1.0 if place == 0 else -1.0) for place, example in enumerate(pair)]
        for pair in zip(examples[::2], examples[1::2], strict=True)
    ]


def test_training_raises_good_answers_above_bad_ones_and_repeats_to_the_byte():
    model, tokenizer = make_model(), make_tokenizer()
    groups = rated(16)
    first = train_grpo((model, tokenizer), groups, SETTINGS, LORA, GrpoSettings(beta=0.01))
    again = train_grpo((model, tokenizer), groups, SETTINGS, LORA, GrpoSettings(beta=0.01))
    assert adapter_sha256(first.state) == adapter_sha256(again.state)
    assert first.losses[-1] < first.losses[0]
    assert abs(first.losses[0]) < 0.7  # ratio 1: minus the mean advantage of a batch
    assert first.certificate.logit_shift_max > 0
    on = train_grpo((model, tokenizer), groups, SETTINGS, LORA, GrpoSettings(), first.state)
    assert adapter_sha256(on.state) != adapter_sha256(first.state)


def test_without_a_group_nothing_is_trained():
    with pytest.raises(TrainingError, match="no group has both"):
        train_grpo((make_model(), make_tokenizer()), [], SETTINGS, LORA, GrpoSettings())
