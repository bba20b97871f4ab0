"""Registered criteria and training settings: blocks that experiments and loops share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Train:
    """Training of one adapter."""

    rank: int
    """rank of A and B"""
    alpha: float
    """LoRA's scale; ΔW = alpha / rank · B·A"""
    learning_rate: float
    """peak learning rate"""
    epochs: int
    """passes over the examples"""
    dpo_learning_rate: float
    """peak learning rate where training is DPO (format C)"""
    batch_size: int
    """examples per optimizer step"""
    warmup: float
    """share of the steps over which the rate rises, 0 to 1"""
    min_examples: int
    """fewest examples that training accepts"""
    beta: float
    """strength of DPO's KL constraint (format C)"""


@dataclass(frozen=True, kw_only=True)
class CriterionParams:
    """One registered criterion: estimand, comparator, threshold, and its test."""

    estimand: str
    """what is estimated, such as forward_transfer.skill"""
    comparator: Literal[">", ">=", "<", "<=", "within"]
    """the side of the threshold that supports the hypothesis; within: on both sides of zero"""
    threshold: float
    """in the estimand's unit"""
    test: str
    """statistical test reported beside the interval"""
