"""A model entry with a server: the client it gives, and what stops a run before it begins."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.agent.chat import render_prompt
from stages.agent.model import Request
from stages.lab import chosen
from stages.lab.models import load_tokenizer, local_model
from stages.lab.served import config_of
from stages.params import ModelParams, ServerParams
from stages.server.adapters import MergedAdapters, VllmAdapters
from stages.server.errors import TemplateError
from stages.server.parity import ParityError
from tests.server.misbehaving import Endpoint, chat, serving
from tests.small_lab import ROOT, small_lab

LAB = small_lab()
TINY = dataclasses.replace(LAB.model, path=str(ROOT / "models" / "base"))
OPENINGS = [LAB.suite.messages(task, ()) for task in LAB.suite.tasks("oak_harbor")]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as opened:
        yield opened


def served_by(endpoint: Endpoint, folder: Path, **changes: Any) -> ModelParams:
    values: dict[str, Any] = {
        "url": endpoint.url,
        "kind": "vllm",
        "model": "organism",
        "folder": str(folder),
        "parity_prompts": 0,
    }
    return dataclasses.replace(TINY, server=ServerParams(**(values | changes)))


class Honest:
    """Answers as the weights in process do, or as ``act`` says; counts prompts as we do."""

    def __init__(self, act: Any = None, extra: int = 0) -> None:
        self.tokenizer, self.extra = load_tokenizer(TINY), extra
        self.act = act

    def __call__(self, handler: Any, body: dict[str, Any]) -> None:
        count = len(render_prompt(self.tokenizer, body["messages"])) + self.extra
        text = self.act(body["messages"]) if self.act else "submit"
        handler.reply(200, chat(text, body["model"], prompt=count))


def test_a_server_entry_gives_a_client_that_was_answered(endpoint: Endpoint, tmp_path: Path):
    endpoint.always = Honest()
    model = chosen.open_model(served_by(endpoint, tmp_path), OPENINGS)
    assert model.config.context_tokens == TINY.context_tokens
    assert isinstance(model.host, VllmAdapters) and model.host.folder == tmp_path
    assert len(endpoint.seen) >= 2


def test_another_chat_template_there_stops_the_run(endpoint: Endpoint, tmp_path: Path):
    endpoint.always = Honest(extra=1)
    with pytest.raises(TemplateError, match="prompts than it learned from"):
        chosen.open_model(served_by(endpoint, tmp_path), OPENINGS)


def test_another_model_there_stops_the_run_at_the_first_other_action(
    endpoint: Endpoint, tmp_path: Path
):
    local = local_model(TINY)
    one_at_a_time = threading.Lock()
    params = served_by(endpoint, tmp_path, parity_prompts=6)

    def greedy(messages: list[dict[str, str]]) -> str:
        with one_at_a_time:  # the server answers in threads
            return local.complete([Request(tuple(messages), max_new_tokens=64)])[0].text

    endpoint.always = Honest(greedy)
    chosen.open_model(params, OPENINGS).close()
    endpoint.always = Honest(lambda messages: "submit")
    with pytest.raises(ParityError, match="first on prompt 1 of 6"):
        chosen.open_model(params, OPENINGS)


def test_no_parity_is_asked_of_weights_that_do_not_fit_here(endpoint: Endpoint, tmp_path: Path):
    endpoint.always = Honest(lambda messages: "submit")
    params = served_by(endpoint, tmp_path, parity_prompts=0)
    chosen.open_model(params, OPENINGS).close()


def test_a_copy_for_transformers_serve_is_made_once(endpoint: Endpoint, tmp_path: Path):
    params = served_by(endpoint, tmp_path, kind="transformers", model=None)
    assert params.server is not None
    first = Path(config_of(params, params.server).model)
    made = (first / "model.safetensors").stat().st_mtime_ns
    assert config_of(params, params.server).model == str(first)
    assert (first / "model.safetensors").stat().st_mtime_ns == made
    endpoint.always = Honest()
    host = chosen.open_model(params, OPENINGS).host
    assert isinstance(host, MergedAdapters) and host.base == Path(TINY.path)


def test_the_server_is_part_of_the_rooms_only_where_it_plays() -> None:
    suite = LAB.params.suites["microrepo"]
    served = LAB.params.models["tiny_served"]
    assert chosen.rooms(suite, TINY) == ("suites.microrepo.suite", "lab.models")
    assert chosen.rooms(suite, served) == ("suites.microrepo.suite", "lab.served")
