"""The adapters of a consolidated stream, served: each query gets the mixture its strategy names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from stages.adapters.lora import adapter_sha256, peft_config
from stages.adapters.merge import Adapter
from stages.agent.chat import Message
from stages.agent.model import Completion, Request
from stages.lab.forcing import Forced, embed, force
from stages.records import Example, canonical_json
from stages.strategies.factors import mixture
from stages.strategies.protocol import State, Strategy

Weights = dict[str, float]


class Embedder:
    """Embeddings of queries under the base, each made once."""

    def __init__(self, local: Any) -> None:
        """``local``: weights in process (a LocalModel), with no adapter in use."""
        self._local = local
        self._known: dict[str, Tensor] = {}

    def __call__(self, queries: Sequence[Sequence[Message]]) -> Tensor:
        """(n, d), float32: the queries' embeddings, as strategies were given those of examples."""
        asked = {canonical_json(list(query)): query for query in queries}
        new = {name: query for name, query in asked.items() if name not in self._known}
        if new:
            self._local.use(None)
            model, tokenizer = self._local.transformers_model, self._local.tokenizer
            rows, _ = embed(model, tokenizer, list(new.values()))
            self._known |= dict(zip(new, rows, strict=True))
        return torch.stack([self._known[canonical_json(list(query))] for query in queries])


class Serving:
    """One consolidation's State, ready to be asked which adapter a query gets."""

    def __init__(self, strategy: Strategy, state: State, embedder: Embedder, label: str) -> None:
        self.strategy, self.state, self.embedder, self.label = strategy, state, embedder, label

    def groups(self, queries: Sequence[Sequence[Message]]) -> list[tuple[Adapter, list[int]]]:
        """The different mixtures, each with the places of the queries that get it.

        Queries share a mixture only when their weights are equal to the last bit, so what is
        served is exactly what the strategy said.
        """
        served = self.strategy.serve(self.state, self.embedder(queries))
        places: dict[tuple[tuple[str, float], ...], list[int]] = {}
        for place, weights in enumerate(served):
            places.setdefault(tuple(sorted(weights.items())), []).append(place)
        return [
            (mixture(self.state.adapters, dict(weights)), places[weights])
            for weights in sorted(places)
        ]

    @contextmanager
    def attached(self, model: Any, adapter: Adapter) -> Iterator[str]:
        """The adapter in ``model`` under the stream's label, gone afterwards; gives its hash."""
        state, lora = adapter
        model.load_adapter(self.label, peft_config(lora, state), dict(state))
        try:
            yield adapter_sha256(state)
        finally:
            model.drop_adapter(self.label)

    def forced(self, local: Any, adapter: Adapter, examples: Sequence[Example]) -> list[Forced]:
        """The examples under teacher forcing with the adapter, by weights in process.

        Where the model is played in its compact form the adapter is only added to a copy: most
        examples are read in less time than it takes to attach it.
        """
        if local.compact:
            local.use(None)
            return force(local.transformers_model, local.tokenizer, examples, adapter)
        with self.attached(local, adapter):
            local.use(self.label)
            return force(local.transformers_model, local.tokenizer, examples)


class Routed:
    """A model whose requests are answered with the mixture that each one's query gets."""

    def __init__(self, model: Any, serving: Serving) -> None:
        self._model, self._serving = model, serving

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order of the requests, each under its own adapter."""
        label, done = self._serving.label, {}
        for adapter, places in self._serving.groups([r.messages for r in requests]):
            asked = [dataclasses.replace(requests[place], adapter=label) for place in places]
            with self._serving.attached(self._model, adapter):
                done.update(zip(places, self._model.complete(asked), strict=True))
        return [done[place] for place in range(len(requests))]
