"""Format T for a repository without rules: the merged fix, played by the agent's own tools."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.agent.actions import parse_action
from stages.agent.sandbox import Sandbox
from stages.agent.scripted import ScriptedModel
from stages.lab.context import Lab
from stages.lab.episodes import Condition, Plan, play
from stages.params import ParamsError, RepositoryParams
from stages.records import Task, Trajectory, write_jsonl
from stages.suites.repository import Repository
from stages.suites.repository.commits import make_tasks
from stages.suites.repository.history import History
from stages.suites.texts import TextHarness
from stages.synthesize.chosen import open_teacher, teacher_rooms
from stages.synthesize.gold import GoldTeacher
from tests.small_lab import small_lab
from tests.suites.repository.conftest import Shop, sandbox, shop

__all__ = ["sandbox", "shop"]  # fixtures

LOST = ["search total", "search total", "open shop.py", "test python -m shop", "test nothing"]


@pytest.fixture
def lab(shop: Shop, sandbox: Sandbox, tmp_path: Path) -> Lab:
    history = History(shop.folder)
    found = make_tasks(history, history.commits("main~7..main"), sandbox, "acme/shop")
    write_jsonl(tmp_path / "tasks.jsonl", found.rows)
    suite = RepositoryParams(
        kind="repository",
        repositories={"acme__shop": str(shop.folder)},
        tasks=str(tmp_path / "tasks.jsonl"),
        test_command="plain",
        environment=None,
        unsupported="refuse",
    )
    lab = small_lab()
    params = dataclasses.replace(lab.params, suites={**lab.params.suites, "own": suite})
    settings = dataclasses.replace(lab.experiment.synthesis, formats=("T",))
    experiment = dataclasses.replace(lab.experiment, suite="own", synthesis=settings)
    return Lab("p1", params, experiment, lab.model, Repository(suite))


@pytest.fixture
def sessions(lab: Lab, sandbox: Sandbox) -> list[tuple[Task, list[Trajectory]]]:
    tasks = lab.suite.tasks("acme__shop")
    model = ScriptedModel({task.instance_id: LOST for task in tasks})
    harness = TextHarness(lab.suite, sandbox)
    played, _ = play(lab, model, harness, Condition("base"), Plan(tasks, 0, 1, 0.0))
    return [(task, [record]) for task, record in zip(tasks, played, strict=True)]


def test_a_lost_session_becomes_a_way_that_resolves(
    lab: Lab, sessions: list[tuple[Task, list[Trajectory]]]
) -> None:
    teacher = open_teacher(lab)
    assert isinstance(teacher, GoldTeacher)
    assert teacher_rooms(lab) == ("synthesize.gold",)
    teacher.prepare(lab, sessions)
    task, attempts = sessions[0]
    (example,) = teacher.write("T", task, attempts).examples
    turns = [m["content"] for m in example.prompt if m["role"] == "assistant"]
    tools = [parse_action(text).tool for text in (*turns, example.completion)]
    assert tools == ["search", "open", "edit", "test", "submit"]
    assert parse_action(turns[3]).argument == "python -m shop"  # the last one that ran through
    assert "sum(prices)" in turns[2]
    assert example.trajectory_id == attempts[0].trajectory_id
    assert teacher.cost() == {}


def test_a_fix_that_does_not_resolve_is_not_taught(
    lab: Lab, sessions: list[tuple[Task, list[Trajectory]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Repository, "gold_files", lambda self, task: {**self.files(task), "a": "b"})
    teacher = GoldTeacher()
    teacher.prepare(lab, sessions)
    written = teacher.write("T", *sessions[0])
    assert (written.examples, len(written.missing)) == ((), 1)


def test_other_formats_take_a_language_model(lab: Lab) -> None:
    settings = dataclasses.replace(lab.experiment.synthesis, formats=("A", "T"))
    wanted = dataclasses.replace(
        lab, experiment=dataclasses.replace(lab.experiment, synthesis=settings)
    )
    with pytest.raises(ParamsError, match=r"on the embedded world only.*formats: \[T\]"):
        open_teacher(wanted)
