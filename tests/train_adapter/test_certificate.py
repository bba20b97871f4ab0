from __future__ import annotations

import pytest
import torch

from stages.adapters.certificate import (
    NotLive,
    certify,
    merge_parity,
    require_changed,
    require_served,
)
from stages.adapters.lora import LoraSettings, adapter_sha256, base_sha256
from tests.train_adapter.test_lora import random_state

PROBES = [[i, i + 1, i + 2] for i in range(50)]


def test_certificate_measures_what_the_adapter_changes(model, lora):
    state = random_state(model, lora)
    found = certify(model, state, lora, PROBES, "0" * 64)
    assert found.adapter_sha256 == adapter_sha256(state)
    assert found.delta_norm**2 == pytest.approx(sum(v**2 for v in found.delta_norms.values()))
    half = certify(model, state, LoraSettings(rank=4, alpha=4.0), PROBES, "0" * 64)
    assert half.delta_norm == pytest.approx(found.delta_norm / 2)
    assert half.logit_shift_mean < found.logit_shift_mean


@pytest.mark.parametrize("planted", ["zero B", "nan", "no effect"])
def test_check_5_dead_adapters_are_refused(model, lora, planted):
    state = random_state(model, lora)
    for key in state:
        if planted == "zero B" and "lora_B" in key:
            state[key] = torch.zeros_like(state[key])
        if planted == "nan":
            state[key] = state[key] * float("nan")
    if planted == "no effect":  # a base whose blocks can't be heard any more
        with torch.no_grad():
            model.model.norm.weight.zero_()
    with pytest.raises(NotLive, match="check 5"):
        certify(model, state, lora, PROBES, "0" * 64)


def test_check_5_another_adapter_than_expected_is_refused(model, lora):
    state = random_state(model, lora)
    require_served(adapter_sha256(state), state)
    with pytest.raises(NotLive, match="served adapter's hash"):
        require_served(adapter_sha256(state), random_state(model, lora, seed=1))


def test_check_22_an_unchanged_adapter_is_refused(model, lora):
    state = random_state(model, lora)
    require_changed(state, random_state(model, lora, seed=1))
    with pytest.raises(NotLive, match="check 22"):
        require_changed(state, {k: v.clone() for k, v in state.items()})


def test_check_6_merging_keeps_the_adapter_and_the_base(model, lora):
    before = base_sha256(model)
    parity = merge_parity(model, random_state(model, lora), lora, PROBES)
    assert parity.argmax_agreement == 1.0
    assert parity.max_logit_difference < 1e-4
    assert parity.n_probes == 50
    assert base_sha256(model) == before


def test_check_6_a_coarse_base_cannot_hold_the_sum(model, lora):
    with pytest.raises(NotLive, match="check 6"):
        merge_parity(model.bfloat16(), random_state(model, lora), lora, PROBES)
