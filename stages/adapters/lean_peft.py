"""peft and transformers' models, imported without what one process never uses.

Import peft from here, and only from here, and models that are played or trained. Left out are

- bitsandbytes, which peft imports wherever it is installed, for the sake of bases that are
  quantised: two seconds and a warning about kernels. Who loads a quantised base calls
  ``allow_bitsandbytes`` first;
- torch.distributed.tensor, for models spread over processes: a second. A model that device_map
  spreads over several GPUs is one process, so transformers and peft are told for good that
  torch.distributed isn't there, as it isn't in some builds of torch;
- scipy, of which transformers' losses of object detection take one function: half a second.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers.utils import import_utils as transformers_utils

NAME = "bitsandbytes"


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Python takes a module for missing whose entry is None."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _one_process() -> Iterator[None]:
    """transformers asks torch once and keeps the answer; accelerate has asked before."""
    importlib.import_module("accelerate")
    asked = torch.distributed.is_available
    torch.distributed.is_available = lambda: False
    try:
        transformers_utils.is_torch_distributed_available.cache_clear()
        transformers_utils.is_torch_distributed_available()
        yield
    finally:
        torch.distributed.is_available = asked


@contextmanager
def _without_scipy() -> Iterator[None]:
    """transformers asks whether it is there; afterwards the answer is true again."""
    with _hidden("scipy"):
        transformers_utils.is_scipy_available.cache_clear()
        transformers_utils.is_scipy_available()
    yield
    transformers_utils.is_scipy_available.cache_clear()


with _hidden(NAME), _one_process(), _without_scipy():
    import peft
    from peft import import_utils
    from transformers import AutoModelForCausalLM

    import_utils.is_bnb_available()  # the answer is kept, so that attaching doesn't ask again
    import_utils.is_bnb_4bit_available()


def allow_bitsandbytes() -> None:
    """Have peft use bitsandbytes from now on, as a quantised base's layers need it."""
    import_utils.is_bnb_available.cache_clear()
    import_utils.is_bnb_4bit_available.cache_clear()
    setattr(importlib.import_module("peft.helpers"), "bnb", importlib.import_module(NAME))  # noqa: B010


__all__ = ["AutoModelForCausalLM", "allow_bitsandbytes", "peft"]
