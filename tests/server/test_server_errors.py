"""Each way a server misbehaves has a name, costs one episode, and no more."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from stages.agent.model import Request
from stages.server.config import ServerConfig
from stages.server.errors import RateLimitedError, ServerGoneError
from stages.server.model import ServerModel
from stages.server.retries import parse_retry_after, wait_s
from stages.server.turns import FailedCompletion
from tests.server.misbehaving import (
    Endpoint,
    Plan,
    changed,
    cut,
    good,
    hang,
    hang_up,
    status,
    trickle,
)

Make = Callable[..., ServerModel]


def ask(text: str = "hello", **values: Any) -> Request:
    return Request(({"role": "user", "content": text},), **values)


def drop_usage(answer: dict[str, Any]) -> None:
    del answer["usage"]


def no_numbers(answer: dict[str, Any]) -> None:
    answer["usage"]["completion_tokens"] = None


def no_choice(answer: dict[str, Any]) -> None:
    answer["choices"] = []


def tool_call(answer: dict[str, Any]) -> None:
    answer["choices"][0]["message"] = {"content": None, "tool_calls": [{"id": "1"}]}


def filtered(answer: dict[str, Any]) -> None:
    answer["choices"][0]["finish_reason"] = "content_filter"


PASSING: dict[str, Plan] = {
    "429": status(429, "slow down", Retry_After="0.05"),
    "500": status(500),
    "503": status(503, "starting"),
    "408": status(408),
    "cut": cut,
    "no choice": changed(no_choice),
    "hung up": hang_up,
}
LASTING: dict[str, tuple[Plan, str, int]] = {
    "429": (status(429), "RateLimitedError", 3),
    "500": (status(500), "ServerFaultError", 3),
    "cut": (cut, "CutAnswerError", 3),
    "no choice": (changed(no_choice), "NoChoiceError", 3),
    "hung up": (hang_up, "UnreachableError", 3),
    "a list": (changed(lambda answer: [answer]), "UnusableAnswerError", 1),
    "wrong model": (changed(lambda answer: answer.update(model="other")), "WrongModelError", 1),
    "no usage": (changed(drop_usage), "NoUsageError", 1),
    "no numbers": (changed(no_numbers), "NoUsageError", 1),
    "tool call": (changed(tool_call), "UnusableAnswerError", 1),
    "filtered": (changed(filtered), "UnusableAnswerError", 1),
    "401": (status(401), "AuthenticationError", 1),
    "404": (status(404, "no such model"), "RequestRefusedError", 1),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_asked_again(name: str, endpoint: Endpoint, client_for: Make) -> None:
    endpoint.plans.append(PASSING[name])
    [done] = client_for().complete([ask()])
    assert (done.text, done.input_tokens, done.output_tokens) == ("echo hello", 7, 3)
    assert len(endpoint.seen) == 2


@pytest.mark.parametrize("name", LASTING)
def test_what_stays_fails_one_turn_by_name(name: str, endpoint: Endpoint, client_for: Make) -> None:
    plan, error, times = LASTING[name]

    def one_of_three(handler: Any, body: dict[str, Any]) -> None:
        (plan if body["messages"][-1]["content"] == "b" else good)(handler, body)

    endpoint.always = one_of_three
    done = client_for().complete([ask(text) for text in "abc"])
    assert [one.text for one in done] == ["echo a", "", "echo c"]
    failed = done[1]
    assert isinstance(failed, FailedCompletion)
    assert failed.error.startswith(f"{error}: ")
    assert (failed.output_tokens, failed.finish) == (0, "length"), "no loop goes on from here"
    asked = [body["messages"][-1]["content"] for _, _, body in endpoint.seen]
    assert asked.count("b") == times


@pytest.mark.parametrize("plan", [hang, trickle])
def test_a_deadline_covers_the_whole_answer(
    plan: Plan, endpoint: Endpoint, client_for: Make
) -> None:
    endpoint.plans.append(plan)
    start = time.perf_counter()
    [late] = client_for(timeout_s=0.3, attempts=1).complete([ask()])
    assert time.perf_counter() - start < 3
    assert isinstance(late, FailedCompletion)
    assert "TimedOutError" in late.error and "0.3 s" in late.error
    [again] = client_for(timeout_s=3.0).complete([ask()])
    assert again.text == "echo hello"


def test_connection_refused_is_named_with_its_address(client_for: Make) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    [failed] = client_for(url=f"http://127.0.0.1:{port}/v1", attempts=2).complete([ask()])
    assert isinstance(failed, FailedCompletion)
    assert "UnreachableError" in failed.error and f"127.0.0.1:{port}" in failed.error


def test_an_endless_answer_is_cut_off(
    endpoint: Endpoint, client_for: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.server.client.MOST_BYTES", 1 << 20)
    endpoint.plans.append(status(200, "x" * (2 << 20)))
    [failed] = client_for().complete([ask()])
    assert isinstance(failed, FailedCompletion)
    assert "longer than 1 MiB" in failed.error


def test_a_dead_server_stops_the_run_and_a_single_failure_does_not(
    endpoint: Endpoint, client_for: Make
) -> None:
    model = client_for(attempts=1, give_up_after=3, concurrency=1)
    bad = status(404)
    endpoint.plans.extend([bad, bad, good, bad, bad, good])
    done = model.complete([ask()] * 6)
    assert [isinstance(one, FailedCompletion) for one in done] == [True, True, False] * 2
    endpoint.always = bad
    with pytest.raises(ServerGoneError, match=r"3 turns in a row .*RequestRefusedError"):
        model.complete([ask()] * 6)


def test_waits_double_with_seeded_jitter_and_honour_the_server() -> None:
    config = ServerConfig(url="http://localhost/v1", model="m", backoff_s=1.0, max_wait_s=20.0)
    error = RateLimitedError("429")
    waits = [wait_s(config, random.Random(5), n, error) for n in range(1, 9)]
    assert waits == [wait_s(config, random.Random(5), n, error) for n in range(1, 9)]
    ceilings = [1, 2, 4, 8, 16, 20, 20, 20]
    assert all(c / 2 <= w <= c for w, c in zip(waits, ceilings, strict=True))
    assert wait_s(config, random.Random(6), 1, error) != waits[0]
    error.retry_after_s = 11.0
    assert wait_s(config, random.Random(5), 1, error) == 11.0
    error.retry_after_s = 3600.0
    with pytest.raises(RateLimitedError):
        wait_s(config, random.Random(5), 1, error)


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 11, 21, 7, 0, 0, tzinfo=UTC)
    assert parse_retry_after("2", now) == 2.0
    assert parse_retry_after("Sat, 21 Nov 2026 07:00:30 GMT", now) == 30.0
    assert parse_retry_after("Sat, 21 Nov 2026 06:00:00 GMT", now) == 0.0
    assert [parse_retry_after(bad, now) for bad in (None, "soon", "nan", "inf")] == [None] * 4


def test_retry_after_is_waited_for(endpoint: Endpoint, client_for: Make) -> None:
    endpoint.plans.append(status(429, "", Retry_After="0.4"))
    start = time.perf_counter()
    [done] = client_for().complete([ask()])
    assert time.perf_counter() - start >= 0.4
    assert done.text == "echo hello"
    assert done.seconds < 0.4, "an agent's clock doesn't run while the server turns it away"
