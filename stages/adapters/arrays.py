"""Adapters as numpy arrays: read, hashed and weighed as tensors are, without importing torch.

The audit looks at adapters alone, and torch's import would take as long as all of its checks.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from stages.adapters.folder import AdapterError, read_adapter
from stages.adapters.lora import LoraSettings, factors

Arrays = Mapping[str, NDArray]
"""An adapter's State (lora.py), of arrays."""


def load_arrays(folder: Path, base_sha256: str) -> tuple[Arrays, LoraSettings]:
    """The adapter's arrays and settings; AdapterError when base or arrays aren't as recorded."""
    return read_adapter(folder, base_sha256, _read, arrays_sha256)


def _read(path: Path) -> dict[str, NDArray]:
    try:
        return load_file(path)
    except TypeError as error:  # peft keeps an adapter in fp32, whatever its base is in
        raise AdapterError(f"{path}: {error}. Save the adapter in float32.") from None


def arrays_sha256(arrays: Arrays) -> str:
    """The hash that ``adapter_sha256`` gives the same tensors."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} torch.{array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def delta_norm(arrays: Arrays, lora: LoraSettings) -> float:
    """Frobenius norm of all modules' ΔW together, as ``delta_norms`` has it by module."""
    total = 0.0
    for a, b in factors(arrays).values():
        a64, b64 = a.astype(np.float64), b.astype(np.float64)
        total += lora.scale**2 * max(0.0, float(((b64.T @ b64) * (a64 @ a64.T)).sum()))
    return math.sqrt(total)
