"""A stream of sessions, and the strategies that consolidate it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class StrategyParams:
    """One arm of a stream."""

    strategy: str
    """file in stages/strategies"""
    settings: dict[str, Any]
    """fields of its class; {} takes their defaults"""


@dataclass(frozen=True, kw_only=True)
class StreamParams:
    """Sessions that arrive in the experiment's order, consolidated by every arm's strategy."""

    sessions: int
    """training tasks in the stream, the first ones of the split's training half"""
    every: int
    """sessions between consolidations"""
    played: tuple[int, ...]
    """numbers of sessions after which tasks are played and the guard is answered; what is retained
    of the trained turns is measured after every consolidation"""
    arms: dict[str, StrategyParams]
    """by name"""
