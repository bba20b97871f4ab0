from __future__ import annotations

import dataclasses

import pytest

from stages.agent.chat import render_prompt
from stages.training.batches import Row, collate, encode, epoch_batches, micro_batches
from stages.training.packed import STEP, Packed
from stages.training.settings import TrainingError
from tests.train_adapter.conftest import make_examples


def test_targets_are_the_completion_and_its_end(tokenizer):
    example = make_examples(2)[1]
    (row,) = encode(tokenizer, [example], 256)
    learned = [t for t, learn in zip(row.ids, row.mask, strict=True) if learn]
    assert tokenizer.decode(learned) == "open part1.py<|end|>"
    prompt = render_prompt(tokenizer, example.prompt)
    assert list(row.ids[: len(prompt)]) == prompt  # what evaluation will show the model


def test_train_on_assistant_covers_earlier_actions(tokenizer):
    (row,) = encode(tokenizer, make_examples(1, train_on="assistant"), 256)
    learned = tokenizer.decode([t for t, m in zip(row.ids, row.mask, strict=True) if m])
    assert learned.startswith("search name0<|end|>edit part0.py")


@pytest.mark.parametrize("train_on", ["completion", "assistant"])
def test_check_9_unparsable_target_is_named(tokenizer, train_on):
    examples = make_examples(20, train_on=train_on)
    examples[3] = dataclasses.replace(examples[3], completion="return part0.py")
    with pytest.raises(TrainingError, match=r"1 of 20 examples \(e003\).*check 9"):
        encode(tokenizer, examples, 256)


def test_check_9_looks_at_every_trained_turn(tokenizer):
    example = make_examples(1, train_on="assistant")[0]
    prompt = tuple(
        {**m, "content": "return"} if m["role"] == "assistant" else m for m in example.prompt
    )
    with pytest.raises(TrainingError, match="check 9"):
        encode(tokenizer, [dataclasses.replace(example, prompt=prompt)], 256)


def test_check_10_truncation_and_empty_targets_are_counted(tokenizer):
    examples = make_examples(12, fmt="A")
    examples[0] = dataclasses.replace(examples[0], completion="")
    longest = max(len(row.ids) for row in encode(tokenizer, examples[1:], 256))
    with pytest.raises(TrainingError) as caught:
        encode(tokenizer, examples, longest - 1)
    assert "1 of 12 examples (e000): no unmasked token" in str(caught.value)
    assert "cut off by truncation" in str(caught.value)
    assert "check 10" in str(caught.value)


def test_a_target_the_tokenizer_cannot_write_is_refused(tokenizer):
    example = dataclasses.replace(make_examples(1)[0], completion="open elsewhere.py")
    with pytest.raises(TrainingError, match="unknown to the tokenizer"):
        encode(tokenizer, [example], 256)


def test_collated_positions_predict_their_targets():
    rows = [Row("a", (1, 2, 3, 4), (False, False, True, True)), Row("b", (5, 6), (False, True))]
    batch = collate(rows)
    assert batch.ids.tolist() == [[1, 2, 3], [5, 0, 0]]
    assert batch.index.tolist() == [1, 2, 3]
    assert batch.targets.tolist() == [3, 4, 6]
    assert batch.row.tolist() == [0, 0, 1]


def test_packed_rows_stand_one_after_the_other_without_padding():
    rows = [Row("a", (1, 2, 3, 4), (False, False, True, True)), Row("b", (5, 6), (False, True))]
    packed = Packed.of(collate(rows))
    assert packed.ids.tolist() == [1, 2, 3, 5, *[0] * (STEP - 4)]
    assert packed.position.tolist() == [0, 1, 2, 0, *range(STEP - 4)]
    assert packed.rows == ((0, 3), (3, 4), (4, STEP))
    assert packed.ids[packed.index].tolist() == [2, 3, 5]  # what stands before each target
    full = Row("c", tuple(range(STEP + 1)), (*[False] * STEP, True))
    assert Packed.of(collate([full])).rows == ((0, STEP),)  # nothing is filled up


def test_batches_hold_every_example_once_and_depend_on_the_seed():
    ones = [1] * 21
    batches = epoch_batches(ones, 4, seed=1, epoch=0)
    assert sorted(i for b in batches for i in b) == list(range(21))
    assert [len(b) for b in batches] == [4, 4, 4, 4, 4, 1]
    assert batches == epoch_batches(ones, 4, seed=1, epoch=0)
    assert batches != epoch_batches(ones, 4, seed=2, epoch=0)
    assert batches != epoch_batches(ones, 4, seed=1, epoch=1)


def test_batches_count_the_examples_that_rows_hold():
    sizes = [3, 1, 2, 4, 1, 1, 5]
    for batch in epoch_batches(sizes, 4, seed=1, epoch=0)[:-1]:
        held = [sizes[i] for i in batch]
        assert sum(held[:-1]) < 4 <= sum(held)


def test_micro_batches_cover_the_batch_within_the_limit(tokenizer):
    rows = encode(tokenizer, make_examples(24), 256)
    pieces = list(micro_batches([[row] for row in rows], 200))
    assert sorted(i for inside, _ in pieces for i in inside) == list(range(24))
    assert all(micro.ids.numel() <= 200 for _, micro in pieces)
    used = sum(int(micro.lengths.sum()) for _, micro in pieces)
    assert used / sum(micro.ids.numel() for _, micro in pieces) > 0.9
