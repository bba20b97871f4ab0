"""Items: short questions with a known answer, which self-improvement loops work on.

A loop's source gives them and its judge says which answers to them are right: the two Protocols of
stages/self_improve/parts.py. A suite of items implements both.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

Part = Literal["train", "val", "test", "holdout"]
PARTS: tuple[Part, ...] = ("train", "val", "test", "holdout")
"""train: may be trained on; val: steers a loop (early stopping, what is kept); test and holdout:
never trained on and never steer anything."""


@dataclasses.dataclass(frozen=True)
class Item:
    """One question or problem."""

    item_id: str
    """its name, unique in its source"""
    part: Part
    """what it may be used for"""
    group: str
    """category, problem type or subject, which tables are split by"""
    difficulty: int
    """1 (easiest) to 10"""
    prompt: str
    """the user's message, whole"""
    answer: str
    """the right answer as an assistant would write it, short"""
    accepted: tuple[str, ...] = ()
    """other wordings that are right too"""
    key_terms: tuple[str, ...] = ()
    """terms that a right answer must hold, where a source's judge goes by them"""
    reasoning: str = ""
    """a right answer with the way to it; empty where there is none"""
    payload: Any = None
    """what the source's own judge needs (a code problem's test cases); null for none"""


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a judge says of one answer."""

    correct: bool
    """right by everything the judge has (of code: by all cases, hidden ones too)"""
    visible: bool
    """right by what may be used to select training data (of code: by the visible cases); equal to
    ``correct`` where nothing is hidden"""
    reason: str = ""
    """a few words on why it is wrong; empty for a right answer"""
