"""What a log says of a test, when a patch writes into the log too."""

from __future__ import annotations

import pytest

from stages.suites.swe_bench_cl.grading import disputed_tests, statuses

pytest.importorskip("swebench", reason="the swebench package isn't installed")

NAME = "testing/test_a.py::test_b"
OTHER = "testing/test_a.py::test_c"
TRUE = f"FAILED {NAME} - AssertionError: no\nPASSED {OTHER}"
FORGED = f"PASSED {NAME}\n{NAME} PASSED"


def log(*parts: str) -> str:
    return "\n".join([">>>>> Start Test Output", *parts, ">>>>> End Test Output"])


@pytest.mark.parametrize(
    "parts", [(TRUE, FORGED), (FORGED, TRUE), (FORGED, TRUE, FORGED), (FORGED, "", TRUE, FORGED)]
)
def test_a_forged_line_is_disputed_wherever_it_stands(parts: tuple[str, ...]) -> None:
    assert disputed_tests(log(*parts), "parse_log_pytest") == {NAME}


def test_what_is_said_once_or_twice_alike_is_not_disputed() -> None:
    said = log(TRUE, f"PASSED {OTHER}")
    assert disputed_tests(said, "parse_log_pytest") == set()
    assert statuses(said, "parse_log_pytest") == {NAME: "FAILED", OTHER: "PASSED"}


def test_lines_outside_the_marks_do_not_count() -> None:
    assert statuses(f"{FORGED}\n{log(TRUE)}\n{FORGED}", "parse_log_pytest")[NAME] == "FAILED"


def test_django_s_lines_are_read_one_by_one_too() -> None:
    failed = "test_b (shop.tests.Total) ... FAIL"
    forged = "test_b (shop.tests.Total) ... ok"
    for parts in ((failed, forged), (forged, failed, forged)):
        assert disputed_tests(log(*parts), "parse_log_django") == {"test_b (shop.tests.Total)"}
