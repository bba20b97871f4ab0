from __future__ import annotations

import pytest

from stages.params import OrganismParams
from stages.pretrain_base import train
from stages.pretrain_base.train import build_tokenizer

PARAMS = OrganismParams(
    seed=3,
    vocab_size=1536,
    hidden_size=16,
    layers=1,
    heads=2,
    intermediate_size=24,
    tokens=3000,
    batch_tokens=1000,
    learning_rate=0.01,
    curriculum=0.2,
    workers=2,
    persistent_worlds=4,
)


@pytest.fixture(scope="session")
def params() -> OrganismParams:
    return PARAMS


@pytest.fixture(scope="session")
def organism_tokenizer(params):
    """The organism's tokenizer, trained on a sixth of its sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "TOKENIZER_DOCUMENTS", 3000)
        return build_tokenizer(params)
