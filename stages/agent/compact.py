"""A compact Qwen2: the same numbers as transformers, without its overhead per call.

Weights are taken from a loaded transformers model (with an adapter merged into the copy, where
one is named). Queries, keys and values come from one matrix, gate and up from one, the norms'
gains are folded into the matrix that follows, the scale of the scores into the queries, and the
rotary embedding multiplies complex pairs, for which the rows of the query and key matrices are
interleaved. Architecture as in transformers 5.23 ``models/qwen2/modeling_qwen2.py``.

Shapes: T tokens, C hidden, H query heads, K key/value heads, D head size, V vocabulary.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.agent.matrix import Matrix

Attend = Callable[[int, Tensor], Tensor]
"""(layer, qkv [T, (H + 2 K) D] with rotated queries and keys) -> attention output [T, H D].

Of the last layer only the rows that ``forward`` was told to keep."""


FEW, STEP = 64, 32
"""More tokens than FEW are filled up to a multiple of STEP: oneDNN makes its code once per size,
and keeps only so much of it. That was a twentieth of teacher forcing when every size occurred."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """The four products of a block."""

    qkv: Matrix
    out: Matrix
    gate_up: Matrix
    down: Matrix


@dataclasses.dataclass(frozen=True)
class CompactQwen2:
    """Weights ready for ``forward``."""

    layers: tuple[Layer, ...]
    embed: Tensor
    head: Matrix
    rotary: Tensor
    """Complex rotations by position, [P, 1, D/2]."""
    heads: int
    kv_heads: int
    head_dim: int
    eps: float

    def forward(
        self, ids_T: Tensor, positions_T: Tensor, attend: Attend, kept_N: Tensor | None = None
    ) -> Tensor:
        """Hidden states [T, C] after the last norm; rows are whatever ``attend`` says they are.

        ``kept_N``: the places whose states are wanted [N, C]. After the last attention nothing
        looks at another position, so only these are carried on.
        """
        rows = ids_T.shape[0]
        over = _over(rows)
        x = F.pad(self.embed[ids_T], (0, 0, 0, over))
        rotary = self.rotary[F.pad(positions_T, (0, over))]
        turned = (self.heads + self.kv_heads) * self.head_dim
        shape = (x.shape[0], self.heads + self.kv_heads, self.head_dim // 2, 2)
        width = (x.shape[1],)
        for number, layer in enumerate(self.layers):
            h = F.rms_norm(x, width, None, self.eps)
            qkv = layer.qkv(h)
            torch.view_as_complex(qkv[:, :turned].view(shape)).mul_(rotary)
            mixed = attend(number, qkv[:rows])
            if kept_N is not None and number == len(self.layers) - 1:
                rows = kept_N.shape[0]
                over = _over(rows)
                x = F.pad(x[kept_N], (0, 0, 0, over))
            x = layer.out.add_to(x, F.pad(mixed, (0, 0, 0, over)))
            h = F.rms_norm(x, width, None, self.eps)
            gate, up = layer.gate_up(h).chunk(2, -1)
            x = layer.down.add_to(x, F.silu(gate).mul_(up))
        return F.rms_norm(x[:rows], width, None, self.eps)

    def logits(self, hidden_TC: Tensor) -> Tensor:
        return self.head(hidden_TC)


def _over(rows: int) -> int:
    """How many rows more there are to be computed, unseen."""
    return -rows % STEP if rows > FEW else 0


def supports(config: Any) -> bool:
    """Whether a transformers configuration is one this file implements."""
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        config.model_type == "qwen2"
        and config.hidden_act == "silu"
        and not getattr(config, "use_sliding_window", False)
        and rope.get("rope_type", "default") == "default"
        and getattr(config, "quantization_config", None) is None
    )


def from_transformers(
    model: Any,
    max_positions: int,
    adapter: str | None = None,
    added: Mapping[str, Tensor] | None = None,
) -> CompactQwen2:
    """Copy the weights of a Qwen2ForCausalLM, or of a peft model around one.

    ``adapter`` names the peft adapter to merge into the copy; None takes the base weights.
    ``added`` is a ΔW (out, in) by module to add to the copy, of an adapter that peft hasn't seen.
    Raises ValueError when it doesn't fit the model.
    """
    causal = model.base_model.model if hasattr(model, "peft_config") else model
    body, config = causal.model, causal.config
    head_dim = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    rows, scale = _interleaved(head_dim), head_dim**-0.5
    left = dict(added or {})

    def weight(name: str) -> Tensor:
        found = _weight(causal.get_submodule(name), adapter)
        more = left.pop(name, None)
        return found if more is None else _sum(name, found, more)

    def layer(number: int, block: Any) -> Layer:
        attention, place = block.self_attn, f"model.layers.{number}"
        q, k, v = (weight(f"{place}.self_attn.{name}_proj") for name in "qkv")
        gain = block.input_layernorm.weight
        qkv = torch.cat([scale * _permuted(q, rows), _permuted(k, rows), v]) * gain
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        biases = [_plain(module).bias for module in projections]
        bias = None
        if biases[0] is not None:
            of_q, of_k, of_v = biases
            bias = torch.cat([scale * _permuted(of_q, rows), _permuted(of_k, rows), of_v])
        gate_up = torch.cat([weight(f"{place}.mlp.{name}_proj") for name in ("gate", "up")])
        return Layer(
            Matrix(qkv, bias),
            Matrix(weight(f"{place}.self_attn.o_proj")),
            Matrix(gate_up * block.post_attention_layernorm.weight),
            Matrix(weight(f"{place}.mlp.down_proj")),
        )

    with torch.no_grad():
        head = weight("lm_head") * body.norm.weight
        small = CompactQwen2(
            tuple(layer(number, block) for number, block in enumerate(body.layers)),
            weight("model.embed_tokens").contiguous(),
            Matrix(head),
            _rotary(config, head_dim, max_positions).to(head.device),
            config.num_attention_heads,
            config.num_key_value_heads,
            head_dim,
            config.rms_norm_eps,
        )
    if left:
        raise ValueError(f"the adapter doesn't fit the model, which has no {min(left)}.")
    return small


def _sum(name: str, weight: Tensor, more: Tensor) -> Tensor:
    if weight.shape != more.shape:
        raise ValueError(
            f"the adapter doesn't fit the model: {name} is {tuple(weight.shape)} and its ΔW "
            f"{tuple(more.shape)}. Use the base it was trained on."
        )
    return weight + more


def _plain(module: Any) -> Any:
    """The layer under a peft wrapper."""
    return module.get_base_layer() if hasattr(module, "get_base_layer") else module


def _weight(module: Any, adapter: str | None) -> Tensor:
    """Detached weight [out, in] with the adapter's ΔW added where the module carries it."""
    weight = _plain(module).weight.detach()
    carried = getattr(module, "lora_A", {}), getattr(module, "lora_embedding_A", {})
    if adapter is not None and any(adapter in names for names in carried):
        weight = weight + module.get_delta_weight(adapter).detach()
    return weight


def _interleaved(head_dim: int) -> Tensor:
    """Order that puts dimension i beside dimension i + D/2, which rotate together."""
    half = head_dim // 2
    return torch.stack([torch.arange(half), torch.arange(half, head_dim)], 1).flatten()


def _permuted(tensor: Tensor, rows: Tensor) -> Tensor:
    heads = tensor.view(-1, len(rows), *tensor.shape[1:])
    return heads[:, rows.to(tensor.device)].reshape(tensor.shape)


def _rotary(config: Any, head_dim: int, positions: int) -> Tensor:
    rope = getattr(config, "rope_parameters", None) or {}
    theta = rope.get("rope_theta") or getattr(config, "rope_theta", 10_000.0)
    inverse = 1.0 / theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles_PD = torch.arange(positions, dtype=torch.float32)[:, None] * inverse
    return torch.polar(torch.ones_like(angles_PD), angles_PD)[:, None]
