"""A killed pretraining continues where it was, to the same weights."""

from __future__ import annotations

from pathlib import Path

import torch

from stages.pretrain_base import checkpoint
from stages.pretrain_base.checkpoint import Progress
from stages.pretrain_base.model import new_model, optimizers

STEPS = 6


def _fresh() -> tuple[torch.nn.Module, list[torch.optim.Optimizer]]:
    model = new_model(64, 16, 1, 2, 32, seed=3)
    return model, optimizers(model, 0.01)


def _train(model: torch.nn.Module, steps: list[torch.optim.Optimizer], first: int) -> None:
    for index in range(first, STEPS):
        ids = torch.randint(64, (2, 8), generator=torch.Generator().manual_seed(index))
        model(ids, labels=ids).loss.backward()
        for step in steps:
            step.step()
            step.zero_grad()


def test_a_resumed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, steps = _fresh()
    _train(whole, steps, 0)

    cut, steps = _fresh()
    ids = [torch.randint(64, (2, 8), generator=torch.Generator().manual_seed(i)) for i in range(3)]
    for batch in ids:
        cut(batch, labels=batch).loss.backward()
        for step in steps:
            step.step()
            step.zero_grad()
    at = Progress(batches=3, next_probe=10, loss=0.5, log=[{"loss": 0.5}])
    checkpoint.save(tmp_path / "state", "key", cut, steps, at)

    again, steps = _fresh()
    assert checkpoint.load(tmp_path / "state", "key", again, steps) == at
    _train(again, steps, 3)
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_state_of_other_settings_is_not_continued(tmp_path: Path) -> None:
    model, steps = _fresh()
    checkpoint.save(tmp_path / "state", "key", model, steps, Progress(batches=3))
    before = [p.clone() for p in model.parameters()]
    assert checkpoint.load(tmp_path / "state", "another key", model, steps) == Progress()
    assert checkpoint.load(tmp_path / "nothing", "key", model, steps) == Progress()
    assert all(map(torch.equal, before, model.parameters()))


def test_saving_again_replaces_the_state_whole(tmp_path: Path) -> None:
    model, steps = _fresh()
    for batches in (1, 2):
        checkpoint.save(tmp_path / "state", "key", model, steps, Progress(batches=batches))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert checkpoint.load(tmp_path / "state", "key", model, steps).batches == 2
    checkpoint.remove(tmp_path / "state")
    assert not list(tmp_path.iterdir())
