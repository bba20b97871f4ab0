from __future__ import annotations

import pytest

from stages.agent.model import Request
from stages.agent.scripted import ScriptedModel
from stages.server.model import ServerModel
from stages.server.parity import ParityError, require_parity
from tests.server.misbehaving import Endpoint, status

ANSWERS = {n: [f"I read it.\nopen file{n}.py"] for n in range(50)}


def requests(count: int = 50, temperature: float = 0.0) -> list[Request]:
    chat = ({"role": "user", "content": "x"},)
    return [Request(chat, temperature=temperature, key=n) for n in range(count)]


def test_equal_actions_pass_whatever_is_said_around_them() -> None:
    other = {n: [f"open file{n}.py"] for n in ANSWERS}
    assert require_parity(ScriptedModel(ANSWERS), ScriptedModel(other), requests()) == 50


def test_the_first_difference_is_named_with_both_texts() -> None:
    planted = {**ANSWERS, 30: ["open file3.py"], 17: ["open file17.py 1 2"]}
    with pytest.raises(ParityError) as caught:
        require_parity(ScriptedModel(ANSWERS), ScriptedModel(planted), requests())
    message = str(caught.value)
    assert "prompt 18 of 50 (17)" in message
    assert repr(ANSWERS[17][0]) in message and repr("open file17.py 1 2") in message


def test_texts_without_an_action_must_be_the_same() -> None:
    silent = {n: ["nothing to do"] for n in ANSWERS}
    assert require_parity(ScriptedModel(silent), ScriptedModel(silent), requests()) == 50
    with pytest.raises(ParityError, match="prompt 1 of 50"):
        other = {n: ["nothing at all"] for n in ANSWERS}
        require_parity(ScriptedModel(silent), ScriptedModel(other), requests())


def test_a_turn_that_failed_is_no_agreement(endpoint: Endpoint, client_for) -> None:
    endpoint.always = status(404, "gone")
    model: ServerModel = client_for(give_up_after=100)
    silent = ScriptedModel({n: [""] for n in ANSWERS})
    with pytest.raises(ParityError, match="server didn't answer prompt 1: RequestRefusedError"):
        require_parity(silent, model, requests())


def test_sampled_or_few_prompts_prove_nothing() -> None:
    model = ScriptedModel(ANSWERS)
    with pytest.raises(ValueError, match="temperature"):
        require_parity(model, model, requests(temperature=0.3))
    with pytest.raises(ValueError, match="at least 50"):
        require_parity(model, model, requests(49))
