"""The model of a loop: it answers with the adapter it has, and is trained on with a next one."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.adapters.certificate import Certificate, NotLive, certify
from stages.adapters.folder import load_adapter, save_adapter
from stages.adapters.lora import (
    LoraSettings,
    State,
    adapter_sha256,
    attached,
    base_sha256,
    peft_config,
)
from stages.agent.chat import render_prompt
from stages.agent.model import Completion, Request
from stages.agent.prompts import PromptRenderer
from stages.lab.models import load_base
from stages.params import ModelParams, ParamsError
from stages.records import Example, write_json
from stages.training.settings import TrainSettings
from stages.training.train import N_PROBES, TrainedAdapter, train

if TYPE_CHECKING:
    from stages.agent.local import LocalConfig, LocalModel

NAME = "loop"
"""The adapter's name in the compact backend."""


@dataclasses.dataclass(frozen=True)
class Base:
    """A base model as a loop uses it; loaded once, before the runs are forked."""

    params: ModelParams
    weights: Any
    """the transformers model, trained and (where there is no backend) answering"""
    tokenizer: Any
    plain: LocalModel
    """answers with those very weights, and whatever adapter is attached to them"""
    backend: LocalModel | None
    """the compact engine of a small model on the CPU, which answers several times faster"""
    stop_ids: tuple[int, ...]
    """tokens that end an answer"""
    sha256: str
    """hash of its weights"""


def load(params: ModelParams) -> Base:
    """Load the base of a loop; ParamsError for one that a server answers for."""
    if params.server is not None:
        raise ParamsError(
            "a loop answers and trains with the same weights in this process, but its model has a "
            "`server`. Name a model without one."
        )
    weights, tokenizer = load_base(params)
    return of_weights(params, weights, tokenizer)


def of_weights(params: ModelParams, weights: Any, tokenizer: Any) -> Base:
    """The same of a model that is loaded already."""
    from stages.agent.local import LocalModel  # after load_base, which quietens what peft says

    plain = LocalModel(weights, tokenizer, _config(params, False))
    backend = None
    if params.device == "cpu" and params.quantisation == "none":
        backend = LocalModel(_copy(weights), tokenizer, _config(params, True))
        backend = backend if backend.compact else None
    stops = PromptRenderer(tokenizer).closing_ids() | _end_ids(weights)
    return Base(
        params, weights, tokenizer, plain, backend, tuple(sorted(stops)), base_sha256(weights)
    )


def _end_ids(weights: Any) -> set[int]:
    """Ends of text that the model's generation settings name."""
    ends = getattr(getattr(weights, "generation_config", None), "eos_token_id", None)
    return set() if ends is None else {ends} if isinstance(ends, int) else set(ends)


def _copy(weights: Any) -> Any:
    """The same model again, its parameters shared: peft changes the modules it wraps."""
    memo: dict[int, Any] = {id(p): p for p in weights.parameters()}
    return copy.deepcopy(weights, memo)


def _config(params: ModelParams, compact: bool) -> LocalConfig:
    from stages.agent.local import LocalConfig

    return LocalConfig(params.threads, params.max_live, params.context_tokens, compact)


class Learner:
    """A base with the adapter that a run has come to; the adapter is None at first."""

    def __init__(self, base: Base, lora: LoraSettings) -> None:
        self.base, self.lora = base, lora
        self.state: State | None = None
        self._loaded: str | None = None

    @property
    def tokenizer(self) -> Any:
        return self.base.tokenizer

    @property
    def sha256(self) -> str:
        """Hash of the adapter; empty for the base."""
        return "" if self.state is None else adapter_sha256(self.state)

    def restore(self, folder: Path | None) -> None:
        """Go on from a saved adapter, or from the base; AdapterError where it was changed."""
        self.state = None if folder is None else load_adapter(folder, self.base.sha256)[0]

    def save(self, folder: Path, certificate: Certificate, facts: Mapping[str, Any]) -> None:
        """Write the adapter into a folder, with its certificate."""
        assert self.state is not None, "only what was trained is saved"
        name = self.base.params.path
        save_adapter(folder, self.state, self.lora, name, self.base.sha256, facts)
        write_json(folder / "certificate.json", dataclasses.asdict(certificate))

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers of the model as it is; the requests' ``adapter`` is set here."""
        if self.base.backend is None:
            with self.attached():
                return self.base.plain.complete(requests)
        name = self._attach_compact(self.base.backend)
        return self.base.backend.complete([dataclasses.replace(r, adapter=name) for r in requests])

    def _attach_compact(self, backend: LocalModel) -> str | None:
        digest = self.sha256
        if not digest:
            return None
        if digest != self._loaded:
            assert self.state is not None, "it has a hash"
            backend.load_adapter(NAME, peft_config(self.lora, self.state), self.state)
            self._loaded = digest
        return NAME

    @contextlib.contextmanager
    def attached(self) -> Iterator[Any]:
        """The transformers model, in evaluation mode, with the adapter in its layers."""
        if self.state is None:
            yield self.base.weights
            return
        with attached(self.base.weights, self.lora, self.state) as wrapped:
            wrapped.eval()
            yield wrapped

    def train(
        self,
        examples: Sequence[Example],
        settings: TrainSettings,
        fresh: bool = False,
        penalty: Any = None,
    ) -> TrainedAdapter:
        """Train on from the adapter (``fresh``: from the base); the result becomes the adapter."""
        trained = train(
            self.base.weights,
            self.base.tokenizer,
            examples,
            settings,
            self.lora,
            start=None if fresh else self.state,
            penalty=penalty,
            progress=False,
        )
        self.state = trained.state
        return trained

    def certify(self, prompts: Sequence[Sequence[dict[str, str]]]) -> Certificate | None:
        """That the adapter is live, on prompts; None where it changes nothing (check 5)."""
        if self.state is None:
            return None
        probes = [render_prompt(self.tokenizer, prompt) for prompt in prompts[:N_PROBES]]
        try:
            return certify(self.base.weights, self.state, self.lora, probes, self.base.sha256)
        except NotLive:
            return None


def answer_once(base: Base, wrapped: Any, request: Request) -> Completion:
    """One answer by an adapter that is being trained, ``wrapped`` being peft's model around it.

    A small model on the CPU answers through a compact copy of what it is at this moment, which
    costs a third of an answer through peft's modules.
    """
    if base.backend is None:
        wrapped.eval()
        done = base.plain.complete([request])[0]
        wrapped.train()
        return done
    from stages.agent.cache import SlotCache
    from stages.agent.compact import from_transformers
    from stages.agent.engine import Engine

    ids = base.plain.render(request)
    positions = min(len(ids) + request.max_new_tokens, base.params.context_tokens)
    cache = SlotCache(from_transformers(wrapped, positions, "default"), 1, positions)
    engine = Engine(cache, lambda _: ids, base.plain.decode_text, base.stop_ids)
    engine.submit([(0, request)])
    return engine.poll()[0][1]


def request_seed(*parts: object) -> int:
    """A seed from what a request is for: equal parts give equal seeds, others unrelated ones."""
    text = "\n".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
