"""Adapters on a vLLM-like server, by the tensors' hash (check 5).

The server here follows vLLM's interface (load, unload, list) and no more: vLLM itself needs a
GPU and an environment of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stages.adapters.lora import LoraSettings, adapter_sha256, peft_config
from stages.agent.model import Request
from stages.records import read_json
from stages.server.adapters import VllmAdapters, served_hash
from stages.server.errors import ServedAdapterError
from stages.server.model import ServerModel
from stages.server.turns import FailedCompletion
from tests.server.misbehaving import Endpoint, Handler, chat

Make = Callable[..., ServerModel]
LORA = LoraSettings(rank=2, alpha=4, target_modules=("q_proj",))


class Vllm:
    """Adapters by name, as vLLM keeps them."""

    def __init__(self) -> None:
        self.loaded: dict[str, str] = {}
        self.enabled, self.forgets = True, False
        self.answers_as = ""

    def __call__(self, handler: Handler, body: dict[str, Any]) -> None:
        match handler.path.removeprefix("/v1"):
            case "/models":
                rows = [{"id": name, "root": root} for name, root in self.loaded.items()]
                handler.reply(200, {"data": [{"id": "organism", "root": "base"}, *rows]})
            case "/load_lora_adapter" if not self.enabled:
                handler.reply(404, {"detail": "Not Found"})
            case "/load_lora_adapter" if body["lora_name"] in self.loaded:
                handler.reply(400, "has already been loaded")
            case "/load_lora_adapter":
                self.loaded[body["lora_name"]] = body["lora_path"]
                handler.reply(200, "Success: LoRA adapter added successfully.")
            case "/unload_lora_adapter":
                if not self.forgets:
                    del self.loaded[body["lora_name"]]
                handler.reply(200, "Success: LoRA adapter removed successfully.")
            case _ if body["model"] in {"organism", *self.loaded}:
                handler.reply(200, chat("submit", self.answers_as or body["model"]))
            case _:
                handler.reply(404, f"The model `{body['model']}` does not exist.")


@pytest.fixture
def vllm(endpoint: Endpoint) -> Iterator[Vllm]:
    endpoint.always = vllm = Vllm()
    yield vllm


def tensors(value: float = 1.0) -> dict[str, torch.Tensor]:
    name = "base_model.model.model.layers.0.self_attn.q_proj"
    return {
        f"{name}.lora_A.weight": torch.full((2, 8), value),
        f"{name}.lora_B.weight": torch.ones(8, 2),
    }


def load(model: ServerModel, state: dict[str, torch.Tensor], name: str = "skill") -> None:
    model.load_adapter(name, peft_config(LORA, state), state)


def test_an_adapter_is_asked_for_by_the_hash_of_its_tensors(
    vllm: Vllm, endpoint: Endpoint, client_for: Make, tmp_path: Path
) -> None:
    model = client_for(host=VllmAdapters(tmp_path, seen_as="/adapters"))
    load(model, tensors())
    digest = adapter_sha256(tensors())
    served = f"carryover-{digest[:16]}"
    assert vllm.loaded == {served: f"/adapters/{served}"}
    assert adapter_sha256(load_file(tmp_path / served / "adapter_model.safetensors")) == digest
    config = read_json(tmp_path / served / "adapter_config.json")
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (2, 4, "LORA")
    asked = Request(({"role": "user", "content": "x"},), adapter="skill")
    assert model.complete([asked])[0].text == "submit"
    assert endpoint.seen[-1][2]["model"] == served
    assert digest.startswith(served_hash(model, "skill"))


def test_other_tensors_under_the_same_name_are_another_adapter(
    vllm: Vllm, client_for: Make, tmp_path: Path
) -> None:
    model = client_for(host=VllmAdapters(tmp_path))
    load(model, tensors(1.0))
    first = model.served_name("skill")
    load(model, tensors(2.0))
    assert model.served_name("skill") != first
    assert list(vllm.loaded) == [model.served_name("skill")]
    model.drop_adapter("skill")
    assert vllm.loaded == {}
    with pytest.raises(ServedAdapterError, match="isn't loaded"):
        model.served_name("skill")


def test_an_adapter_left_from_an_earlier_run_is_used_when_it_is_the_same(
    vllm: Vllm, client_for: Make, tmp_path: Path
) -> None:
    load(client_for(host=VllmAdapters(tmp_path)), tensors())
    load(client_for(host=VllmAdapters(tmp_path)), tensors())
    assert len(vllm.loaded) == 1
    [name] = vllm.loaded
    vllm.loaded[name] = "/elsewhere"
    with pytest.raises(ServedAdapterError, match=r"lists one from /elsewhere .*check 5"):
        load(client_for(host=VllmAdapters(tmp_path)), tensors())


def test_a_changed_file_is_written_again(vllm: Vllm, client_for: Make, tmp_path: Path) -> None:
    load(client_for(host=VllmAdapters(tmp_path)), tensors())
    [name] = vllm.loaded
    path = tmp_path / name / "adapter_model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + b"\0\0\0\0")
    load(client_for(host=VllmAdapters(tmp_path)), tensors())
    assert path.read_bytes() == whole


def test_an_answer_by_the_base_in_the_adapters_stead_is_caught(
    vllm: Vllm, client_for: Make, tmp_path: Path
) -> None:
    model = client_for(host=VllmAdapters(tmp_path))
    load(model, tensors())
    vllm.answers_as = "organism"
    asked = Request(({"role": "user", "content": "x"},), adapter="skill")
    [done] = model.complete([asked])
    assert isinstance(done, FailedCompletion)
    assert done.error.startswith("WrongModelError")


def test_a_server_without_runtime_adapters_says_how_to_start_it(
    vllm: Vllm, client_for: Make, tmp_path: Path
) -> None:
    vllm.enabled = False
    model = client_for(host=VllmAdapters(tmp_path))
    with pytest.raises(ServedAdapterError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
        load(model, tensors())
    vllm.enabled, vllm.forgets = True, True
    load(model, tensors())
    with pytest.raises(ServedAdapterError, match="still lists"):
        model.drop_adapter("skill")
