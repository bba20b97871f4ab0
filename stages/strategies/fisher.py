"""Diagonal Fisher information of an adapter, from per-sample gradients (check 8).

F_i = E[(∂ log p(y∣x) / ∂θ_i)²] at θ*. The square stands inside the mean: the squared gradient of a
batch's mean loss is about F / batch size, and vanishes at a trained θ* as the batch grows. With y
from the data this is the empirical Fisher (Kunstner et al. 2019, arXiv:1905.12558); with y drawn
from the model it is the Fisher itself (Kirkpatrick et al. 2016, arXiv:1612.00796). The caller's
losses decide which.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor

from stages.strategies.protocol import StrategyError

Accumulation = Literal["replace", "running_average"]


@dataclasses.dataclass(frozen=True, eq=False)
class Fisher:
    """A diagonal estimate."""

    diagonal: dict[str, Tensor]
    """Per parameter the mean squared gradient, in its shape and type."""
    samples: int
    """Samples averaged over."""
    trace: float
    """Sum of the diagonal: the mean squared norm of a sample's gradient."""
    of_mean: float
    """Squared norm of the mean gradient: what one gradient of the whole batch would have given."""
    smallest: float
    """Least squared norm of a sample's gradient."""
    largest: float
    """Greatest squared norm of a sample's gradient."""

    def fact(self) -> dict[str, float | int]:
        """What check 8 reads: the numbers that tell per-sample gradients from a batch's."""
        names = ("samples", "trace", "of_mean", "smallest", "largest")
        return {name: getattr(self, name) for name in names}


def per_sample_gradients(
    parameters: Mapping[str, Tensor], losses: Iterable[Callable[[], Tensor]]
) -> Iterator[dict[str, Tensor]]:
    """The gradient of each loss by itself: one backward pass per sample, nothing is accumulated.

    A loss is -log p(targets) of one sample, summed over its tokens; parameters need gradients.
    """
    for loss in losses:
        found = torch.autograd.grad(loss(), list(parameters.values()))
        yield dict(zip(parameters, found, strict=True))


def diagonal_fisher(gradients: Iterable[Mapping[str, Tensor]], expected: int) -> Fisher:
    """Mean of the squared gradients, summed in double precision.

    Raises StrategyError when there aren't ``expected`` gradients or all have one norm (both the
    signs of batch gradients, check 8), or when one is not finite or all are zero.
    """
    sums: dict[str, Tensor] = {}
    totals: dict[str, Tensor] = {}
    kinds: dict[str, torch.dtype] = {}
    norms: list[float] = []
    for gradient in gradients:
        squares = {name: g.detach().double().square() for name, g in gradient.items()}
        for name, square in squares.items():
            sums[name] = sums[name].add_(square) if name in sums else square
            once = gradient[name].detach().double()
            totals[name] = totals[name].add_(once) if name in totals else once.clone()
            kinds[name] = gradient[name].dtype
        norms.append(sum(float(square.sum()) for square in squares.values()))
    _require_per_sample(norms, expected)
    diagonal = {name: (sums[name] / len(norms)).to(kinds[name]) for name in sorted(sums)}
    of_mean = sum(float(total.square().sum()) for total in totals.values()) / len(norms) ** 2
    trace = sum(norms) / len(norms)
    return Fisher(diagonal, len(norms), trace, of_mean, min(norms), max(norms))


def accumulate(
    before: Mapping[str, Tensor], latest: Mapping[str, Tensor], how: Accumulation, count: int
) -> dict[str, Tensor]:
    """The Fisher to protect with, after ``count`` earlier estimates went into ``before``.

    ``replace`` takes the latest; ``running_average`` is the mean of all of them. Departure from
    online EWC (Schwarz et al. 2018, arXiv:1805.06370), which sums them with a decay: in a mean λ
    keeps its meaning however long the stream.
    """
    if how == "replace" or count == 0:
        return dict(latest)
    return {name: before[name] + (new - before[name]) / (count + 1) for name, new in latest.items()}


def _require_per_sample(norms: list[float], expected: int) -> None:
    trouble = ""
    if len(norms) != expected or not norms:
        trouble = f"{len(norms)} gradients came for {expected} samples; give one per sample"
    elif not all(math.isfinite(norm) for norm in norms):
        trouble = "a gradient is not finite; look at the adapter's losses"
    elif max(norms) == 0.0:
        trouble = "every gradient is zero; the adapter isn't part of the forward pass"
    elif len(norms) > 1 and len(set(norms)) == 1:
        trouble = (
            f"all {len(norms)} gradients have the same norm: the gradient of a batch was given for "
            "each of its samples"
        )
    if trouble:
        raise StrategyError(f"Fisher information: {trouble} (check 8).")
