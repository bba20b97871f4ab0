"""A weight matrix that multiplies by whichever library is faster for the number of rows.

torch's own products on a CPU go through MKL, which keeps to AVX2 on processors that aren't
Intel's: 100 GFLOP/s on a Zen 5 core, where oneDNN, which torch carries too, does 160 at 64 rows
and 230 at 512. With few rows MKL's smaller overhead wins. The operator is the one that torch's
inductor emits for a frozen linear layer; where it is missing, MKL does all.
"""

from __future__ import annotations

import torch
from torch import Tensor

ONEDNN_ROWS = 24
"""Rows from which oneDNN is the faster one."""
PACKED_FOR_ROWS = 128
"""Number of rows that the packed layout is made for; it serves every number."""


class Matrix:
    """x W^T + b for a weight [out, in] and an optional bias [out]."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self._transposed = weight.t().contiguous()
        self._bias = bias
        self._packed = _pack(weight)

    @property
    def width(self) -> int:
        """Size of the output."""
        return self._transposed.shape[1]

    def __call__(self, x: Tensor) -> Tensor:
        """[T, in] -> [T, out]."""
        if self._packed is not None and x.shape[0] >= ONEDNN_ROWS:
            return torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
        if self._bias is None:
            return torch.mm(x, self._transposed)
        return torch.addmm(self._bias, x, self._transposed)

    def add_to(self, base: Tensor, x: Tensor) -> Tensor:
        """base + x W^T, for a matrix without bias."""
        if self._packed is not None and x.shape[0] >= ONEDNN_ROWS:
            return torch.ops.mkldnn._linear_pointwise.binary(x, base, self._packed, None, "add")
        return torch.addmm(base, x, self._transposed)


def _pack(weight: Tensor) -> Tensor | None:
    """The weight in oneDNN's layout, or None where that can't be had."""
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return None
    try:
        return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), PACKED_FOR_ROWS)
    except (AttributeError, RuntimeError, NotImplementedError):
        return None
