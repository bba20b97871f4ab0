"""The base model of an experiment, loaded once per stage."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.params import ModelParams, ParamsError

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Options of mallopt(3)."""


def load_base(model: ModelParams) -> tuple[Any, Any]:
    """The transformers model (eval mode) and its tokenizer.

    ParamsError when the checkpoint isn't here, was changed, or doesn't fit the memory; it says
    what to fetch and how much room that takes.
    """
    import torch

    from stages.checkpoints.load import load_weights
    from stages.checkpoints.resolve import find_checkpoint

    torch.set_num_threads(model.threads)
    keep_freed_memory()
    tokenizer = load_tokenizer(model)
    with quiet_libraries():
        return load_weights(model, find_checkpoint(model)), tokenizer


def keep_freed_memory() -> None:
    """Have glibc keep up to a gibibyte of freed memory (mallopt(3)); elsewhere nothing happens.

    By default it hands a large tensor's pages back and faults them in anew for the next one, which
    was two thirds of the system time of playing episodes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TOP_PAD, 1 << 26)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """No progress bars of transformers inside, and of bitsandbytes errors only, also afterwards.

    Its word of a kernel that isn't installed comes with the first import, whenever peft asks for
    it; nothing here uses that kernel.
    """
    from transformers.utils import logging as bars

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    before = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if before:
            bars.enable_progress_bar()


def load_tokenizer(model: ModelParams) -> Any:
    """The checkpoint's tokenizer, checked against its recorded ids and for a chat template."""
    from stages.checkpoints.load import read_tokenizer, require_template
    from stages.checkpoints.resolve import find_checkpoint

    folder = find_checkpoint(model)
    tokenizer = read_tokenizer(folder)
    require_recorded_ids(tokenizer, folder)
    require_template(tokenizer, folder)
    return tokenizer


def require_recorded_ids(tokenizer: Any, folder: Path) -> None:
    """Raise ParamsError when a recorded sentence no longer gives its recorded token ids."""
    from stages.records import read_json

    path = folder / "tokenizer_check.json"
    if not path.exists():
        return
    check = read_json(path)
    if tokenizer(check["text"])["input_ids"] != check["ids"]:
        raise ParamsError(
            f"{path}: the tokenizer gives other ids than were recorded when the model was made, "
            "so the model would read garbage. Install the versions of requirements.lock."
        )


def local_model(model: ModelParams) -> Any:
    """The in-process backend over ``load_base``."""
    weights, tokenizer = load_base(model)
    # After load_base, which quietens what the import of peft in there says.
    from stages.agent.local import LocalConfig, LocalModel

    config = LocalConfig(
        threads=model.threads,
        max_batch=model.max_live,
        max_context_tokens=model.context_tokens,
        # A second copy of the weights pays for a small model on the CPU only.
        use_compact=model.device == "cpu" and model.quantisation == "none",
    )
    return LocalModel(weights, tokenizer, config)
