"""The audit as a whole: a sound run passes, and failed stop checks block."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.adapters.certificate import MergeParity
from stages.records import canonical_json
from stages.stats.audit import CHECKS, audit, blocking
from stages.stats.checks import decoding
from stages.stats.results import read_results
from tests.agent.tiny import tiny_tokenizer
from tests.stats.checks.run_files import SPLITS, WORLD, change_json, make_lab


@pytest.fixture(autouse=True)
def tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny_tokenizer()
    monkeypatch.setattr("stages.lab.models.load_tokenizer", lambda model: made)
    parity = MergeParity(0.0, 1.0, 50)
    monkeypatch.setattr(decoding, "parity_of_first", lambda record: parity)


def test_a_sound_run_passes_every_check(run: Path) -> None:
    lab = make_lab()
    checks = audit(lab, read_results(lab))
    others = {name: row["status"] for name, row in checks.items() if row["status"] != "pass"}
    assert others == dict.fromkeys(("8", "22"), "not applicable")
    assert blocking(checks) == []
    assert list(checks) == [str(check.id) for check in CHECKS]
    assert audit(lab, read_results(lab)) == checks


def test_evidence_is_flat_and_fit_for_json(run: Path) -> None:
    lab = make_lab()
    for row in audit(lab, read_results(lab)).values():
        canonical_json(row)
        for value in row["evidence"].values():
            assert value is None or isinstance(value, int | float | str)


def test_a_failed_stop_check_blocks_and_names_its_remedy(run: Path) -> None:
    change_json(SPLITS / "gold.json", lambda gold: gold[WORLD].update(runs=1))
    lab = make_lab()
    checks = audit(lab, read_results(lab))
    assert blocking(checks) == ["2"]
    assert checks["2"]["remedy"] and checks["2"]["evidence"]["problems"] == 1


def test_a_failed_warning_does_not_block() -> None:
    rows = {"13": {"level": "warn", "status": "fail"}, "2": {"level": "stop", "status": "pass"}}
    assert blocking(rows) == []


def test_each_check_stands_once() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS) == 29
