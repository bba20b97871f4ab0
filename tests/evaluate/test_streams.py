"""What a stream's adapters are asked, and under which mixture."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.adapters.lora import LoraSettings, adapter_sha256, adapter_state, attached
from stages.agent.local import LocalConfig, LocalModel
from stages.agent.model import Request
from stages.evaluate import streams
from stages.evaluate.serving import Embedder, Routed, Serving
from stages.lab.context import Lab
from stages.lab.forcing import force
from stages.lab.streams import stream_place
from stages.records import RecordError, Trajectory, read_jsonl, write_json
from stages.strategies.experts import Experts
from stages.strategies.protocol import ADAPTER, State
from stages.strategies.store import save_state
from tests.small_stream import SPLIT, WORLD, small_base, stream_lab, write_inputs

ARMS = {"naive": ("naive", {})}
LORA = LoraSettings(rank=2, alpha=4.0, seed=1)


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return LocalModel(*small_base(), LocalConfig(max_context_tokens=256))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def random_adapter(seed: int):
    base, _ = small_base()
    generator = torch.Generator().manual_seed(seed)
    with attached(base, LORA) as wrapped:
        state = adapter_state(wrapped)
    drawn = {k: torch.randn(v.shape, generator=generator) * 0.1 for k, v in state.items()}
    return drawn, LORA


def consolidated(lab, arm: str = "naive") -> None:
    """Three consolidations of ``arm`` as the training stage leaves them, of random adapters."""
    place = stream_place(lab, WORLD, SPLIT, arm, 0)
    for number in (1, 2, 3):
        folder = place.path / f"c{number:04}"
        save_state(folder, State(adapters={ADAPTER: random_adapter(number)}))
        write_json(folder / "facts.json", {"base": lab.base_sha256()})


def fake_play(lab, model, harness, condition, plan) -> Any:
    names = [(task.instance_id, a) for task in plan.tasks for a in range(plan.attempts)]
    shared = {"condition": condition.name, "hash": condition.adapter_hash, "seed": plan.seed}
    infos = [{"instance_id": name, "attempt": a, **shared} for name, a in names]
    assert condition.adapter in model._inner
    return [Trajectory((), info) for info in infos], infos


def test_the_files_of_a_stream(model, monkeypatch):
    lab = stream_lab(ARMS)
    examples = write_inputs(lab, Path())
    consolidated(lab)
    monkeypatch.setattr(streams, "play", fake_play)
    monkeypatch.setattr(Lab, "open_harness", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(streams, "run_jobs", lambda jobs, *_: [job() for job in jobs])
    streams.evaluate_streams(lab, model).sweep()
    root = Path("data/evaluations/p1/streams/oak_harbor/A/naive-s0")
    assert sorted(path.name for path in root.glob("*.jsonl")) == [
        "retention.jsonl",
        "tasks-c0003.jsonl",
    ]
    rows = read_jsonl(root / "retention.jsonl", dict)
    counts = [sum(row["consolidation"] == number for row in rows) for number in (1, 2, 3)]
    assert counts == [3, 6, 9]
    assert {row["origin"] for row in rows if row["consolidation"] == 1} == {1, 2}
    last = {row["example_id"]: row for row in rows if row["consolidation"] == 3}
    base, tokenizer = small_base()
    state, lora = random_adapter(3)
    with attached(base, lora, state) as wrapped:
        wanted = force(wrapped, tokenizer, examples[:9])
    for example, forced in zip(examples, wanted, strict=False):
        row = last[example.example_id]
        assert row["loss"] == pytest.approx(forced.loss, abs=1e-5)
        assert (row["kept"], row["skill"]) == (int(forced.kept), example.skill)
    played = [t.info for t in read_jsonl(root / "tasks-c0003.jsonl", Trajectory)]
    tasks = [task.instance_id for task in lab.suite.tasks(WORLD)]
    assert [info["instance_id"] for info in played] == [*tasks[:6], *tasks[12:15]]
    assert {info["hash"] for info in played} == {adapter_sha256(state)}
    assert not model._inner


def test_before_the_end_the_next_tasks_are_played_too(model):
    lab = stream_lab(ARMS)
    write_inputs(lab, Path())
    consolidated(lab)
    stage = streams.Stage(lab, streams.Cells(Path("out"), "evaluate.streams"), model)
    [place] = streams.stream_places(lab)
    first = stage.material[WORLD, SPLIT].steps[0]
    tasks = [task.instance_id for task in lab.suite.tasks(WORLD)]
    assert [task.instance_id for task in stage.tasks(place, first)] == [*tasks[:4], *tasks[12:15]]


def test_adapters_of_another_base_are_refused(model):
    lab = stream_lab(ARMS)
    write_inputs(lab, Path())
    consolidated(lab)
    Path("models/base/model.safetensors").write_bytes(b"another model")
    stage = streams.Stage(lab, streams.Cells(Path("out"), "evaluate.streams"), model)
    [place] = streams.stream_places(lab)
    with pytest.raises(RecordError, match="another base model"):
        stage.retained(place, stage.material[WORLD, SPLIT].steps[0])


def chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


class ByLength(Experts):
    """Experts whose router is known: short queries go to a, long ones to both."""

    def serve(self, state, queries):
        return [{"a": 1.0} if q.sum() < 0 else {"a": 0.25, "b": 0.75} for q in queries]


class Lengths(Embedder):
    def __call__(self, queries):
        return torch.tensor([[-1.0 if len(q[0]["content"]) < 5 else 1.0] for q in queries])


def serving(model: LocalModel) -> Serving:
    experts = ByLength(taxonomy={"a": ("x",), "b": ("y",)}, rank_sum=4)
    state = State(adapters={"a": random_adapter(1), "b": random_adapter(2)})
    return Serving(experts, state, Lengths(model), "mixed")


def test_queries_of_equal_weights_share_one_adapter(model):
    groups = serving(model).groups([chat("abc"), chat("a long query"), chat("xyz")])
    assert [places for _, places in groups] == [[1], [0, 2]]
    single = next(adapter for adapter, places in groups if places == [0, 2])
    assert adapter_sha256(single[0]) == adapter_sha256(random_adapter(1)[0])


def test_routed_requests_are_answered_each_under_its_own_mixture(model):
    asked = [Request(tuple(chat(text)), None, 0.0, 6, 1, (text,)) for text in ("ab", "long one")]
    ready = serving(model)
    found = Routed(model, ready).complete(asked)
    for adapter, [place] in ready.groups([request.messages for request in asked]):
        with ready.attached(model, adapter):
            [alone] = model.complete([dataclasses.replace(asked[place], adapter="mixed")])
        assert found[place].text == alone.text
    assert not model._inner


def test_queries_are_embedded_once_under_the_base(model):
    embedder = Embedder(model)
    first = embedder([chat("one"), chat("two"), chat("one")])
    assert first.shape == (3, 64)
    assert torch.equal(first[0], first[2])
    ready = serving(model)
    with ready.attached(model, random_adapter(1)):
        model.use("mixed")
        assert torch.equal(Embedder(model)([chat("two")])[0], first[1])
