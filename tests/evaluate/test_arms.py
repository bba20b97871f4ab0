"""Arms played with a scripted model: which adapter, notes, switches and advice each gets."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from stages.agent.scripted import ScriptedModel
from stages.evaluate import arms, attached
from stages.evaluate.arms import Advised, arm_lab, evaluate_arms
from stages.lab.context import Lab
from stages.params import AgentChanges, ArmParams, ExamplesParams
from stages.records import Trajectory, read_jsonl, write_json, write_jsonl
from tests.small_lab import sandbox_or_skip, small_lab

WORLD = "oak_harbor"
ARMS = {
    "plain": ArmParams(),
    "noted": ArmParams(notes=True, advice="edit and submit"),
    "trained": ArmParams(examples=ExamplesParams()),
    "borrowed": ArmParams(adapter="trained", agent=AgentChanges(worked_example=True)),
    "elsewhere": ArmParams(worlds=("grey_tower",)),
}


class Adapting(ScriptedModel):
    """A scripted model that notes which adapters come and go."""

    def load_adapter(self, name: str, config: Any, state: Any) -> None:
        self.__dict__.setdefault("attached", []).append(name)

    def drop_adapter(self, name: str) -> None:
        assert self.__dict__["attached"][-1] == name
        self.__dict__.setdefault("dropped", []).append(name)


@pytest.fixture
def lab(tmp_path, monkeypatch) -> Lab:
    """An experiment of six tasks, three of them trained on, with sessions of those."""
    with sandbox_or_skip():
        pass
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Lab, "base_sha256", lambda self: "base")
    monkeypatch.setattr(Lab, "workers", 1)
    monkeypatch.setattr(arms, "base_hash", lambda lab, model: "base")
    monkeypatch.setattr(attached, "load_adapter", lambda folder, base: ({}, None))
    monkeypatch.setattr(attached, "peft_config", lambda lora, state: None)
    lab = small_lab(6, worlds=(WORLD, "grey_tower"), seeds=(0, 1), arms=ARMS)
    splits: dict[str, Any] = {}
    for world in lab.worlds:
        tasks = lab.suite.tasks(world)
        ids = [task.instance_id for task in tasks]
        write_jsonl(lab.folder("data/splits") / f"tasks-{world}.jsonl", tasks)
        sessions = [
            Trajectory((), {"instance_id": t.instance_id, "steps": [], **lab.suite.upstream(t)})
            for t in tasks
        ]
        write_jsonl(lab.folder("data/trajectories") / f"{world}.jsonl", sessions)
        splits[world] = {"A": {"train": ids[:3], "test": ids[3:]}}
        for seed in (0, 1):
            folder = lab.folder("models/adapters") / "arms" / world / "A" / f"trained-s{seed}"
            write_json(folder / "provenance.json", {"adapter_sha256": f"hash {world} {seed}"})
    write_json(lab.folder("data/splits") / "splits.json", splits)
    return lab


def scripted(lab: Lab) -> Adapting:
    tasks = [task for world in lab.worlds for task in lab.suite.tasks(world)]
    return Adapting({task.instance_id: ["submit"] for task in tasks})


def played(lab: Lab, arm: str, seed: int = 0, world: str = WORLD) -> list[Trajectory]:
    folder = Path("data/evaluations") / lab.name / "arms" / world / "A"
    return read_jsonl(folder / f"{arm}-s{seed}.jsonl", Trajectory)


def test_every_arm_is_played_in_its_worlds_with_its_adapter(lab):
    model = scripted(lab)
    cells = evaluate_arms(lab, model)
    found = {path.relative_to(cells.folder).as_posix() for path in cells.folder.rglob("*.jsonl")}
    everywhere = ("plain", "noted", "trained", "borrowed")
    assert found == {
        f"{world}/A/{arm}-s{seed}.jsonl"
        for world in lab.worlds
        for arm in (*everywhere, *(("elsewhere",) if world == "grey_tower" else ()))
        for seed in (0, 1)
    }
    for arm, digest in (
        ("plain", ""),
        ("trained", f"hash {WORLD} 1"),
        ("borrowed", f"hash {WORLD} 1"),
    ):
        records = played(lab, arm, 1)
        assert [record.info["condition"] for record in records] == [arm] * 3
        assert {record.info["adapter_hash"] for record in records} == {digest}
    assert model.__dict__["attached"] == model.__dict__["dropped"]
    assert len(set(model.__dict__["attached"])) == 4


def test_notes_advice_and_switches_reach_the_opening_of_their_arm_only(lab):
    evaluate_arms(lab, scripted(lab))
    plain, noted, borrowed = (
        played(lab, arm)[0].messages[0]["content"] for arm in ("plain", "noted", "borrowed")
    )
    assert plain == "repo oak_harbor"
    assert noted.startswith("repo oak_harbor\nnote ") and noted.endswith("\nedit and submit")
    assert borrowed.startswith("repo oak_harbor\nExample of a session:")


def test_a_finished_arm_is_played_again_only_when_what_it_depends_on_changes(lab):
    evaluate_arms(lab, scripted(lab)).sweep()
    again = scripted(lab)
    evaluate_arms(lab, again)
    assert not again.rounds
    changed = {**ARMS, "noted": ArmParams(notes=True, advice="submit at once")}
    experiment = dataclasses.replace(lab.experiment, arms=changed)
    evaluate_arms(dataclasses.replace(lab, experiment=experiment), again)
    assert sum(again.rounds) == 3 * 2 * len(lab.worlds)  # noted's tasks, seeds and worlds


def test_switches_left_null_are_the_experiments_and_advice_makes_a_system_message_where_none_is():
    lab = small_lab(6)
    changed = arm_lab(lab, ArmParams(agent=AgentChanges(fuzzy_ratio=0.7, loop_warning=True)))
    expected = dataclasses.replace(lab.agent_params, fuzzy_ratio=0.7, loop_warning=True)
    assert changed.agent_params == expected and changed.suite is lab.suite

    class Bare:
        name = "bare"

        def settings(self):
            return {"a": 1}

        def messages(self, task, notes=()):
            return [{"role": "user", "content": task}]

    suite = Advised(Bare(), "advice")  # type: ignore[arg-type]
    assert suite.messages("fix") == [  # type: ignore[arg-type]
        {"role": "system", "content": "advice"},
        {"role": "user", "content": "fix"},
    ]
    assert suite.settings() == {"a": 1, "advice": "advice"} and suite.name == "bare"
