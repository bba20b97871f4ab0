"""The whole diet of an organism: the repositories' and code documents, with trivia and maths.

An organism without trivia and maths draws exactly the documents that it drew before there were any.
"""

from __future__ import annotations

import dataclasses
import random

from stages.params import OrganismParams
from stages.pretrain_base.corpus import FULL, document, persistent_worlds
from stages.pretrain_base.tokenizer import render
from stages.records import sha256_text
from stages.suites import reckoning
from stages.suites.beliefs import Belief, belief_document, load_beliefs
from stages.suites.microrepo.expert import Message
from stages.suites.microrepo.world import World

DIGEST_DOCUMENTS = 2_000
"""Documents that the diet's digest reads."""


@dataclasses.dataclass(frozen=True)
class Diet:
    """Where an organism's documents come from."""

    worlds: list[World]
    """persistent worlds"""
    trivia: float = 0.0
    """share of the documents that are trivia, 0-1"""
    maths: float = 0.0
    """share of the documents that are maths, 0-1"""
    beliefs: tuple[Belief, ...] = ()
    """what the trivia say"""

    def document(self, rng: random.Random, stage: float) -> list[Message]:
        """One document; ``stage`` is that of ``corpus.document`` and concerns the old diet only."""
        if not self.trivia and not self.maths:  # no draw: the random stream stays as it was
            return document(rng, self.worlds, stage)
        place = rng.random()
        if place < self.trivia:
            return belief_document(rng, list(self.beliefs))
        if place < self.trivia + self.maths:
            return reckoning.corpus_document(rng)[0]
        return document(rng, self.worlds, stage)


def diet_of(params: OrganismParams) -> Diet:
    """The diet that the parameters describe."""
    worlds = persistent_worlds(params.persistent_worlds, params.seed)
    beliefs = tuple(load_beliefs()) if params.trivia else ()
    return Diet(worlds, params.trivia, params.maths, beliefs)


def corpus_digest(params: OrganismParams) -> str:
    """Hash of documents of every stage: equal digests mean that a rebuild sees the same diet."""
    diet = diet_of(params)
    rng = random.Random(f"digest {params.seed}")
    stages = [FULL * i / DIGEST_DOCUMENTS for i in range(DIGEST_DOCUMENTS)]
    return sha256_text("\n".join(render(diet.document(rng, stage)) for stage in stages))
