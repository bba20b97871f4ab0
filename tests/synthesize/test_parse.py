"""Reading a teacher's answers: what is an example, and what is named instead."""

from __future__ import annotations

from typing import Any

import pytest

from stages.records import (
    Trajectory,
)
from stages.synthesize.parse import read_answer
from tests.synthesize.scripted_teacher import answer, row

SESSION = (
    Trajectory((), {"instance_id": "t", "steps": [{}, {}, {}]}),
    Trajectory((), {"instance_id": "t", "steps": [{}]}),
)


def read(text: str, name: str = "A", finish: str = "stop") -> tuple[list[tuple[int, int]], Any]:
    pairs, missing = read_answer(name, text, finish, SESSION)
    return [(SESSION.index(pair.source), pair.step) for pair in pairs], missing


def test_a_sound_answer_points_at_attempt_and_step() -> None:
    both = answer(row(step=2), row(attempt=1))
    assert read(both) == ([(0, 2), (1, 0)], [])
    assert read(f"```json\n{both}\n```") == read(both)
    assert read(f"<think>\n{{\n</think>\n{both}") == read(both)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"refusal": "no"}', "refused"),
        ("I\u2019m sorry, but I can't help with that.", "refused"),
        ("Sure! Here you go: {}", "not JSON"),
        (answer(row())[:-1], "not JSON"),
        (f"{answer(row())} Enjoy!", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"examples": [], "examples": []}', "not JSON"),
        ('{"examples": NaN}', "not JSON"),
        ("__import__('os').getcwd()", "not JSON"),
        ("", "not JSON"),
        ("[]", "wrong fields"),
        ('{"pairs": []}', "wrong fields"),
        ('{"examples": {}}', "wrong fields"),
        ('{"examples": []}', "nothing to teach"),
        (answer("how"), "wrong fields"),
        (answer(row(skill=None)), "wrong fields"),
        (answer(row(note="x")), "wrong fields"),
        (answer(row(rejected="x")), "wrong fields"),
        (answer(row(answer=7)), "wrong fields"),
        (answer(row(step="0")), "wrong fields"),
        (answer(row(step=True)), "wrong fields"),
        (answer(row(answer=" \n")), "empty text"),
        (answer(row(step=3)), "no such step"),
        (answer(row(step=-1)), "no such step"),
        (answer(row(attempt=1, step=1)), "no such step"),
        (answer(row(attempt=2)), "no such step"),
    ],
)
def test_what_is_no_example_is_named(text: str, reason: str) -> None:
    assert read(text) == ([], [reason])


def test_a_cut_answer_is_told_from_garbage() -> None:
    assert read(answer(row())[:30], finish="length") == ([], ["cut off"])


def test_one_bad_example_leaves_the_others() -> None:
    assert read(answer(row(), row(step=9), row(step=1))) == ([(0, 0), (0, 1)], ["no such step"])


def test_a_preference_needs_an_answer_to_reject() -> None:
    assert read(answer(row(rejected="no")), "C") == ([(0, 0)], [])
    assert read(answer(row()), "C") == ([], ["wrong fields"])
    assert read(answer(row(rejected=" so ")), "C") == ([], ["rejected equals answer"])
