"""Low-rank adapters: attach, extract, weigh, hash (Hu et al. 2021, arXiv:2106.09685).

A module's weight W (out, in) is used as W + scale·B·A with A (r, in), B (out, r) and
scale = alpha / rank. peft does the attaching; this file gives its tensors names and numbers. torch
is imported by what computes with it: arrays.py uses the rest without.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
PREFIX = "base_model.model."
State = dict[str, "Tensor"]
"""An adapter's tensors under peft's names: ``base_model.model.<module>.lora_A.weight``."""


@dataclasses.dataclass(frozen=True)
class LoraSettings:
    """Which modules are adapted, and how."""

    rank: int = 8
    """Rank of ΔW."""
    alpha: float = 16.0
    """ΔW = (alpha / rank)·B·A."""
    dropout: float = 0.0
    """Dropout on the adapter's input while training."""
    target_modules: tuple[str, ...] | str = "all-linear"
    """Last parts of module names; "all-linear" is every linear layer but the output head."""
    seed: int = 0
    """Seed of A's initial values (B starts at zero, so ΔW starts at zero)."""

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def module_of(key: str) -> str:
    """The base model's module that a tensor of the adapter belongs to."""
    return key.removeprefix(PREFIX).rsplit(".lora_", 1)[0]


def factors(state: Mapping[str, T]) -> dict[str, tuple[T, T]]:
    """Module -> (A (r, in), B (out, r)), by sorted module name."""
    modules = sorted({module_of(key) for key in state})
    return {
        name: (
            state[f"{PREFIX}{name}.lora_A.weight"],
            state[f"{PREFIX}{name}.lora_B.weight"],
        )
        for name in modules
    }


def peft_config(settings: LoraSettings, state: Mapping[str, Tensor] | None = None) -> Any:
    """peft's LoraConfig; with ``state``, modules and ranks are those of its tensors.

    A module whose rank differs from ``settings.rank`` gets an alpha that keeps the scale.
    """
    from stages.adapters.lean_peft import peft

    targets: Any = settings.target_modules
    ranks: dict[str, int] = {}
    if state is not None:
        ranks = {name: a.shape[0] for name, (a, _) in factors(state).items()}
        targets = sorted({name.rsplit(".", 1)[-1] for name in ranks})
        ranks = {name: rank for name, rank in ranks.items() if rank != settings.rank}
    elif not isinstance(targets, str):
        targets = sorted(targets)
    return peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=targets,
        rank_pattern=ranks,
        alpha_pattern={name: settings.scale * rank for name, rank in ranks.items()},  # type: ignore[arg-type]
        task_type="CAUSAL_LM",
    )


@contextlib.contextmanager
def attached(
    model: Any, settings: LoraSettings, state: Mapping[str, Tensor] | None = None
) -> Iterator[Any]:
    """A peft model around ``model`` (fresh, or holding ``state``); ``model`` is as before after it.

    Raises ValueError when the state's tensors don't fit the model.
    """
    import torch

    from stages.adapters.lean_peft import peft

    needs_grad = {name: p.requires_grad for name, p in model.named_parameters()}
    training = model.training
    with torch.random.fork_rng(), warnings.catch_warnings():
        # peft asks transformers 5 under the property's old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        torch.manual_seed(settings.seed)
        wrapped: Any = peft.get_peft_model(model, peft_config(settings, state))
    try:
        if state is not None:
            outcome = peft.set_peft_model_state_dict(wrapped, dict(state))
            lost = [key for key in outcome.missing_keys if ".lora_" in key]
            if lost or outcome.unexpected_keys:
                raise ValueError(
                    f"the adapter doesn't fit the model: {len(lost)} tensors missing, "
                    f"{len(outcome.unexpected_keys)} unknown (first: "
                    f"{[*lost, *outcome.unexpected_keys][0]}). Use the base it was trained on."
                )
        yield wrapped
    finally:
        wrapped.unload()
        if hasattr(model, "peft_config"):
            del model.peft_config
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(needs_grad[name])
        model.train(training)
        if model.is_activation_checkpointing:
            model.activation_checkpointing_disable()


def adapter_state(wrapped: Any) -> State:
    """The adapter's tensors, copied to the CPU, by sorted name."""
    from stages.adapters.lean_peft import peft

    tensors = peft.get_peft_model_state_dict(wrapped)
    return {key: tensors[key].detach().cpu().contiguous().clone() for key in sorted(tensors)}


def delta_weights(state: Mapping[str, Tensor], settings: LoraSettings) -> State:
    """Module -> ΔW = scale·B·A, shape (out, in)."""
    return {name: settings.scale * (b @ a) for name, (a, b) in factors(state).items()}


def delta_norms(state: Mapping[str, Tensor], settings: LoraSettings) -> dict[str, float]:
    """Module -> Frobenius norm of ΔW, without forming it: ‖BA‖² = ⟨BᵀB, AAᵀ⟩ (r × r matrices)."""
    norms = {}
    for name, (a, b) in factors(state).items():
        a64, b64 = a.double(), b.double()
        square = ((b64.T @ b64) * (a64 @ a64.T)).sum().clamp(min=0.0)
        norms[name] = settings.scale * float(square.sqrt())
    return norms


def adapter_sha256(state: Mapping[str, Tensor]) -> str:
    """One hash over all tensors by sorted name: name, type, shape and bytes."""
    return _hash_tensors((key, state[key]) for key in sorted(state))


def base_sha256(model: Any) -> str:
    """One hash over the base model's parameters (no adapter attached), by sorted name."""
    parameters = dict(model.named_parameters())
    return _hash_tensors((key, parameters[key]) for key in sorted(parameters))


def _hash_tensors(items: Iterator[tuple[str, Tensor]]) -> str:
    import torch

    digest = hashlib.sha256()
    for name, tensor in items:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().view(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
