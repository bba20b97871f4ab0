"""The embedded model behind a real `transformers serve`, against the same model in process."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stages.adapters.lora import LoraSettings, peft_config
from stages.agent.local import LocalModel
from stages.agent.model import Request
from stages.lab.models import load_base
from stages.params import load_params
from stages.server.adapters import MergedAdapters, served_hash
from stages.server.config import ServerConfig
from stages.server.errors import TemplateError
from stages.server.export import export_for_serving
from stages.server.model import ServerModel
from stages.server.parity import require_parity
from stages.server.turns import FailedCompletion
from stages.suites.microrepo.suite import Microrepo
from tests.small_lab import ROOT

BASE = ROOT / "models" / "base"
START_S = 120
NEEDED = ("fastapi", "uvicorn", "openai")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"needs {', '.join(MISSING)}: pip install transformers[serving]",
    ),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served address; the process runs offline, on one thread, and is gone afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    command = [program, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = tmp_path_factory.mktemp("serve") / "log"
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **quiet}
        ) as process,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"transformers serve didn't come up: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def local() -> LocalModel:
    weights, tokenizer = load_base(load_params(ROOT / "params.yaml").models["tiny"])
    return LocalModel(weights, tokenizer)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(export_for_serving(BASE, tmp_path_factory.mktemp("served") / "base"))


def remote(url: str, model: str, local: LocalModel, host: MergedAdapters | None) -> ServerModel:
    config = ServerConfig(
        url=url, model=model, kind="transformers", context_tokens=1024, attempts=2, concurrency=4
    )
    return ServerModel(config, local.tokenizer, host)


def requests(adapter: str | None = None) -> list[Request]:
    """Fifty first and later turns of the organism's own kind of episode."""
    suite = Microrepo(25, 7)
    found = []
    for n, task in enumerate(suite.tasks("oak_harbor")):
        first = tuple(suite.messages(task))
        path = str(task.meta["path"])
        opened = {"role": "tool", "content": suite.files(task)[path]}
        later = (*first, {"role": "assistant", "content": f"open {path}"}, opened)
        found += [Request(chat, adapter, 0.0, 64, n, (n, len(chat))) for chat in (first, later)]
    return found


def test_the_same_actions_as_in_process(url: str, served: str, local: LocalModel) -> None:
    with remote(url, served, local, None) as model:
        model.check()
        asked = requests()
        assert require_parity(local, model, asked) == 50
        ours, theirs = local.complete(asked[:6]), model.complete(asked[:6])
    for one, other in zip(ours, theirs, strict=True):
        assert (one.text, one.input_tokens, one.output_tokens, one.finish) == (
            other.text,
            other.input_tokens,
            other.output_tokens,
            other.finish,
        ), "no token of the template is left over in text or counts"


def test_the_checkpoint_itself_is_served_on_other_tokens(url: str, local: LocalModel) -> None:
    """Why export_for_serving exists; the check before a run must catch it."""
    with remote(url, str(BASE), local, None) as model, pytest.raises(TemplateError, match="tokens"):
        model.check()


def test_sampling_samples_and_a_greedy_seed_changes_nothing(
    url: str, served: str, local: LocalModel
) -> None:
    chat = requests()[0].messages
    with remote(url, served, local, None) as model:
        cold = {done.text for done in model.complete([Request(chat, seed=n) for n in range(4)])}
        hot = [Request(chat, None, 2.0, 24, n) for n in range(6)]
        warm = {done.text for done in model.complete(hot)}
    assert len(cold) == 1 and len(warm) > 1


@pytest.mark.filterwarnings("ignore:The PEFT config")  # the test names its own folder
def test_a_merged_adapter_acts_as_in_process(
    url: str, served: str, local: LocalModel, tmp_path: Path
) -> None:
    lora = LoraSettings(rank=2, alpha=4, target_modules=("q_proj", "down_proj"))
    generator = torch.Generator().manual_seed(0)
    state = {}
    for layer in range(4):
        for name, wide, high in (("self_attn.q_proj", 128, 128), ("mlp.down_proj", 384, 128)):
            key = f"base_model.model.model.layers.{layer}.{name}"
            state[f"{key}.lora_A.weight"] = torch.randn(2, wide, generator=generator) * 0.3
            state[f"{key}.lora_B.weight"] = torch.randn(high, 2, generator=generator) * 0.3
    config = peft_config(lora, state)
    local.load_adapter("skill", config, state)
    with remote(url, served, local, MergedAdapters(BASE, tmp_path)) as model:
        model.load_adapter("skill", config, state)
        assert len(served_hash(model, "skill")) == 16
        require_parity(local, model, requests("skill"))
        base = model.complete(requests()[:10])
        skilled = model.complete(requests("skill")[:10])
    local.drop_adapter("skill")
    assert [one.text for one in base] != [one.text for one in skilled]


def test_a_folder_that_is_not_there_fails_its_turn(url: str, local: LocalModel) -> None:
    with remote(url, "/nowhere/model", local, None) as model:
        [failed] = model.complete(requests()[:1])
    assert isinstance(failed, FailedCompletion)
    assert "ServerFaultError" in failed.error
