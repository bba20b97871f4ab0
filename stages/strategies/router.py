"""A router: a small MLP from a query's embedding to the weights of experts.

Departures from the gate of Shazeer et al. 2017 (arXiv:1701.06538): it is trained on known
categories by cross-entropy, not through the experts, so it needs no noise and no load balancing,
and its accuracy can be measured on held-out sessions.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class RouterSettings:
    """How a router is shaped and trained."""

    hidden: int = 32
    """Units of its one hidden layer."""
    steps: int = 200
    """Steps of AdamW, each over all of its training queries."""
    learning_rate: float = 1e-2
    """Learning rate of AdamW, constant."""
    weight_decay: float = 1e-2
    """Decoupled weight decay of AdamW."""
    held_out: float = 0.2
    """Share of the sessions that only measure its accuracy."""


@dataclasses.dataclass(frozen=True, eq=False)
class Router:
    """A trained router and what it is worth."""

    tensors: dict[str, Tensor]
    """mean, spread (d,); hidden (h, d) and its bias; out (E, h) and its bias."""
    right: int
    """Held-out queries whose most likely category is their own."""
    held_out: int
    """Held-out queries; 0 when all come from one session, and the accuracy is then unknown."""


def train_router(
    queries: Tensor,
    labels: Tensor,
    sessions: Sequence[str],
    n_experts: int,
    settings: RouterSettings,
    seed: int,
) -> Router:
    """Fit queries (n, d) to labels (n,) in [0, n_experts); same inputs, same bytes.

    Whole ``sessions`` (one name per query) are held out, since queries of a session resemble one
    another, and the router that is measured is the one that is returned.
    """
    apart = held_out_sessions(sessions, settings.held_out, seed)
    held = torch.tensor([session in apart for session in sessions])
    fitted = queries[~held].float()
    tensors = _fresh(fitted, n_experts, settings.hidden, seed)
    free = [tensors[k].requires_grad_() for k in ("hidden", "hidden_bias", "out", "out_bias")]
    optimizer = torch.optim.AdamW(
        free, lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    for _ in range(settings.steps):
        optimizer.zero_grad()
        F.cross_entropy(router_logits(tensors, fitted), labels[~held]).backward()
        optimizer.step()
    tensors = {name: tensor.detach() for name, tensor in tensors.items()}
    guessed = router_logits(tensors, queries[held]).argmax(1)
    return Router(tensors, int((guessed == labels[held]).sum()), int(held.sum()))


def held_out_sessions(sessions: Sequence[str], share: float, seed: int) -> set[str]:
    """A seeded share of the different sessions: at least one and never all; none of just one."""
    names = sorted(set(sessions))
    count = min(len(names) - 1, max(1, round(share * len(names))))
    return set(random.Random(f"router {seed}").sample(names, count))


def router_logits(tensors: dict[str, Tensor], queries: Tensor) -> Tensor:
    """Logits (Q, E) of the categories for queries (Q, d)."""
    scaled = (queries.float() - tensors["mean"]) / tensors["spread"]
    inner = F.relu(F.linear(scaled, tensors["hidden"], tensors["hidden_bias"]))  # Q, h
    return F.linear(inner, tensors["out"], tensors["out_bias"])


def top_k_weights(logits: Tensor, k: int, available: Tensor) -> Tensor:
    """Softmax over the k largest of the available logits (Q, E), zero elsewhere; rows sum to 1.

    ``available`` (E,) is False for experts that can't be used; k is at most their number. Taking
    the softmax after the choice is Shazeer et al.'s eq. 3 and 5.
    """
    if k < 1 or not bool(available.any()):
        raise ValueError(f"top-{k} of {int(available.sum())} experts; both must be at least 1.")
    masked = logits.masked_fill(~available, -torch.inf)
    best = masked.topk(min(k, int(available.sum())), dim=1)
    return torch.zeros_like(masked).scatter(1, best.indices, best.values.softmax(1))


def rounded(weights: Tensor, steps: int) -> Tensor:
    """Rows (Q, E) that sum to 1, rounded to multiples of 1 / steps that still do.

    Largest remainders get what rounding down leaves over; of equals the first. No weight moves by
    1 / steps or more.
    """
    scaled = weights.double() * steps
    floor = scaled.floor()
    over = (steps - floor.sum(1)).round().long()
    order = (scaled - floor).argsort(dim=1, descending=True, stable=True)
    place = order.argsort(1)  # Q, E: rank of each remainder
    return (floor + (place < over[:, None])).div(steps).to(weights.dtype)


def _fresh(queries: Tensor, n_experts: int, hidden: int, seed: int) -> dict[str, Tensor]:
    """Initial tensors: scaling from the training queries, weights by He et al. 2015."""
    generator = torch.Generator().manual_seed(seed)
    width = queries.shape[1]
    spread = queries.std(0, correction=0)
    return {
        "mean": queries.mean(0),
        "spread": torch.where(spread > 0, spread, torch.ones_like(spread)),
        "hidden": torch.randn(hidden, width, generator=generator) * (2 / width) ** 0.5,
        "hidden_bias": torch.zeros(hidden),
        "out": torch.randn(n_experts, hidden, generator=generator) * hidden**-0.5,
        "out_bias": torch.zeros(n_experts),
    }
