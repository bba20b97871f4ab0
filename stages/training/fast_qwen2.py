"""A small Qwen2 in fp32 with LoRA, as one compact function: exact, and several times faster.

For a model of a million parameters the module calls around each adapter cost as much as the
arithmetic. Here W + scale·B·A is formed once per step and used in the forward pass and for the
gradient of the input; the gradients of A and B are two thin products. Projections that share
their input are one product, and after the last attention only the targets are carried on.
Gradients agree with peft's to rounding (a test holds them to 1e-5).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.training.batches import MicroBatch
from stages.training.packed import STEP, Packed, RowAttention
from stages.training.products import product

GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
"""Linear layers of a block; those in one group read the same input."""


def supports(wrapped: Any) -> bool:
    """True when the model is one that this file computes exactly."""
    model = wrapped.get_base_model()
    config = model.config
    if getattr(config, "model_type", "") != "qwen2" or config.hidden_act != "silu":
        return False
    if config.rope_parameters["rope_type"] != "default" or config.attention_dropout:
        return False
    if any(kind != "full_attention" for kind in config.layer_types):
        return False
    parameters = list(wrapped.parameters())
    if any(p.dtype != torch.float32 or p.device.type != "cpu" for p in parameters):
        return False
    if sum(p.numel() for p in parameters) > 20_000_000:
        return False
    known = {f"{i}.{name}" for i in range(config.num_hidden_layers) for g in GROUPS for name in g}
    for name, module in model.named_modules():
        if not hasattr(module, "lora_A"):
            continue
        plain = set(module.lora_A) == {"default"} and not any(module.use_dora.values())
        dropout = isinstance(module.lora_dropout["default"], nn.Identity)
        if not (plain and dropout and name.removeprefix("model.layers.") in known):
            return False
    return True


class FastQwen2:
    """Engine over a peft-wrapped Qwen2; trains the very parameters that peft holds."""

    name = "fast_qwen2"

    def __init__(self, wrapped: Any) -> None:
        model = wrapped.get_base_model()
        self.model, self.config = model, model.config
        self.head = model.config.hidden_size // model.config.num_attention_heads
        self.head = getattr(model.config, "head_dim", None) or self.head
        self.blocks = [
            [_Linears([block.get_submodule(name) for name in group]) for group in GROUPS]
            for block in model.model.layers
        ]
        self.head_weight = model.lm_head.weight.detach()
        self.rope: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))

    def parameters(self) -> list[nn.Parameter]:
        return [p for block in self.blocks for group in block for p in group.parameters]

    def refresh(self) -> None:
        for block in self.blocks:
            for group in block:
                group.merge()

    @contextlib.contextmanager
    def adapter_off(self) -> Iterator[None]:
        for block in self.blocks:
            for group in block:
                group.merged.copy_(group.base)
        with torch.no_grad():
            yield
        self.refresh()

    def target_logits(self, batch: MicroBatch) -> Tensor:
        packed = Packed.of(batch)
        cos, sin = self._rotation(packed.position)
        x = self.model.model.embed_tokens.weight[packed.ids]  # T, D
        last, index = len(self.blocks) - 1, _filled_up(packed.index)
        heads = (self.config.num_attention_heads, self.config.num_key_value_heads, self.head)
        for i, (qkv, out, gate_up, down) in enumerate(self.blocks):
            layer = self.model.model.layers[i]
            joined = qkv(_norm(x, layer.input_layernorm))  # T, (H + 2·KV)·head
            mixed = RowAttention.apply(joined, cos, sin, packed.rows, heads)  # T, H·head
            if i == last:  # nothing after the last attention looks at another position
                x, mixed = x[index], mixed[index]
            x = x + out(mixed)
            x = x + down(_SwiGlu.apply(gate_up(_norm(x, layer.post_attention_layernorm))))
        last_norm = _norm(x, self.model.model.norm)
        logits = _LoraProduct.apply(last_norm, self.head_weight, None, None, None, ())
        return logits[: len(batch.index)]

    def _rotation(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine (T, 1, head/2) of each token's place in its row."""
        width = int(position.max()) + 1
        if self.rope[0].shape[0] < width:
            cos, sin = self.model.model.rotary_emb(torch.empty(0), torch.arange(width)[None])
            half = self.head // 2
            self.rope = (cos[0, :, None, :half], sin[0, :, None, :half])  # S, 1, head/2
        return self.rope[0][position], self.rope[1][position]


def _filled_up(index: Tensor) -> Tensor:
    """To a multiple of STEP places by repeating the first."""
    return torch.cat([index, index[:1].expand(-len(index) % STEP)])


def _norm(x: Tensor, module: Any) -> Tensor:
    return _RmsNorm.apply(x, module.weight, module.variance_epsilon)


class _Linears:
    """Linear layers that read one input, with their adapters, as one product."""

    def __init__(self, modules: list[Any]) -> None:
        layers = [getattr(module, "base_layer", module) for module in modules]
        self.base = torch.cat([layer.weight.detach() for layer in layers])  # out, in
        biases = [layer.bias for layer in layers]
        self.bias = None if biases[0] is None else torch.cat([b.detach() for b in biases])
        self.parameters: list[nn.Parameter] = []
        self.slices: list[tuple[int, int, int, float]] = []  # start, stop, rank, scale
        start = 0
        for module, layer in zip(modules, layers, strict=True):
            stop = start + layer.weight.shape[0]
            if layer is not module:
                a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
                self.parameters += [a, b]
                self.slices.append((start, stop, a.shape[0], module.scaling["default"]))
            start = stop
        self.merged = self.base.clone()
        ranks = sum(rank for _, _, rank, _ in self.slices)
        self.a = torch.empty(ranks, self.base.shape[1])  # all A, one below the other
        self.b = torch.zeros(self.base.shape[0], ranks)  # scale·B of each as a diagonal block
        self.merge()

    @torch.no_grad()
    def merge(self) -> None:
        at = 0
        for i, (start, stop, rank, scale) in enumerate(self.slices):
            a, b = self.parameters[2 * i], self.parameters[2 * i + 1]
            torch.addmm(self.base[start:stop], b, a, alpha=scale, out=self.merged[start:stop])
            self.a[at : at + rank] = a
            self.b[start:stop, at : at + rank] = scale * b
            at += rank

    def __call__(self, x: Tensor) -> Tensor:
        own = (self.merged, self.bias, self.a, self.b, self.slices)
        return _LoraProduct.apply(x, *own, *self.parameters)


class _LoraProduct(torch.autograd.Function):
    """y = x·(W + scale·B·A)ᵀ + bias, with gradients for x, A and B.

    ``a`` and ``b`` hold all factors (see _Linears). What stands outside B's diagonal blocks is
    computed and thrown away: one product of whole matrices is faster than several of parts.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        merged: Tensor,
        bias: Any,
        a: Tensor,
        b: Tensor,
        slices: Any,
        *factors: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(x, merged, a, b)
        ctx.slices = slices
        return product(x, merged, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        dy = grads[0]  # T, out
        x, merged, a, b = ctx.saved_tensors
        dx = product(dy, merged.T) if ctx.needs_input_grad[0] else None
        results: list[Tensor] = []
        if ctx.slices:
            da = product(product(dy, b.T).T, x.T)  # sum of ranks, in
            db = product(product(x, a).T, dy.T)  # sum of ranks, out
            at = 0
            for start, stop, rank, scale in ctx.slices:
                rows = slice(at, at + rank)
                results += [da[rows], (db[rows, start:stop] * scale).T]
                at += rank
        return dx, None, None, None, None, None, *results


class _RmsNorm(torch.autograd.Function):
    """Root mean square normalisation (Zhang and Sennrich 2019) with a frozen gain."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, eps: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()  # T, 1
        unit = x * inverse
        ctx.save_for_backward(unit, inverse, gain)
        return unit * gain

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        unit, inverse, gain = ctx.saved_tensors
        d_unit = grads[0] * gain
        along = (d_unit * unit).mean(-1, keepdim=True)
        return d_unit.addcmul_(unit, along, value=-1).mul_(inverse), None, None


class _SwiGlu(torch.autograd.Function):
    """silu(gate)·up of [T, gate | up] (Shazeer 2020); its gradient is written in one piece."""

    @staticmethod
    def forward(ctx: Any, joined: Tensor) -> Tensor:
        gate, up = joined.chunk(2, dim=-1)
        active = F.silu(gate)
        ctx.save_for_backward(joined, active)
        return active * up

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        joined, active = ctx.saved_tensors
        gate, up = joined.chunk(2, dim=-1)
        result = torch.empty_like(joined)
        d_gate, d_up = result.chunk(2, dim=-1)
        torch.mul(grads[0], active, out=d_up)
        torch.ops.aten.silu_backward.grad_input(grads[0] * up, gate, grad_input=d_gate)
        return result
