"""Products of matrices on a CPU, by the faster of the libraries that torch carries.

torch's own products go through MKL, which keeps to AVX2 on processors that aren't Intel's: 90
GFLOP/s on a Zen 5 core where oneDNN does 210, and 16 where one side is an adapter's rank and the
long side is summed over. The operator is the one that torch's inductor emits for a frozen linear
layer; where it is missing, MKL does all.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x·weightᵀ + bias without a gradient of its own: [T, in], [out, in], [out] -> [T, out].

    fp32 on a CPU. Either may be a transposed view. The same numbers give the same bytes.
    """
    if _onednn():
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)


@functools.cache
def _onednn() -> bool:
    """Whether this build of torch has the operator."""
    try:
        torch.ops.mkldnn._linear_pointwise(torch.ones(2, 2), torch.eye(2), None, "none", [], "")
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return True
