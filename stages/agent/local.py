"""A model in this process: transformers and peft, adapters attached without reloading the base.

A Qwen2 in float32 runs through the compact engine (``compact.py``, ``engine.py``),
checked against transformers when it loads; everything else through ``batches.py``.
"""

from __future__ import annotations

import dataclasses
import itertools
import warnings
import weakref
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from stages.adapters.lean_peft import peft
from stages.agent import compact
from stages.agent.batches import complete_batch
from stages.agent.cache import Blocks, SlotCache
from stages.agent.engine import Engine
from stages.agent.model import Completion, Request
from stages.agent.prompts import PromptRenderer

BASE_TOLERANCE = 1e-4
ADAPTER_TOLERANCE = 1e-5
"""Largest difference from transformers' logits, relative to the largest logit where that is over
1: float32 can't promise more in absolute terms."""
PROBE_TOKENS = 48


class AdapterError(ValueError):
    """An adapter isn't loaded, or doesn't fit the base; the message says the remedy."""


@dataclasses.dataclass(frozen=True)
class LocalConfig:
    """How a model in this process runs."""

    threads: int = 1
    """Threads of torch's operators. One a process: two spin against each other on two cores."""
    max_batch: int = 64
    """Most rows computed together, and slots of the key/value cache."""
    max_context_tokens: int = 1024
    """Most tokens of a chat with its answer, at most the model's own limit."""
    use_compact: bool = True
    """Whether a Qwen2 may run through the compact engine."""


class LocalModel:
    """A causal language model and its tokenizer, answering batches of chats."""

    def __init__(self, model: Any, tokenizer: Any, config: LocalConfig = LocalConfig()) -> None:
        torch.set_num_threads(config.threads)
        self.config, self.tokenizer = config, tokenizer
        self._model = model.eval()
        self._renderer = PromptRenderer(tokenizer)
        self._stop_ids = sorted(self._renderer.closing_ids() | _generation_stops(model))
        own = getattr(model.config, "max_position_embeddings", None)
        self._positions = min(own or config.max_context_tokens, config.max_context_tokens)
        self._weights: dict[str | None, compact.CompactQwen2] = {}
        self._inner: dict[str, str] = {}
        """peft's names by ours: peft refuses dots, and warns of names like "a"."""
        self._loaded = 0
        self._spare: list[Blocks] = []
        """memory of caches that are gone"""
        self.compact = (
            config.use_compact
            and model.dtype == torch.float32  # complex rotations are of floats and doubles only
            and compact.supports(model.config)
        )
        if self.compact and not self._attach(None, BASE_TOLERANCE):
            self.compact = False
            del self._weights[None]

    @property
    def transformers_model(self) -> Any:
        """The model under this one: a peft.PeftModel once an adapter is loaded."""
        return self._model

    def count_tokens(self, text: str) -> int:
        return self._renderer.count_tokens(text)

    def load_adapter(self, name: str, config: peft.PeftConfig, state: Mapping[str, Tensor]) -> None:
        """Attach an adapter under ``name`` (replacing one of that name); the base stays as it is.

        ``state`` is peft's own state dict (``get_peft_model_state_dict``, or the content of
        ``adapter_model.safetensors``). AdapterError when its tensors don't fit the base.
        """
        if name in self._inner:
            self.drop_adapter(name)
        self._loaded += 1
        inner = self._inner[name] = f"number{self._loaded}"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            if isinstance(self._model, peft.PeftModel):
                self._model.add_adapter(inner, config)
            else:
                self._model = peft.get_peft_model(self._model, config, adapter_name=inner)
        try:
            result = peft.set_peft_model_state_dict(self._model, dict(state), adapter_name=inner)
        except RuntimeError as error:  # torch's list of shapes that differ
            self.drop_adapter(name)
            raise AdapterError(f"adapter {name!r} doesn't fit this base model: {error}") from None
        missing = [key for key in result.missing_keys if f".{inner}." in key]
        if result.unexpected_keys or missing:
            wrong = (result.unexpected_keys or missing)[0]
            self.drop_adapter(name)
            raise AdapterError(
                f"adapter {name!r}: {wrong} doesn't fit this base model. Train the adapter on this "
                "base, or name the base it was trained on."
            )
        self._model.eval()
        if self.compact and not self._attach(name, ADAPTER_TOLERANCE):
            del self._weights[name]

    def drop_adapter(self, name: str) -> None:
        """Detach an adapter and free its weights."""
        self._weights.pop(name, None)
        self._model.delete_adapter(self._inner.pop(name))

    def use(self, adapter: str | None) -> None:
        """Make ``adapter`` (None: the base) what the transformers model computes with."""
        model: Any = self._model  # peft's methods are found at run time only
        if adapter is not None:
            self._known(adapter)
            model.base_model.enable_adapter_layers()
            model.set_adapter(self._inner[adapter], inference_mode=True)
        elif isinstance(model, peft.PeftModel):
            layers: Any = model.base_model
            layers.disable_adapter_layers()

    def stream(self) -> LocalStream | None:
        """A fresh stream over the same weights; None where only whole batches can be answered."""
        return LocalStream(self) if self.compact else None

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer all requests, in their order, those of one adapter together."""
        compacted = [n for n, request in enumerate(requests) if self._is_compact(request.adapter)]
        done: dict[int, Completion] = {}
        if compacted:
            # Slots that an earlier call left behind would change which rows share a batch, and
            # with it the last bits of the logits: answers would depend on what was asked before.
            stream = LocalStream(self)
            stream.submit([(n, requests[n]) for n in compacted])
            while len(done) < len(compacted):
                done.update(stream.poll())
        rest = sorted(
            (n for n in range(len(requests)) if n not in done),
            key=lambda n: (requests[n].adapter or "", n),
        )
        for adapter, group in itertools.groupby(rest, key=lambda n: requests[n].adapter):
            done.update(self.complete_group(adapter, [(n, requests[n]) for n in group]))
        return [done[n] for n in range(len(requests))]

    def complete_group(
        self, adapter: str | None, tagged: Sequence[tuple[int, Request]]
    ) -> list[tuple[int, Completion]]:
        """Answer requests of one adapter through transformers."""
        self.use(adapter)
        requests = [request for _, request in tagged]
        completions = complete_batch(
            self._model,
            requests,
            [self.render(request) for request in requests],
            self.decode_text,
            self._stop_ids,
            self.config.max_batch,
            self._positions,
        )
        return [(tag, done) for (tag, _), done in zip(tagged, completions, strict=True)]

    def engine(self, adapter: str | None) -> Engine | None:
        """A new engine for an adapter's weights, or None where they aren't compact."""
        if not self._is_compact(adapter):
            return None
        spare = self._spare.pop() if self._spare else None
        cache = SlotCache(self._weights[adapter], self.config.max_batch, self._positions, spare)
        weakref.finalize(cache, self._spare.append, cache.blocks)
        return Engine(cache, self.render, self.decode_text, self._stop_ids)

    def render(self, request: Request) -> list[int]:
        return self._renderer.ids(request.messages)

    def decode_text(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def _is_compact(self, adapter: str | None) -> bool:
        if adapter is not None:
            self._known(adapter)
        return adapter in self._weights

    def _attach(self, adapter: str | None, tolerance: float) -> bool:
        """Copy weights into the compact form; False when its logits aren't transformers' own."""
        inner = None if adapter is None else self._inner[adapter]
        self._weights[adapter] = compact.from_transformers(self._model, self._positions, inner)
        return self.difference(adapter) <= tolerance

    @torch.inference_mode()
    def difference(self, adapter: str | None) -> float:
        """Largest difference of logits on a probe, over the larger of 1 and the largest logit."""
        self.use(adapter)
        length = min(PROBE_TOKENS, self._positions - 1)
        vocabulary = self._weights[adapter].embed.shape[0]
        ids = (torch.arange(length) * 7919 + 13) % vocabulary
        cache = SlotCache(self._weights[adapter], 1, length + 1)
        cache.keep_prefix(0, ids.numpy())
        ours = cache.prefill([0], [length])[0]
        theirs = self._model(input_ids=ids[None].to(self._model.device)).logits[0, -1]
        scale = max(1.0, float(theirs.abs().max()))
        return float((ours - theirs).abs().max()) / scale

    def _known(self, adapter: str) -> None:
        if adapter not in self._inner:
            raise AdapterError(
                f"adapter {adapter!r} isn't loaded (loaded: {', '.join(sorted(self._inner))}). "
                "Call load_adapter first, or correct the name."
            )


class LocalStream:
    """A ``Stream`` over a LocalModel: an engine for each adapter in use."""

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._engines: dict[str | None, Engine] = {}
        self._whole: list[tuple[int, Request]] = []

    def submit(self, requests: Sequence[tuple[int, Request]]) -> None:
        for tag, request in requests:
            if request.adapter not in self._engines:
                engine = self._model.engine(request.adapter)
                if engine is None:
                    self._whole.append((tag, request))
                    continue
                self._engines[request.adapter] = engine
            self._engines[request.adapter].submit([(tag, request)])

    def poll(self) -> list[tuple[int, Completion]]:
        done: list[tuple[int, Completion]] = []
        for engine in self._engines.values():
            if engine.busy:
                done += engine.poll()
        whole, self._whole = self._whole, []
        whole.sort(key=lambda item: (item[1].adapter or "", item[0]))
        for adapter, group in itertools.groupby(whole, key=lambda item: item[1].adapter):
            done += self._model.complete_group(adapter, list(group))
        return done

    def forget(self, key: Hashable) -> None:
        for engine in self._engines.values():
            engine.forget(key)


def _generation_stops(model: Any) -> set[int]:
    """Ends of text that the model's generation settings name."""
    stops = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if stops is None:
        return set()
    return set(stops) if isinstance(stops, list) else {stops}
