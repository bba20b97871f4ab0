"""The real rows of the guards for tests, where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.suites.guard import GuardParams

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    ("humaneval", "all"): "humaneval/HumanEval.jsonl.gz",
    ("mbpp", "sanitized"): "mbpp/sanitized-mbpp.json",
    ("mbpp", "full"): "mbpp/mbpp.jsonl",
    ("maths", "level2"): "math/math_test_level2.jsonl",
}


def guard_params(kind: str, subset: str, path: Path | str, **changes: object) -> GuardParams:
    """Parameters that read one file."""
    values = {
        "kind": kind,
        "subset": subset,
        "path": str(path),
        "revision": None,
        "style": "chat",
        "samples": 1,
        "temperature": 0.0,
        "max_new_tokens": 512,
    }
    return GuardParams(**(values | changes))  # type: ignore[arg-type]


def real_params(kind: str, subset: str) -> GuardParams:
    """Parameters that read the real rows; the test is skipped where they aren't there."""
    folder = Path(os.environ.get("CARRYOVER_REAL_DATA", ROOT.parent / "shared" / "data"))
    path = folder / FILES[kind, subset]
    if not path.is_file():
        pytest.skip(f"no real rows of {kind}, {subset}: {path} isn't there")
    return guard_params(kind, subset, path)
