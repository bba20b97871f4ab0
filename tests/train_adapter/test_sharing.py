from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from stages.adapters.lora import attached
from stages.records import Example
from stages.training.batches import Row, collate, encode
from stages.training.engine import PeftEngine
from stages.training.sharing import computed_tokens, counted, share_prefixes
from stages.training.train import train
from tests.train_adapter.conftest import make_examples


def episode_steps(n: int) -> list[Example]:
    """Two steps of each of ``n`` episodes, as examples of their own."""
    second = make_examples(n)
    first = [
        dataclasses.replace(
            e, example_id=f"{e.example_id}s", prompt=e.prompt[:2], completion=e.prompt[2]["content"]
        )
        for e in second
    ]
    return [*first, *second]


def test_steps_of_an_episode_become_one_row(tokenizer):
    rows = encode(tokenizer, episode_steps(6), 256)
    shared = share_prefixes(rows)
    assert [row.n_examples for row in shared] == [2] * 6
    assert sum(row.n_targets for row in shared) == sum(row.n_targets for row in rows)
    assert [row.ids for row in shared] == [row.ids for row in rows[6:]]


def test_loss_and_gradient_are_those_of_the_single_rows(tokenizer, model, lora):
    rows = encode(tokenizer, episode_steps(6), 256)
    found = []
    with attached(model, lora) as wrapped:
        engine = PeftEngine(wrapped)
        for batch in (collate(rows), collate(share_prefixes(rows))):
            loss = F.cross_entropy(engine.target_logits(batch), batch.targets)
            gradients = torch.autograd.grad(loss, engine.parameters())
            found.append([loss.detach(), *gradients])
    for single, shared in zip(*found, strict=True):
        torch.testing.assert_close(shared, single, rtol=1e-4, atol=1e-6)


def test_repeated_examples_and_near_prefixes_stay_apart():
    def row(name, ids, learned):
        return Row(name, tuple(ids), tuple(t in learned for t in ids))

    rows = [
        row("short", [1, 2, 3], {3}),
        row("repeated", [1, 2, 3], {3}),
        row("long", [1, 2, 3, 4, 5], {5}),
        row("other", [1, 2, 9, 4, 5], {5}),
    ]
    shared = share_prefixes(rows)
    assert [(r.example_id, r.n_examples) for r in shared] == [
        ("long", 2),
        ("repeated", 1),
        ("other", 1),
    ]
    assert shared[0].mask == (False, False, True, False, True)
    assert share_prefixes([]) == []


def test_training_counts_both_the_examples_tokens_and_the_computed(
    tokenizer, model, settings, lora
):
    apart = dataclasses.replace(settings, share_prefixes=False)
    found = [
        train(model, tokenizer, episode_steps(12), s, lora, progress=False)
        for s in (settings, apart)
    ]
    assert found[0].tokens == found[1].tokens == found[1].computed_tokens
    assert found[0].computed_tokens < 0.8 * found[0].tokens
    assert found[0].target_tokens == found[1].target_tokens
    assert len(found[0].losses) == len(found[1].losses)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_equal_examples_of_a_batch_pass_once_and_weigh_the_same(
    tokenizer, model, settings, lora, method
):
    different = make_examples(4, fmt="C" if method == "dpo" else "T")
    repeated = [
        dataclasses.replace(e, example_id=f"{e.example_id}-{n}")
        for n in range(5)
        for e in different
    ]
    settings = dataclasses.replace(settings, method=method, batch_size=20, sft_weight=0.5)
    apart = dataclasses.replace(settings, share_prefixes=False)
    found = [train(model, tokenizer, repeated, s, lora, progress=False) for s in (settings, apart)]
    assert 4 * found[0].computed_tokens < found[1].computed_tokens
    assert found[0].losses == pytest.approx(found[1].losses, rel=1e-3)
    for name, tensor in found[0].state.items():
        torch.testing.assert_close(tensor, found[1].state[name], rtol=1e-2, atol=1e-3)


def test_only_equal_tokens_and_targets_are_equal(settings):
    def row(ids, mask):
        return Row("same name", tuple(ids), tuple(mask))

    one, other = row([1, 2, 3], [0, 0, 1]), row([1, 2, 3], [0, 1, 1])
    longer = row([1, 2, 3, 4], [0, 0, 0, 1])
    groups = [[one], [other], [one], [longer], [one, other], [one]]
    assert counted(groups, settings) == [(0, 3), (1, 1), (3, 1), (4, 1)]
    apart = dataclasses.replace(settings, share_prefixes=False)
    assert counted(groups, apart) == [(place, 1) for place in range(6)]


def test_computed_tokens_are_those_of_the_batches(settings):
    rows = [Row("a", (1, 2, 3), (False, False, True)), Row("b", (4, 5), (False, True))]
    groups = [[rows[0]], [rows[0]], [rows[1]]]
    once = dataclasses.replace(settings, epochs=2, batch_size=3)
    assert computed_tokens(groups, once) == 2 * (3 + 2)
    assert computed_tokens(groups, dataclasses.replace(once, batch_size=1)) == 2 * (3 + 3 + 2)
    assert computed_tokens(groups, dataclasses.replace(once, share_prefixes=False)) == 2 * 8
