"""One verdict to be explained, and what a node of the tree finds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from stages.lab.arms import PLACEBOS
from stages.stats.checks.check import ABSENT, FAIL, STOP
from stages.stats.results import Results

PASSED, SUSPECT, NOT_MEASURED = "passed", "suspect", "not measured"
_CELL = re.compile(r"(?P<arm>.+)-s\d+")
SHARED = {"both": "skill"}
"""Conditions that use the adapter of another one."""


@dataclasses.dataclass(frozen=True)
class Node:
    """What one node of the tree found."""

    name: str
    """the cause it looks for"""
    status: str
    """``passed``, ``suspect`` or ``not measured``"""
    evidence: Mapping[str, Any]
    """numbers and short strings; for ``not measured`` the reason"""
    source: str
    """file, or files, that the evidence is computed from"""
    remedy: str = ""
    """what to do about it; '' unless it is suspect"""


@dataclasses.dataclass(frozen=True)
class Case:
    """A verdict and everything that stats has beside it."""

    results: Results
    """the experiment's rows, losses, facts and certificates"""
    checks: Mapping[str, Mapping[str, Any]]
    """check id -> row, as metrics/audit/NAME.json has it"""
    criterion: str
    """the criterion's name"""
    estimand: str
    """the estimand that it names, such as forward_transfer.skill"""
    verdict: Mapping[str, Any]
    """its row, as metrics/verdicts/NAME.json has it"""

    @property
    def experiment(self) -> str:
        return self.results.lab.name

    @property
    def audit_file(self) -> str:
        return f"metrics/audit/{self.experiment}.json"

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that the estimand names; all that ran where it names none of them."""
        words = self.estimand.split(".")[1:]
        ran = list(dict.fromkeys(row.condition for row in self.results.rows))
        return tuple(word for word in words if word in ran) or tuple(ran)

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """The arms whose adapters it is about; every trained one but placebos if it names none."""
        known = sorted(set(map(arm_of_path, self.results.facts)) - {""})
        words = [SHARED.get(word, word) for word in self.estimand.split(".")[1:]]
        named = tuple(dict.fromkeys(word for word in words if word in known))
        return named or tuple(arm for arm in known if arm not in PLACEBOS)

    def of_arms(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Those entries of ``facts``, ``losses`` or ``certificates`` that belong to ``arms``."""
        return {name: row for name, row in table.items() if arm_of_path(name) in self.arms}

    def failed(self, ids: Iterable[int]) -> dict[str, Mapping[str, Any]]:
        """The stop checks among ``ids`` that fail."""
        rows = {str(i): self.checks[str(i)] for i in ids if str(i) in self.checks}
        return {i: row for i, row in rows.items() if row["status"] == FAIL and row["level"] == STOP}

    def looked_at(self, check: int) -> bool:
        """Whether a check is there and had something to look at."""
        return self.checks.get(str(check), {"status": ABSENT})["status"] != ABSENT


def arm_of_path(name: str) -> str:
    """``oak_harbor/A/skill-s0`` -> ``skill``; '' where no part names an arm and its seed."""
    found = [match["arm"] for part in name.split("/") if (match := _CELL.fullmatch(part))]
    return found[-1] if found else ""


def first_problems(failed: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """``check_9`` -> its first problem in words."""
    return {
        f"check_{i}": str(row["evidence"].get("first_problem", row["name"]))
        for i, row in failed.items()
    }


def first_remedy(failed: Mapping[str, Mapping[str, Any]]) -> str:
    """The first failed check's remedy, '' where none failed."""
    for i, row in failed.items():
        return str(row.get("remedy") or f"See what check {i} ({row['name']}) found.")
    return ""
