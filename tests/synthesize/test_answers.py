"""A teacher's answers are asked for once, within a budget, and kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.agent.model import Completion, Request
from stages.records import (
    RecordError,
)
from stages.synthesize.answers import Answers, Limits, TeacherError
from tests.synthesize.scripted_teacher import Scripted


def requests(count: int) -> list[Request]:
    return [Request(({"role": "user", "content": str(n)},), key=n) for n in range(count)]


def answers(folder: Path, model: Any, at_once: int = 2, **limits: Any) -> Answers:
    def cost(read: int, cached: int, written: int) -> float:
        return (read + 10 * written) / 1000

    return Answers(folder, "scripted", lambda: model, Limits(**limits), cost, at_once)


def echo(request: Request) -> str:
    return f"said {request.messages[0]['content']}"


def test_what_is_kept_is_not_asked_again(tmp_path: Path) -> None:
    first = Scripted(echo)
    said = answers(tmp_path, first).ask(requests(5))
    assert [a.text for a in said] == [f"said {n}" for n in range(5)] and first.asked == 5
    again = answers(tmp_path, None)  # a model that is opened would fail
    assert again.ask(requests(5)) == said
    assert again.cost(said) == {
        "answers": 5,
        "input_tokens": 500,
        "cached_tokens": 0,
        "output_tokens": 100,
        "usd": 1.5,
    }


def test_other_settings_prompts_and_models_are_asked_anew(tmp_path: Path) -> None:
    (request,) = requests(1)
    answers(tmp_path, Scripted(echo)).ask([request])
    other = Scripted(echo)
    changes: list[dict[str, Any]] = [{"temperature": 1.0}, {"seed": 1}, {"max_new_tokens": 9}]
    for changed in changes:
        answers(tmp_path, other).ask([dataclasses.replace(request, **changed)])
    assert other.asked == 3
    stranger = Answers(tmp_path, "else", lambda: other, Limits(), lambda *_: 0.0, 1)
    stranger.ask([request])
    assert other.asked == 4


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        answers(tmp_path, Scripted(echo, dies_after=4)).ask(requests(7))
    rest = Scripted(echo)
    said = answers(tmp_path, rest).ask(requests(7))
    assert [a.text for a in said] == [f"said {n}" for n in range(7)] and rest.asked == 3


@pytest.mark.parametrize(
    ("limits", "told"),
    [({"tokens": 200}, "240 tokens are spent"), ({"usd": 0.6}, "0.6 USD are spent")],
)
def test_a_budget_that_runs_out_keeps_what_was_paid(tmp_path: Path, limits: Any, told: str) -> None:
    poor = Scripted(echo)
    with pytest.raises(TeacherError, match=f"{told}.*3 requests are still.*raise the budget"):
        answers(tmp_path, poor, **limits).ask(requests(5))
    with pytest.raises(TeacherError, match=told):  # a rerun is bound by the same budget
        answers(tmp_path, poor, **limits).ask(requests(5))
    assert poor.asked == 2
    answers(tmp_path, poor, tokens=10_000).ask(requests(5))
    assert poor.asked == 5
    answers(tmp_path, None, **limits).ask(requests(5))  # what is paid needs no budget


def test_an_unanswered_request_is_an_error_and_the_rest_is_kept(tmp_path: Path) -> None:
    class Flaky(Scripted):
        def complete(self, requests: Sequence[Request]) -> list[Completion]:
            done = super().complete(requests)
            return [
                dataclasses.replace(d, error="503 busy") if r.key == 1 else d
                for r, d in zip(requests, done, strict=True)
            ]

    with pytest.raises(TeacherError, match=r"1 of 5 .*503 busy.*missing ones only"):
        answers(tmp_path, Flaky(echo)).ask(requests(5))
    rest = Scripted(echo)
    answers(tmp_path, rest).ask(requests(5))
    assert rest.asked == 1


def test_answers_come_from_a_stream_where_the_model_has_one(tmp_path: Path) -> None:
    class Streaming(Scripted):
        def stream(self) -> Any:
            return self

        def submit(self, requests: Sequence[tuple[int, Request]]) -> None:
            self.queue = list(requests)

        def poll(self) -> list[tuple[int, Completion]]:
            number, request = self.queue.pop()
            return [(number, self.complete([request])[0])]

        def forget(self, key: Any) -> None:
            del key

    with pytest.raises(KeyboardInterrupt):
        answers(tmp_path, Streaming(echo, dies_after=3), at_once=5).ask(requests(5))
    rest = Streaming(echo)
    said = answers(tmp_path, rest, at_once=5).ask(requests(5))
    assert [a.text for a in said] == [f"said {n}" for n in range(5)] and rest.asked == 2


@pytest.mark.parametrize("text", ["{", "[]", '{"asked": {}}'])
def test_a_damaged_answer_is_named_not_paid_again(tmp_path: Path, text: str) -> None:
    kept = answers(tmp_path, Scripted(echo))
    kept.ask(requests(1))
    (path,) = kept.folder.glob("*.json")
    path.write_text(text)
    with pytest.raises(RecordError, match=f"{path.name}.*(delete|Restore)"):
        answers(tmp_path, None).ask(requests(1))


def test_the_answer_to_another_request_is_refused(tmp_path: Path) -> None:
    kept = answers(tmp_path, Scripted(echo))
    kept.ask(requests(2))
    one, two = sorted(kept.folder.glob("*.json"))
    one.write_bytes(two.read_bytes())
    with pytest.raises(RecordError, match="another request"):
        answers(tmp_path, None).ask(requests(2))
