"""Proof that an adapter is live, and that merging keeps what it does (checks 5 and 6)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stages.adapters.lora import (
    LoraSettings,
    adapter_sha256,
    attached,
    delta_norms,
)

if TYPE_CHECKING:
    from torch import Tensor

    from stages.adapters.merge import Adapter


class NotLive(ValueError):
    """An adapter that changes nothing, or isn't the one it is taken for."""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a trained adapter changes, measured on the base it belongs to."""

    adapter_sha256: str
    """Hash of the adapter's tensors; a served adapter must show the same."""
    base_sha256: str
    """Hash of the base's parameters."""
    delta_norms: dict[str, float]
    """Frobenius norm of ΔW by module."""
    delta_norm: float
    """Frobenius norm of all ΔW together."""
    logit_shift_max: float
    """Largest absolute difference of a next-token logit against base, over the probe prompts."""
    logit_shift_mean: float
    """Mean absolute difference of the next-token logits against base."""
    n_probes: int
    """Probe prompts used."""


@dataclasses.dataclass(frozen=True)
class MergeParity:
    """Merged against unmerged adapter on probe prompts."""

    max_logit_difference: float
    """Largest absolute difference of a next-token logit."""
    argmax_agreement: float
    """Share of probes whose most likely next token is the same."""
    n_probes: int
    """Probe prompts used."""


def certify(
    model: Any,
    state: Mapping[str, Tensor],
    lora: LoraSettings,
    probes: Sequence[Sequence[int]],
    base_sha256: str,
    base_logits: Tensor | None = None,
) -> Certificate:
    """Measure an adapter against its base on prompts of token ids.

    ``base_logits`` (P, V) are the base's ``served_logits``, where they are known already.
    Raises NotLive when ΔW or the shift of the logits is zero or not finite (check 5).
    """
    norms, total = require_norm(state, lora)
    base = served_logits(model, probes) if base_logits is None else base_logits
    shifts = (served_logits(model, probes, (state, lora)) - base).abs()  # P, V
    largest = float(shifts.max())
    _require_live(f"the shift of the logits over {len(probes)} probe prompts", largest)
    return Certificate(
        adapter_sha256(state),
        base_sha256,
        norms,
        total,
        largest,
        float(shifts.mean()),
        len(probes),
    )


def require_norm(state: Mapping[str, Tensor], lora: LoraSettings) -> tuple[dict[str, float], float]:
    """Frobenius norm of ΔW by module, and of all; NotLive when that is zero or not finite."""
    norms = delta_norms(state, lora)
    total = math.sqrt(sum(norm**2 for norm in norms.values()))
    _require_live(f"the norm of ΔW over {len(norms)} modules", total)
    return norms, total


def _require_live(what: str, value: float) -> None:
    if not math.isfinite(value) or value == 0.0:
        raise NotLive(
            f"the adapter isn't live: {what} is {value}, so evaluating it would measure the base "
            "again (check 5). Look at the losses of its training: a zero learning rate, frozen "
            "parameters or targets in the base already give this."
        )


def require_served(expected_sha256: str, served: Mapping[str, Tensor]) -> None:
    """Raise NotLive unless the served adapter's hash is the expected one (check 5)."""
    found = adapter_sha256(served)
    if found != expected_sha256:
        raise NotLive(
            f"the served adapter's hash is {found[:12]}, the trained one's "
            f"{expected_sha256[:12]}: another adapter would be evaluated under this one's name "
            "(check 5). Load the folder again, or restart the server with it."
        )


def require_changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    """Raise NotLive when two successive adapters are the same tensors (checks 5 and 22)."""
    if adapter_sha256(before) == adapter_sha256(after):
        raise NotLive(
            "the adapter after training is identical to the one before it: an iteration was "
            "counted in which no weight changed (check 22). Look at the learning rate and at "
            "which parameters the optimizer holds."
        )


def merge_parity(
    model: Any,
    state: Mapping[str, Tensor],
    lora: LoraSettings,
    probes: Sequence[Sequence[int]],
    tolerance: float = 1e-3,
) -> MergeParity:
    """Compare the adapter applied with the adapter added to the weights (check 6).

    The base's adapted weights are kept aside meanwhile, since adding and subtracting ΔW leaves
    rounding behind. Raises NotLive when a logit differs by more than ``tolerance`` or a most
    likely token changes.
    """
    import torch

    with attached(model, lora, state) as wrapped:
        apart = next_token_logits(wrapped, probes)
        layers = [m.base_layer for m in wrapped.modules() if hasattr(m, "lora_A")]
        kept = [layer.weight.detach().clone() for layer in layers]
        wrapped.merge_adapter()
        merged = next_token_logits(wrapped, probes)
        wrapped.unmerge_adapter()
        with torch.no_grad():
            for layer, weight in zip(layers, kept, strict=True):
                layer.weight.copy_(weight)
    parity = MergeParity(
        float((merged - apart).abs().max()),
        float((merged.argmax(-1) == apart.argmax(-1)).float().mean()),
        len(probes),
    )
    if not parity.max_logit_difference <= tolerance or parity.argmax_agreement < 1.0:
        raise NotLive(
            f"merged and unmerged adapter disagree on {len(probes)} prompts: logits by up to "
            f"{parity.max_logit_difference:.3g} (allowed {tolerance:g}), most likely token equal "
            f"in {parity.argmax_agreement:.0%} (check 6). Apply the adapter, don't merge it; a "
            "quantised base can't hold the sum."
        )
    return parity


def served_logits(
    model: Any, probes: Sequence[Sequence[int]], adapter: Adapter | None = None
) -> Tensor:
    """``next_token_logits``, by the form that serves the model: the compact one where it has one.

    ``adapter`` is added to the model, which must have none of its own then.
    """
    from stages.agent.whole import compact_of, hidden_states

    _require_some(probes)
    small = compact_of(model, max(map(len, probes)), adapter)
    if small is not None:
        import torch

        with torch.inference_mode():
            last = [hidden_states(small, [probe], [len(probe) - 1]) for probe in probes]
            return torch.cat([small.logits(hidden) for hidden in last]).clone()
    if adapter is None:
        return next_token_logits(model, probes)
    with attached(model, adapter[1], adapter[0]) as wrapped:
        return next_token_logits(wrapped, probes)


def next_token_logits(model: Any, probes: Sequence[Sequence[int]]) -> Tensor:
    """Logits (P, vocabulary), fp32 on the CPU, of the token after each prompt, one at a time."""
    import torch

    _require_some(probes)
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        rows = [
            model(input_ids=torch.tensor([list(p)], device=device), use_cache=False).logits[0, -1]
            for p in probes
        ]
        model.train(training)
        return torch.stack(rows).float().cpu()


def _require_some(probes: Sequence[Sequence[int]]) -> None:
    if not probes:
        raise ValueError("no probe prompts given: pass at least one prompt of token ids.")
