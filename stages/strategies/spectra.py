"""The singular values of ΔW, and adapters cut to the largest of them.

With B = Q_b·R_b and Aᵀ = Q_a·R_a the singular values of scale·BA are those of the small
scale·R_b·R_aᵀ (r, r): neither ΔW nor its SVD is ever formed. In double precision. The cut is the
best approximation of its rank in the Frobenius norm (Eckart & Young 1936, Psychometrika 1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from stages.adapters.lora import factors
from stages.adapters.merge import Adapter
from stages.strategies.factors import adapter_from


def truncate(adapter: Adapter, rank: int) -> tuple[Adapter, float]:
    """The adapter cut to ``rank`` in every module, and the share of ‖ΔW‖² that it keeps.

    The share is over all modules together; 1 when ΔW = 0. A module of lower rank keeps its own, so
    a rank at or above the adapter's changes nothing but rounding. The result has scale 1, the
    square root of each singular value in either factor, and the type of its input.
    """
    if rank < 1:
        raise ValueError(f"an adapter can't be cut to rank {rank}; it must be at least 1.")
    state, lora = adapter
    parts, kept, total = {}, 0.0, 0.0
    for name, (a, b) in factors(state).items():
        left, values, right = small_svd(a, b, lora.scale)
        root = values[:rank].sqrt()
        parts[name] = (
            (root[:, None] * right[:rank]).to(a.dtype),  # rank, in
            (left[:, :rank] * root).to(b.dtype),  # out, rank
        )
        kept += float(values[:rank].square().sum())
        total += float(values.square().sum())
    return adapter_from(parts, lora), kept / total if total else 1.0


def energy_kept(adapter: Adapter) -> list[float]:
    """Information per rank: share of ‖ΔW‖² within the first 1, 2, ... singular values per module.

    As long as the largest rank of a module; it rises to 1. A matrix of ones when ΔW = 0.
    """
    state, lora = adapter
    energies = [small_svd(a, b, lora.scale)[1].square() for a, b in factors(state).values()]
    by_rank = torch.zeros(max(len(e) for e in energies), dtype=torch.float64)
    for energy in energies:
        by_rank[: len(energy)] += energy
    total = by_rank.sum()
    return (by_rank.cumsum(0) / total if total else torch.ones_like(by_rank)).tolist()


def small_svd(a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """U (out, k), falling singular values (k,), Vᵀ (k, in) of scale·BA, k <= r; float64."""
    q_b, r_b = torch.linalg.qr(b.double())  # out, k_b; k_b, r
    q_a, r_a = torch.linalg.qr(a.double().T)  # in, k_a; k_a, r
    u, values, v = torch.linalg.svd(scale * r_b @ r_a.T, full_matrices=False)
    return q_b @ u, values, v @ q_a.T
