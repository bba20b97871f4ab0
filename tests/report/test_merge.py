"""All experiments' verdicts and checks, merged."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.records import RecordError, read_json
from stages.report.__main__ import main
from stages.report.merge import merge, merged_audit
from tests.report.conftest import check, verdict, write_result


def test_verdicts_by_experiment_and_criterion(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(root, "p2", verdicts={"gain": verdict("refuted")})
    main(["--all"])
    merged = read_json(root / "metrics/verdicts.json")
    assert merged["p2"]["gain"]["verdict"] == "refuted"
    assert set(merged["p1"]["forward_transfer"]) == {
        "verdict",
        "estimate",
        "lo",
        "hi",
        "threshold",
        "registration",
    }
    shown = capsys.readouterr().out
    assert "refuted" in shown and "supported" in shown


def test_a_check_fails_if_any_experiment_fails() -> None:
    audits = {
        "p1": {"2": check("gold", "not applicable"), "3": check("errors")},
        "p2": {"2": check("gold"), "3": check("errors", "fail")},
    }
    merged = merged_audit(audits)
    assert merged["2"]["status"] == "pass"
    assert merged["3"]["status"] == "fail"
    assert merged["3"]["evidence"]["p1"] == {"status": "pass", "seen": 3}
    assert merged["3"]["evidence"]["p2"]["status"] == "fail"


def test_a_warning_stands_between_fail_and_pass() -> None:
    audits = {
        "p1": {"11": check("enough", "warn"), "3": check("errors", "warn")},
        "p2": {"11": check("enough"), "3": check("errors", "fail")},
    }
    merged = merged_audit(audits)
    assert [merged[name]["status"] for name in ("3", "11")] == ["fail", "warn"]


def test_twice_gives_the_same_bytes(root: Path) -> None:
    merge()
    first = (root / "metrics/audit.json").read_bytes()
    merge()
    assert (root / "metrics/audit.json").read_bytes() == first


def test_no_result_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="dvc repro stats@p1"):
        merge(tmp_path)
