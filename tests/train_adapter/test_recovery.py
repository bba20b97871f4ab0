"""An adapter of before a change, trained on, on the first sessions after it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.adapters.folder import load_adapter, save_adapter
from stages.adapters.lora import LoraSettings, base_sha256
from stages.lab.context import Lab
from stages.params import ArmParams, ExamplesParams
from stages.records import RecordError, read_json, sha256_file, write_json, write_jsonl
from stages.train_adapter.recovery import (
    recovering,
    recovery_examples,
    recovery_files,
    train_recovery,
)
from stages.training.train import train
from tests.small_lab import small_lab
from tests.train_adapter.conftest import make_examples

OLD, NEW = "oak_harbor", "grey_tower"
TOKENS = 600


def arms(sessions: int, tokens: int | None = 0) -> dict[str, ArmParams]:
    return {
        "stale": ArmParams(adapter="skill", adapter_world=OLD, worlds=(NEW,)),
        "recovery": ArmParams(
            adapter="skill",
            adapter_world=OLD,
            worlds=(NEW,),
            examples=ExamplesParams(recovery=sessions, tokens=tokens),
        ),
    }


@pytest.fixture
def lab(tmp_path, monkeypatch, tokenizer, model, settings) -> Lab:
    """Two worlds of six tasks; the second's first four training tasks left three examples each,
    but for the second of them, which left none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Lab, "base_sha256", lambda self: "base")
    monkeypatch.setattr(Lab, "workers", 1)
    lab = small_lab(10, worlds=(OLD, NEW), seeds=(0,), arms=arms(2))
    tasks = {world: lab.suite.tasks(world) for world in lab.worlds}
    ids = {world: [task.instance_id for task in tasks[world]] for world in lab.worlds}
    for world in lab.worlds:
        write_jsonl(lab.folder("data/splits") / f"tasks-{world}.jsonl", tasks[world])
    halves = {world: {"A": {"train": ids[world][:5], "test": ids[world][5:]}} for world in ids}
    write_json(lab.folder("data/splits") / "splits.json", halves)
    made = make_examples(12)
    owners = [ids[NEW][n] for n in (0, 2, 3, 4)]
    examples = [dataclasses.replace(e, instance_id=owners[n // 3]) for n, e in enumerate(made)]
    folder = lab.folder("data/synthetic") / NEW / "A"
    write_jsonl(folder / "T.jsonl", [*examples[6:], *examples[:6], *examples[:2]])
    write_json(folder / "manifest.json", {"source_sha256": "sessions"})
    lora = LoraSettings(rank=2, alpha=4.0, seed=0)
    first = train(model, tokenizer, make_examples(12), settings, lora, progress=False)
    place = lab.folder("models/adapters") / OLD / "A" / "skill-s0"
    save_adapter(place, first.state, lora, "base", base_sha256(model), {})
    return lab


def with_arms(lab: Lab, sessions: int, tokens: int | None = 0) -> Lab:
    experiment = dataclasses.replace(lab.experiment, arms=arms(sessions, tokens))
    return dataclasses.replace(lab, experiment=experiment)


def test_only_arms_with_sessions_to_recover_on_recover(lab):
    one = recovering(lab)
    assert [r.place.name for r in one] == [f"{NEW}/A/recovery-s0"]
    assert one[0].start.path == Path(f"models/adapters/p1/{OLD}/A/skill-s0")
    assert one[0].settings.min_examples == 1
    files = {path.as_posix() for path in recovery_files(lab)}
    root = f"models/adapters/p1/arms/{NEW}/A/recovery-s0"
    assert files == {root, f"{root}.key.json"}


def test_the_examples_are_those_of_the_first_sessions_that_left_one(lab, tokenizer):
    ids = [task.instance_id for task in lab.suite.tasks(NEW)]
    for sessions, expected in ((1, [0]), (2, [0, 2]), (4, [0, 2, 3, 4])):
        found = recovery_examples(recovering(with_arms(lab, sessions))[0], tokenizer)
        assert list(dict.fromkeys(e.instance_id for e in found)) == [ids[n] for n in expected]
        assert len(found) == 3 * len(expected) == len({e.example_id for e in found})
    with pytest.raises(RecordError, match=r"4 sessions left an example, arm recovery .* on 5"):
        recovery_examples(recovering(with_arms(lab, 5))[0], tokenizer)


def test_a_token_budget_is_the_same_for_few_sessions_and_many(lab, tokenizer):
    from stages.lab.budget import training_tokens

    for sessions in (1, 4):
        one = recovering(with_arms(lab, sessions, TOKENS))[0]
        found = recovery_examples(one, tokenizer)
        assert abs(sum(training_tokens(tokenizer, e) for e in found) - TOKENS) < 0.1 * TOKENS
        assert len({e.instance_id for e in found}) == sessions


def test_training_goes_on_from_the_stale_adapter_and_leaves_it_as_it_was(lab, model, tokenizer):
    start = recovering(lab)[0].start.path / "adapter_model.safetensors"
    before = sha256_file(start)
    cells = train_recovery(lab, (model, tokenizer))
    folder = cells.folder / NEW / "A" / "recovery-s0"
    facts, losses = read_json(folder / "facts.json"), read_json(folder / "losses.json")
    assert facts["start"] == f"{OLD}/A/skill-s0" and facts["recovery"] == 2
    assert facts["examples"] == 6 and facts["first_loss"] == losses[0]
    assert read_json(folder / "certificate.json")["logit_shift_max"] > 0
    fresh = train(
        model,
        tokenizer,
        recovery_examples(recovering(lab)[0], tokenizer),
        recovering(lab)[0].settings,
        load_adapter(folder, base_sha256(model))[1],
        progress=False,
    )
    assert losses[0] != fresh.losses[0]
    assert sha256_file(start) == before
    stamp = (folder / "facts.json").stat().st_mtime_ns
    train_recovery(lab, (model, tokenizer))
    assert (folder / "facts.json").stat().st_mtime_ns == stamp
    key = recovering(lab)[0].key
    provenance = read_json(start.parent / "provenance.json")
    write_json(start.parent / "provenance.json", {**provenance, "adapter_sha256": "another"})
    assert recovering(lab)[0].key != key
