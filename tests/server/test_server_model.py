"""What is sent, counted and paid; keys; contexts; streams."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.agent.model import Request, StreamingModel
from stages.records import RecordError
from stages.server.config import Prices, ServerConfig
from stages.server.errors import (
    AuthenticationError,
    ServedAdapterError,
    ServerConfigError,
    ServerError,
    SpendingLimitError,
    TemplateError,
)
from stages.server.model import ServerModel
from stages.server.turns import FailedCompletion
from stages.server.usage import Ledger, Usage
from tests.agent.tiny import tiny_tokenizer
from tests.server.misbehaving import Endpoint, chat, good, status

Make = Callable[..., ServerModel]
KEY = "sk-Geheim/77+42"


def ask(text: str = "hello", **values: Any) -> Request:
    return Request(({"role": "user", "content": text},), **values)


def test_a_request_says_model_chat_temperature_seed_and_length(
    endpoint: Endpoint, client_for: Make
) -> None:
    asked = Request(
        ({"role": "system", "content": "s"}, {"role": "tool", "content": "t"}),
        temperature=0.5,
        max_new_tokens=9,
        seed=(1 << 40) + 3,
    )
    client_for().complete([asked])
    client_for(kind="vllm", fold_roles=True, extra_body=(("top_k", 5),)).complete([asked])
    client_for(kind="transformers").complete([asked])
    bodies = [body for _, _, body in endpoint.seen]
    chats = list(asked.messages)
    common = {"model": "organism", "messages": chats, "temperature": 0.5, "seed": 3}
    folded = [{"role": "user", "content": "s\n\nt"}]
    sampling = {"do_sample": True, "top_k": 0, "top_p": 1.0}
    assert bodies[0] == {**common, "max_completion_tokens": 9}
    assert bodies[1] == {**common, "messages": folded, "max_tokens": 9, "top_k": 5}
    assert json.loads(bodies[2].pop("generation_config")) == sampling
    assert bodies[2] == {**common, "max_tokens": 9}


def test_never_more_in_flight_than_allowed_and_answers_keep_their_order(
    endpoint: Endpoint, client_for: Make
) -> None:
    three = threading.Barrier(3)

    def together(handler: Any, body: dict[str, Any]) -> None:
        three.wait(timeout=4)
        good(handler, body)

    endpoint.always = together
    done = client_for(concurrency=3).complete([ask(str(n)) for n in range(12)])
    assert [one.text for one in done] == [f"echo {n}" for n in range(12)]
    assert endpoint.most == 3


def test_a_stream_gives_back_what_ends_first(endpoint: Endpoint, client_for: Make) -> None:
    def by_name(handler: Any, body: dict[str, Any]) -> None:
        slow = body["messages"][-1]["content"] == "slow"
        endpoint.slow(0.4 if slow else 0.0)(handler, body)

    endpoint.always = by_name
    model = client_for()
    assert isinstance(model, StreamingModel)
    stream = model.stream()
    stream.submit([(1, ask("slow")), (2, ask("quick"))])
    assert [(tag, done.text) for tag, done in stream.poll()] == [(2, "echo quick")]
    stream.submit([(3, ask("next"))])
    rest = [*stream.poll(), *stream.poll()]
    assert [(tag, done.text) for tag, done in rest] == [(3, "echo next"), (1, "echo slow")]


def test_the_key_comes_from_the_environment_and_stays_there(
    endpoint: Endpoint,
    client_for: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SERVER_KEY", KEY + "\n")
    model = client_for(api_key_env="SERVER_KEY", ledger=str(tmp_path / "l"), attempts=1)
    endpoint.plans.append(status(200, chat("submit", "organism")))
    endpoint.plans.extend(status(code, f"bad key Bearer {KEY}") for code in (401, 500, 200, 404))
    done = model.complete([ask()] * 5)
    assert {headers["Authorization"] for _, headers, _ in endpoint.seen} == {f"Bearer {KEY}"}
    failed = [one.error for one in done if isinstance(one, FailedCompletion)]
    assert len(failed) == 4 and all("[key]" in error for error in failed)
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    out = "".join(capfd.readouterr())
    for place in (*failed, caplog.text, out, written, repr(model.config), repr(vars(model))):
        assert KEY not in place


@pytest.mark.parametrize("content", ["", "two words", "schlüssel", "a\x01b"])
def test_a_missing_or_broken_key_is_told_before_any_work(
    content: str, client_for: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_KEY", content)
    with pytest.raises(ServerConfigError, match="environment variable SERVER_KEY") as caught:
        client_for(api_key_env="SERVER_KEY")
    assert not content or content not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://host/v1", "http://me:pa55@host/v1", "http://h/v1?k=pa55"]
)
def test_a_url_is_an_address_without_secrets(url: str) -> None:
    with pytest.raises(ServerConfigError) as caught:
        ServerConfig(url=url, model="m")
    assert "pa55" not in str(caught.value)


def test_usage_is_priced_and_kept_over_a_kill(
    endpoint: Endpoint, client_for: Make, tmp_path: Path
) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 400}}
    endpoint.always = status(200, chat("submit", "organism", 1000, 100, **details))
    prices = Prices(input_per_million=10, cached_per_million=1, output_per_million=50, limit=0.03)
    ledger = str(tmp_path / "ledger.jsonl")
    first = client_for(prices=prices, ledger=ledger, concurrency=1)
    [done] = first.complete([ask()])
    assert (done.input_tokens, done.cached_tokens, done.output_tokens) == (1000, 400, 100)
    assert first.ledger.spent == pytest.approx((600 * 10 + 400 * 1 + 100 * 50) / 1e6)
    with Path(ledger).open("a") as file:
        file.write('{"prompt_tok')  # a kill in the middle of a line
    second = client_for(prices=prices, ledger=ledger, concurrency=1)
    with pytest.raises(SpendingLimitError, match=r"0.0342 USD are spent, the limit is 0.03"):
        second.complete([ask()] * 10)
    assert len(endpoint.seen) == 3
    assert Ledger(prices, Path(ledger)).total == Usage(3000, 1200, 300)


def test_a_malformed_answer_is_paid_for_too(endpoint: Endpoint, client_for: Make) -> None:
    endpoint.always = status(200, chat("submit", "another", 50, 5))
    model = client_for()
    model.complete([ask()])
    assert (model.ledger.total, model.ledger.failures) == (Usage(50, 0, 5), 1)


def test_a_broken_ledger_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"prompt_tokens":1,"cached_tokens":0,"completion_tokens":1}\nnonsense\n')
    with pytest.raises(RecordError, match="line 2"):
        Ledger(Prices(), path)


FULL = "This model's maximum context length is {0} tokens. However, "


@pytest.mark.parametrize(
    "said",
    [
        "your request has 90 input tokens plus 40 'max_tokens'.",
        "you requested 130 tokens (90 in the messages, 40 in the completion).",
    ],
)
def test_a_nearly_full_context_leaves_the_room_there_is(
    said: str, endpoint: Endpoint, client_for: Make
) -> None:
    endpoint.plans.append(status(400, {"error": {"message": FULL.format(100) + said}}))
    [done] = client_for(kind="vllm").complete([ask(max_new_tokens=40)])
    assert done.text == "echo hello"
    assert [body["max_tokens"] for _, _, body in endpoint.seen] == [40, 10]


def test_a_full_context_ends_the_turn_as_it_does_in_process(
    endpoint: Endpoint, client_for: Make
) -> None:
    endpoint.always = status(400, FULL.format(100) + "your messages resulted in 120 tokens")
    [done] = client_for().complete([ask()])
    assert not isinstance(done, FailedCompletion)
    assert (done.text, done.input_tokens, done.output_tokens, done.finish) == ("", 120, 0, "length")


def test_with_a_tokenizer_the_context_is_counted_before_sending(
    endpoint: Endpoint, client_for: Make
) -> None:
    model = client_for(kind="vllm", tokenizer=tiny_tokenizer(), context_tokens=20)
    done = model.complete([ask("x" * 9, max_new_tokens=40), ask("x" * 30)])
    assert [body["max_tokens"] for _, _, body in endpoint.seen] == [20 - (1 + 9 + 1 + 1)]
    assert (done[1].input_tokens, done[1].output_tokens, done[1].finish) == (33, 0, "length")
    assert model.count_tokens("abcd") == 4


def test_check_tells_a_wrong_key_a_wrong_model_and_another_template(
    endpoint: Endpoint, client_for: Make
) -> None:
    client_for().check()
    endpoint.plans.append(status(401))
    with pytest.raises(AuthenticationError, match="`api_key_env`"):
        client_for().check()
    endpoint.plans.append(status(404, "The model `organism` does not exist."))
    with pytest.raises(ServerError, match="does not exist"):
        client_for().check()
    with pytest.raises(TemplateError, match="7 tokens there and 12 in training"):
        client_for(tokenizer=tiny_tokenizer()).check()


def test_an_adapter_that_is_not_loaded_stops_the_run(client_for: Make) -> None:
    with pytest.raises(ServedAdapterError, match="'skill' isn't loaded"):
        client_for().complete([ask(adapter="skill")])
    with pytest.raises(ServedAdapterError, match="serves no adapters"):
        client_for().load_adapter("skill", None, {})
