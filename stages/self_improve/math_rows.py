"""MATH level 2 as a loop's items and judge: l03 as its report had it, with a fixed test part."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from stages.params import GuardParams
from stages.suites.maths.suite import Maths
from stages.suites.reckoning.judge import ReckoningJudge
from stages.suites.reckoning.source import MathSource


def math_source(
    path: str | None = None, revision: str | None = None, confidence: bool = False
) -> MathSource:
    """The problems of a file of the published rows, or of a commit of the data set on the hub.

    ``confidence``: whether the question asks for a stated one.
    """
    return MathSource(_params(path, revision), confidence)


@contextlib.contextmanager
def math_judge(path: str | None = None, revision: str | None = None) -> Iterator[ReckoningJudge]:
    """A judge that compares algebra too, in a process of its own; same rows as the source."""
    with Maths.load(_params(path, revision)) as maths:
        yield ReckoningJudge(maths)


def _params(path: str | None, revision: str | None) -> GuardParams:
    """The guard's parameters with the rows named; what they say of answers isn't used here."""
    return GuardParams(
        kind="maths",
        subset="level2",
        path=path,
        revision=revision,
        style="chat",
        samples=1,
        temperature=0.0,
        max_new_tokens=1024,
    )
