"""What the checks of a loop look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.stats.checks.check import Finding
from stages.stats.intervals import Estimate, Undefined
from stages.stats.loop_work.results import Checkpoint, LoopResults, Run


@dataclasses.dataclass(frozen=True)
class LoopRecord:
    """The runs, and what is reported of them."""

    results: LoopResults
    reported: Mapping[str, Mapping[str, Any]]
    """arm -> its row in metrics/NAME.json"""
    estimates: Mapping[str, Estimate | Undefined]
    """criterion -> its estimate at the registered α"""
    data: Path
    """folder of the runs' records"""

    def points(self) -> Iterator[tuple[Run, Checkpoint]]:
        """Every checkpoint after base of every run."""
        for run in self.results.runs:
            for point in run.checkpoints[1:]:
                yield run, point

    def trains(self, run: Run) -> bool:
        """Whether the run's arm trains; others are labelled as evaluation only."""
        return self.results.loop.arms[run.place.arm].train


@dataclasses.dataclass(frozen=True)
class LoopCheck:
    """One line of the table of a loop's checks."""

    id: str
    """the number in science.md, section 4; L1 and so on for mistakes that only loops can hold"""
    name: str
    level: str
    """``stop``: no verdict while it fails; ``warn``: read the result with it"""
    run: Callable[[LoopRecord], Finding]


def where(run: Run, point: Checkpoint) -> str:
    """``plain-s0-r0/c0003``."""
    return f"{run.name}/c{point.number:04}"
