"""Hours and money from tokens and a machine's rates, and what this machine lacks."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from stages.checkpoints.memory import available_bytes, estimate
from stages.checkpoints.quantised import quantisation_config
from stages.checkpoints.resolve import GB, cached_snapshot, find_checkpoint, is_hub_id
from stages.checkpoints.shape import shape_of
from stages.params import ModelParams, ParamsError
from stages.records import UserError


@dataclasses.dataclass(frozen=True)
class Card:
    """An assumed GPU. The defaults are those of a card of 24 GB of the 2022 generation."""

    tflops: float = 165.0
    """Dense bfloat16 arithmetic, 10¹² operations a second."""
    bandwidth_gb_s: float = 1008.0
    """Memory bandwidth."""
    utilisation: float = 0.35
    """Share of either that the work reaches."""
    price_per_hour: float = 0.5
    """USD."""


LAPTOP = Card(tflops=0.09, bandwidth_gb_s=10.0, utilisation=1.0, price_per_hour=0.0)
"""Two quiet cores, as measured training a small Qwen2 in float32: 88 GFLOP/s."""


@dataclasses.dataclass(frozen=True)
class Size:
    """What the model takes, bytes; 0 where it can't be known yet."""

    parameters: float
    weights: float
    playing: float
    training: float
    disk: float
    source: str


def size_of(model: ModelParams) -> Size:
    """From config.json where it is here, else from the parameters its card names."""
    try:
        folder = cached_snapshot(model) if is_hub_id(model.path) else Path(model.path)
        shape = shape_of(folder)
    except (ParamsError, OSError, ValueError):
        count = model.parameters_b * 1e9
        per = {"none": 2.0, "8bit": 1.1, "4bit": 0.65}[model.quantisation]
        return Size(count, count * per, 0, 0, 2 * count, "the card's number of parameters")
    found = estimate(model, shape)
    disk = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return Size(
        shape.parameters,
        found.weights,
        found.playing,
        found.training if model.adapter else 0,
        disk or 2 * shape.parameters,
        "config.json",
    )


def playing_seconds(size: Size, card: Card, computed: float, written: float, live: int) -> float:
    """Prompts by arithmetic (2 operations a parameter and token), answers by bandwidth.

    Every token written by ``live`` chats at once reads the weights once (Pope et al. 2022,
    arXiv:2211.05102, section 2); the reads of the cache are in ``utilisation``.
    """
    prompts = 2 * size.parameters * computed / (card.tflops * 1e12)
    answers = written / live * size.weights / (card.bandwidth_gb_s * 1e9)
    return (prompts + answers) / card.utilisation


def training_seconds(size: Size, card: Card, tokens: float, checkpointing: bool) -> float:
    """2 operations a parameter and token forward, 2 back (the base gets no gradient), 2 again."""
    passes = 6 if checkpointing else 4
    return passes * size.parameters * tokens / (card.tflops * 1e12 * card.utilisation)


def lacks(model: ModelParams, size: Size) -> list[str]:
    """What must be there before the run can start on this machine, each with its remedy."""
    found = []
    for check in (
        lambda: find_checkpoint(model),
        lambda: quantisation_config(model) if model.quantisation != "none" else None,
        lambda: _require_room(model, size),
    ):
        try:
            check()
        except UserError as error:
            found.append(str(error))
    if shutil.which("bwrap") is None and shutil.which("unshare") is None:
        found.append("no sandbox: install bubblewrap (Debian, Ubuntu: apt install bubblewrap).")
    free = shutil.disk_usage(Path()).free
    if is_hub_id(model.path) and free < size.disk:
        found.append(f"{size.disk / GB:.0f} GB for the weights, {free / GB:.0f} GB are free here.")
    return found


def _require_room(model: ModelParams, size: Size) -> None:
    needed = max(size.playing, size.training, size.weights)
    free = available_bytes(model.device)
    if needed > free:
        raise ParamsError(
            f"{model.device} has {free / GB:.1f} GB free of {needed / GB:.1f} GB: lower max_live, "
            "context_tokens or adapter.micro_tokens, quantise, or take a smaller model."
        )
