"""A real model's shape on a GPU: LoRA training and decoding by the pipeline's own code.

Random weights of a published shape are written as a checkpoint once and loaded the way a run loads
them (4-bit, or bfloat16). Printed as JSON per setting: training tokens/s, the share of the card's
peak that the model's own arithmetic reaches (MFU), peak memory, and tokens/s of batched decoding.
Not part of `make bench`: there is no peer, and it wants a GPU.

MFU counts what LoRA's passes need and nothing that is computed twice (checkpointing isn't counted):
2 N forward and 2 N backward per token (a frozen weight needs no gradient of its own) for the N
weights of the matrices, and attention's 2 L d T forward, twice that backward, at T tokens of causal
context. Source of the counting: Chowdhery et al. 2022, arXiv:2204.02311, appendix B.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from stages.adapters.lora import LoraSettings, attached
from stages.agent.model import Request
from stages.checkpoints.quantised import prepare_quantised, prepared_for_training
from stages.lab.models import load_base, local_model
from stages.params import ModelParams
from stages.training.batches import Row
from stages.training.settings import TrainSettings
from stages.training.sft import reproducible, run_sft
from stages.training.train import engine_for

TOKENIZER = Path("models/base")
STEPS, WARM_STEPS, DECODED = 6, 2, 128


@dataclasses.dataclass(frozen=True)
class Shape:
    """A Qwen2 configuration's sizes."""

    vocabulary: int
    width: int
    feed_forward: int
    layers: int
    heads: int
    key_value_heads: int


SHAPES = {
    # config.json of Qwen/Qwen2.5-Coder-7B-Instruct
    "qwen-coder-7b": Shape(152064, 3584, 18944, 28, 28, 4),
    "tiny": Shape(2048, 64, 128, 2, 4, 2),
}
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "4090": 165.0}
"""Dense bfloat16 by the maker's data sheets; part of the device's name."""


def matrix_weights(shape: Shape) -> int:
    """Weights that every token is multiplied with: all layers' matrices and the output head."""
    head = shape.width // shape.heads
    attention = 2 * shape.width**2 + 2 * shape.width * head * shape.key_value_heads
    layer = attention + 3 * shape.width * shape.feed_forward
    return shape.layers * layer + shape.width * shape.vocabulary


def training_flops(shape: Shape, tokens: int) -> float:
    """Floating-point operations that one example of ``tokens`` tokens needs (module docstring)."""
    attention = 6 * shape.layers * shape.width * tokens
    return tokens * (4 * matrix_weights(shape) + attention)


def write_checkpoint(shape: Shape, folder: Path, device: str) -> None:
    """Random bfloat16 weights of a shape, with the embedded model's tokenizer."""
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    tokenizer = PreTrainedTokenizerFast.from_pretrained(TOKENIZER)
    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        max_position_embeddings=32768,
        dtype="bfloat16",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = Qwen2ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def params(folder: Path, device: str, quantisation: Any, context: int) -> ModelParams:
    """A model entry over the checkpoint, as params.yaml would have it."""
    return ModelParams(
        kind="local",
        path=str(folder),
        dtype="bfloat16",
        quantisation=quantisation,
        attention="sdpa",
        device=device,
        threads=1,
        max_live=16,
        context_tokens=context,
    )


def train(model: Any, shape: Shape, tokens: int, device: str, peak: float | None) -> dict[str, Any]:
    """Training of STEPS optimizer steps after WARM_STEPS, one example of ``tokens`` tokens each."""
    rng = random.Random(0)
    ids = [tuple(rng.randrange(10, 1000) for _ in range(tokens)) for _ in range(STEPS)]
    rows = [
        Row(f"r{i}", row, tuple(t % 2 == 1 for t in range(tokens))) for i, row in enumerate(ids)
    ]
    settings = TrainSettings(
        epochs=1, batch_size=1, micro_tokens=tokens, gradient_checkpointing=True, max_length=tokens
    )
    prepare_quantised(model)
    _reset(device)
    with (
        reproducible(1, 0),
        prepared_for_training(model),
        attached(model, LoraSettings(16, 32.0)) as w,
    ):
        engine = engine_for(w, settings)
        run_sft(engine, rows[:WARM_STEPS], settings, progress=False)
        _wait(device)
        began = time.perf_counter()
        run_sft(engine, rows, settings, progress=False)
        _wait(device)
        seconds = time.perf_counter() - began
    rate = STEPS * tokens / seconds
    flops = training_flops(shape, tokens) / tokens * rate
    return {
        "what": "LoRA training, gradient checkpointing",
        "tokens": tokens,
        "tokens_per_s": round(rate, 1),
        "mfu": None if peak is None else round(flops / (peak * 1e12), 4),
        **_memory(device),
    }


def decode(model: ModelParams, chats: int, device: str) -> dict[str, Any]:
    """Greedy decoding of DECODED tokens for ``chats`` prompts at once, as an agent's turns."""
    rng = random.Random(0)
    local = local_model(model)
    text = " ".join(rng.choices(["open", "edit", "test", "the", "file", "function"], k=600))
    requests = [
        Request(({"role": "user", "content": f"{i} {text}"},), max_new_tokens=DECODED, key=i)
        for i in range(chats)
    ]
    _reset(device)
    local.complete([dataclasses.replace(r, key=(r.key, "warm")) for r in requests])
    _wait(device)
    began = time.perf_counter()
    done = local.complete(requests)
    _wait(device)
    seconds = time.perf_counter() - began
    written = sum(c.output_tokens for c in done)
    return {
        "what": f"decoding, {chats} chats at once",
        "prompt_tokens": done[0].input_tokens,
        "tokens_per_s": round(written / seconds, 1),
        **_memory(device),
    }


def _reset(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _memory(device: str) -> dict[str, float]:
    if not device.startswith("cuda"):
        return {}
    return {"peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2)}


def peak_of(name: str) -> float | None:
    """TFLOP/s of a device by its name; None where no data sheet is known."""
    return next((peak for part, peak in PEAK_TFLOPS.items() if part in name), None)


def measure(
    shape: Shape,
    lengths: list[int],
    device: str,
    chats: int,
    quantisations: Sequence[str] = ("none", "4bit"),
) -> list[dict[str, Any]]:
    """Every setting's figures, printed as they come."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else device
    peak, found = peak_of(name), []

    def report(row: dict[str, Any], **more: Any) -> None:
        found.append({"device": name, **more, **row})
        print(json.dumps(found[-1]), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(shape, Path(folder), device)
        for quantisation in quantisations:
            entry = params(Path(folder), device, quantisation, max(4096, *lengths))
            model, _ = load_base(entry)
            for tokens in lengths:
                report(train(model, shape, tokens, device, peak), quantisation=quantisation)
            del model
            _reset(device)
            report(decode(entry, chats, device), quantisation=quantisation)
            _reset(device)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="qwen-coder-7b")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--tokens", type=int, nargs="+", default=[2048, 8192], metavar="N")
    parser.add_argument("--chats", type=int, default=16)
    chosen = parser.parse_args(arguments)
    if chosen.device.startswith("cuda") and not torch.cuda.is_available():
        print("gpu: torch finds no GPU here. Run it where `nvidia-smi` shows one.", file=sys.stderr)
        return 1
    measure(SHAPES[chosen.shape], chosen.tokens, chosen.device, chosen.chats)
    return 0


if __name__ == "__main__":
    sys.exit(main())
