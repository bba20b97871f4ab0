"""Which tests can be graded: plain functions can, what needs a framework is named."""

from __future__ import annotations

import pytest

from stages.suites.repository.plain import gradable

REPOSITORY = {
    "shop.py": "",
    "src/lib/core.py": "",
    "tests/helpers.py": "",
    "tests/prices.csv": "",
}
PLAIN = "def test_a():\n    assert 1\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PLAIN, ""),
        ("import json\nfrom shop import total\nfrom lib.core import x\n" + PLAIN, ""),
        ("def test_a(x=1):\n    assert x\n", ""),
        ("def test_a(tmp_path):\n    assert 1\n", "fixture 'tmp_path'"),
        ("def test_a(*, tmp_path):\n    assert 1\n", "fixture 'tmp_path'"),
        ("@given(1)\ndef test_a():\n    assert 1\n", "decorated with given"),
        ("async def test_a():\n    assert 1\n", "coroutine"),
        ("def test_a():\n    yield 1\n", "generator"),
        ("import pytest\n" + PLAIN, "imports pytest"),
        ("from unittest import mock\n" + PLAIN, "imports unittest"),
        ("import requests\n" + PLAIN, "imports requests"),
        ("from . import helpers\n" + PLAIN, "relative"),
        ("from tests import helpers\n" + PLAIN, "part of the tests"),
        ("from tests.helpers import x\n" + PLAIN, "part of the tests"),
        ("def setup_module():\n    pass\n" + PLAIN, "setup_module"),
        ("pytestmark = 1\n" + PLAIN, "pytestmark"),
        (PLAIN + "    open('tests/prices.csv')\n", "tests/prices.csv, which an agent could change"),
    ],
)
def test_a_function_is_judged(text: str, reason: str) -> None:
    found = gradable("tests/test_a.py", {**REPOSITORY, "tests/test_a.py": text})
    assert reason in found["test_a"] and bool(found["test_a"]) == bool(reason)


def test_methods_autouse_fixtures_and_broken_files_are_named() -> None:
    method = {**REPOSITORY, "test_a.py": "class TestA:\n    def test_b(self):\n        pass\n"}
    assert gradable("test_a.py", method) == {"TestA::test_b": "it is a method of a class"}
    auto = {**REPOSITORY, "tests/test_a.py": PLAIN, "conftest.py": "@fixture(autouse=True)\n"}
    assert "without being named" in gradable("tests/test_a.py", auto)["test_a"]
    assert "line 1" in gradable("test_a.py", {"test_a.py": "def (:\n"})[""]
