"""Which examples are worth most: rankings, and seeded draws from a ranking.

Rankings are indices, best first, into examples that stand in the order of their arrival.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor


def newest_first(n: int) -> list[int]:
    """The last to arrive first."""
    return list(range(n - 1, -1, -1))


def highest_first(values: Sequence[float]) -> list[int]:
    """By falling value; of equals the newer first. Raises ValueError for a value that is NaN."""
    if any(math.isnan(value) for value in values):
        raise ValueError("a priority is NaN; look at the losses or confidences it was made from.")
    return sorted(range(len(values)), key=lambda i: (-values[i], -i))


def farthest_points(embeddings: Tensor, count: int | None = None) -> list[int]:
    """Greedy k-centre order of embeddings (n, d): each next is the one farthest from those before.

    Starts at the point nearest to the mean; distances are Euclidean (normalise rows for the
    cosine); of equals the older first. The first k cover all within twice the least possible
    radius of k centres (Gonzalez 1985, Theoretical Computer Science 38; Sener & Savarese 2017,
    arXiv:1708.00489, alg. 1). ``count`` ends the order early.
    """
    n = len(embeddings)
    if n == 0:
        return []
    points = embeddings.double()  # n, d
    nearest = torch.full((n,), math.inf, dtype=torch.float64)
    latest = int((points - points.mean(0)).norm(dim=1).argmin())
    order: list[int] = []
    for _ in range(min(n, n if count is None else count)):
        order.append(latest)
        nearest = torch.minimum(nearest, (points - points[latest]).norm(dim=1))
        nearest[latest] = -1.0  # never again, though another may lie on the same spot
        latest = int(nearest.argmax())
    return order


def draw(order: Sequence[int], count: int, sharpness: float, rng: random.Random) -> list[int]:
    """``count`` different indices of a ranking, drawn with P ∝ rank^-sharpness; sorted.

    Rank-based prioritisation (Schaul et al. 2015, arXiv:1511.05952, section 3.3), here without
    replacement (Efraimidis & Spirakis 2006, Information Processing Letters 97). Sharpness 0 draws
    evenly; a large one takes the best.
    """
    if count >= len(order):
        return sorted(order)
    keys = {
        index: math.log(-math.log(1.0 - rng.random()) or 5e-324) + sharpness * math.log(rank)
        for rank, index in enumerate(order, start=1)
    }
    return sorted(sorted(order, key=keys.__getitem__)[:count])
