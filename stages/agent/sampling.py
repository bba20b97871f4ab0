"""The choice of the next token: a function of the row's own logits, seed and position alone.

A shared generator would make a row's tokens depend on its neighbours in the batch. Here each
(seed, position) is hashed to one uniform number, and the token is read off the row's cumulative
distribution (inversion sampling).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)


def uniforms(seeds_B: np.ndarray, positions_B: np.ndarray) -> np.ndarray:
    """One number in [0, 1) for each (seed, position), both uint64: SplitMix64 (Steele 2014)."""
    with np.errstate(over="ignore"):
        state = _mix(_mix(seeds_B + _STEP) + positions_B * _STEP)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * _MULTIPLIERS[0]
    state = (state ^ (state >> np.uint64(27))) * _MULTIPLIERS[1]
    return state ^ (state >> np.uint64(31))


def choose(logits_BV: Tensor, temperatures_B: np.ndarray, draws_B: np.ndarray) -> np.ndarray:
    """Token ids [B]: the most likely one at temperature 0, else drawn at that temperature.

    ``draws_B`` are uniform numbers in [0, 1). A tie of the largest logits goes to the lower id.
    """
    greedy_B = logits_BV.argmax(-1).cpu().numpy()
    warm = temperatures_B > 0
    if not warm.any():
        return greedy_B
    rows = torch.from_numpy(np.flatnonzero(warm)).to(logits_BV.device)
    heat = torch.from_numpy(temperatures_B[warm]).to(logits_BV.device, torch.float32)
    logits_WV = logits_BV.index_select(0, rows).float()
    cumulative_WV = (logits_WV / heat[:, None]).softmax(-1).cumsum(-1)
    draws = torch.from_numpy(draws_B[warm]).to(logits_BV.device, torch.float32)
    target_W1 = draws[:, None] * cumulative_WV[:, -1:]
    drawn = torch.searchsorted(cumulative_WV, target_W1, right=True).squeeze(1)
    greedy_B = greedy_B.copy()
    greedy_B[warm] = drawn.clamp_max(logits_BV.shape[1] - 1).cpu().numpy()
    return greedy_B
