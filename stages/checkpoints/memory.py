"""How much memory a model takes, estimated before it is loaded, and whether there is as much."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from stages.checkpoints.resolve import GB, weight_files
from stages.checkpoints.shape import Shape, shape_of
from stages.params import AdapterParams, ModelParams, ParamsError

WIDTH = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of a number."""
QUANTISED = {"8bit": 1.0, "4bit": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Bytes of a quantised weight: nf4 has a scale of one byte per 64 weights and, for every 256 of
those, one of four (arXiv:2305.14314, section 3)."""
SMALL_BYTES = 256 << 20
"""Checkpoints below this are loaded without looking at the memory first."""


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes, by what they are for."""

    weights: float
    """The base model."""
    cache: float
    """Keys and values of all chats at once, at full length."""
    adapter: float
    """A and B in float32."""
    optimizer: float
    """Their gradients and AdamW's two moments."""
    upcast: float
    """What training holds in float32 beside a quantised base (norms, embeddings, head)."""
    activations: float
    """One training pass's activations and logits."""

    @property
    def playing(self) -> float:
        """Episodes with one adapter."""
        return self.weights + self.adapter + self.cache

    @property
    def training(self) -> float:
        """Training of one adapter."""
        return self.weights + self.upcast + self.adapter + self.optimizer + self.activations


def estimate(model: ModelParams, shape: Shape, adapter: AdapterParams | None = None) -> Memory:
    """Memory of playing and training; ``adapter`` stands in where the model names none.

    Activations are an upper bound from the layers' widths (every input of a linear layer, the
    softmax and the gate kept; with checkpointing one layer's, plus the stream at each layer); the
    rest is counted. Activations off by a fifth were no surprise.
    """
    tuned = model.adapter or adapter
    width = WIDTH[model.dtype]
    rest = shape.parameters - shape.linear_parameters
    quantised = model.quantisation != "none"
    weights = shape.parameters * width
    if quantised:
        weights = rest * width + shape.linear_parameters * QUANTISED[model.quantisation]
    cache = 2 * shape.layers * shape.kv_width * width * model.context_tokens * model.max_live
    if tuned is None:
        return Memory(weights, cache, 0, 0, 0, 0)
    count = adapter_parameters(shape, tuned)
    moments = 2 if tuned.optimizer == "adamw_8bit" else 8
    return Memory(
        weights=weights,
        cache=cache,
        adapter=4 * count,
        optimizer=(4 + moments) * count,
        upcast=rest * (4 - width) if quantised else 0,
        activations=activation_bytes(shape, tuned, width, model.context_tokens),
    )


def adapter_parameters(shape: Shape, adapter: AdapterParams) -> int:
    """Numbers in A and B of one adapter."""
    chosen = adapter.target_modules
    return sum(
        adapter.rank * (inputs + outputs)
        for name, inputs, outputs in shape.linear
        if not chosen or name.rsplit(".", 1)[-1] in chosen
    )


def activation_bytes(shape: Shape, adapter: AdapterParams, width: int, longest: int) -> float:
    """One pass of ``micro_tokens`` tokens (or one longest example): kept activations and logits."""
    tokens = min(adapter.micro_tokens, max(longest, 1))
    inside = 8 * shape.hidden + 2 * shape.kv_width + 4 * shape.intermediate
    kept = inside * shape.layers
    if adapter.gradient_checkpointing:
        kept = inside + shape.hidden * shape.layers
    # Logits in float32 at the targets, about a third of an agent's tokens, with their gradient.
    return tokens * (kept * width + 2 * 4 * shape.vocabulary / 3)


def require_memory(model: ModelParams, folder: Path) -> None:
    """Raise ParamsError when the weights and one chat's cache don't fit the model's device."""
    if sum(path.stat().st_size for path in weight_files(folder)) < SMALL_BYTES:
        return
    found = estimate(model, shape_of(folder))
    needed = found.weights + found.cache / model.max_live
    free = available_bytes(model.device)
    if needed <= free:
        return
    raise ParamsError(
        f"models: {model.path}: its weights ({found.weights / GB:.1f} GB as {model.dtype}, "
        f"quantisation {model.quantisation}) and one chat of {model.context_tokens} tokens "
        f"({found.cache / model.max_live / GB:.1f} GB) don't fit {model.device}, where "
        f"{free / GB:.1f} GB are free. Set quantisation to 4bit, context_tokens lower, device to "
        "auto (all GPUs, then main memory), or take a smaller model; "
        f"`python -m stages.checkpoints show {model.path}` prints the sizes."
    )


def available_bytes(device: str) -> float:
    """Free memory of a torch device; of ``auto``, of all GPUs and main memory together."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu":
        return main_memory_bytes()
    if device == "auto":
        return main_memory_bytes() + sum(torch.cuda.mem_get_info(n)[0] for n in range(gpus))
    if not gpus:
        raise ParamsError(
            f"device is {device}, but torch finds no GPU here. Set `device: cpu` for this model "
            "(slow above a few billion parameters), or run on a machine whose driver "
            "`nvidia-smi` shows, with a build of torch for it."
        )
    return torch.cuda.mem_get_info(torch.device(device))[0]


def main_memory_bytes() -> float:
    """Memory that programs may still take, as Linux counts it (MemAvailable)."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return 1024.0 * int(line.split()[1])
    raise ParamsError("/proc/meminfo has no MemAvailable: Linux 3.14 or later is needed.")
