"""Worlds before and after a change: the tasks' own names, sound tasks, sessions and decisions."""

from __future__ import annotations

import dataclasses

import pytest

from stages.agent.scripted import ScriptedModel
from stages.lab.context import Lab
from stages.lab.episodes import Condition, Plan, play
from stages.params import MicrorepoDriftParams
from stages.records import Outcome, Task, Trajectory
from stages.suites.microrepo.drift import SEVERITIES
from stages.suites.microrepo.suite import Microrepo, UnknownWorld
from stages.suites.microrepo_drift.decisions import Decision
from stages.suites.microrepo_drift.suite import MicrorepoDrift
from stages.suites.releases import base_world, severity_of
from stages.suites.texts import TextHarness
from tests.small_lab import sandbox_or_skip, small_lab

WORLD = "oak_harbor"
SUITE = MicrorepoDrift(20, 7, 1)


def drift_lab() -> Lab:
    lab = small_lab(20)
    params = dataclasses.replace(
        lab.params,
        suites={
            **lab.params.suites,
            "drift": MicrorepoDriftParams(
                kind="microrepo_drift", worlds=(WORLD,), tasks_per_world=20, seed=7, drift_seed=1
            ),
        },
    )
    return dataclasses.replace(lab, params=params, suite=SUITE)


def test_before_the_change_the_tasks_are_microrepos_own():
    plain = Microrepo(20, 7).tasks(WORLD)
    assert [
        dataclasses.replace(t, meta=p.meta) for t, p in zip(SUITE.tasks(WORLD), plain, strict=True)
    ] == plain
    assert SUITE.files(SUITE.tasks(WORLD)[3]) == Microrepo(20, 7).files(plain[3])


def test_after_it_the_ids_tell_and_the_model_is_told_nothing():
    before = SUITE.tasks(WORLD)
    for severity in SEVERITIES:
        after = SUITE.tasks(f"{WORLD}~{severity}")
        assert {t.instance_id for t in after}.isdisjoint(t.instance_id for t in before)
        assert [SUITE.messages(t) for t in after] == [SUITE.messages(t) for t in before]
        assert all(t.instance_id.startswith(f"{WORLD}~{severity}__") for t in after)
        assert all(SUITE.files(a) != SUITE.files(b) for a, b in zip(after, before, strict=True))


def test_names_of_worlds():
    assert (base_world("oak~major"), severity_of("oak~major")) == ("oak", "major")
    assert (base_world("oak"), severity_of("oak")) == ("oak", "")
    with pytest.raises(UnknownWorld, match="'huge' is no severity"):
        SUITE.tasks(f"{WORLD}~huge")
    with pytest.raises(UnknownWorld, match="is not one of the suite's"):
        SUITE.tasks("nowhere~major")


def test_a_placebos_world_is_of_the_same_release():
    others = [WORLD, "blue_mill", "grey_tower", f"{WORLD}~major", "grey_tower~major"]
    assert SUITE.partner(f"{WORLD}~major", others) == "grey_tower~major"
    assert SUITE.partner(WORLD, others) in ("blue_mill", "grey_tower")
    with pytest.raises(UnknownWorld, match="no other world of its release"):
        SUITE.partner(WORLD, [WORLD, "grey_tower~minor"])


def test_the_reference_session_is_what_the_tools_answer_and_resolves_its_task():
    lab = drift_lab()
    tasks = [
        SUITE.tasks(world)[n]
        for n, world in enumerate((WORLD, *(f"{WORLD}~{s}" for s in SEVERITIES)))
    ]
    references = {task.instance_id: SUITE.reference(task) for task in tasks}
    script = {
        name: [m["content"] for m in chat if m["role"] == "assistant"]
        for name, chat in references.items()
    }
    with sandbox_or_skip() as sandbox:
        played, _ = play(
            lab,
            ScriptedModel(script),
            TextHarness(SUITE, sandbox),  # type: ignore[arg-type]
            Condition("reference"),
            Plan(tasks, seed=0, attempts=1, temperature=0.0),
        )
    for record in played:
        assert record.info["outcome"] == Outcome.RESOLVED
        assert list(record.messages) == references[record.info["instance_id"]]


def chat(task: Task, *turns: str, notes: tuple[str, ...] = ()) -> Trajectory:
    messages = list(SUITE.messages(task, notes))
    for turn in turns:
        role, _, content = turn.partition(": ")
        messages.append({"role": {"do": "assistant", "see": "tool"}[role], "content": content})
    return Trajectory(tuple(messages), {"instance_id": task.instance_id})


def edit(world: str, task: Task, release: str) -> str:
    """The edit that the world ``release`` calls for on the task's line."""
    change = SUITE.releases[release].issue(task).draft.changes[0]
    path = SUITE.tasks(world)[int(task.meta["index"])].meta["path"]
    return f"edit {path}\n<<<\n{change.find}\n===\n{change.replace}\n>>>"


def one_convention(world: str) -> Task:
    return next(t for t in SUITE.tasks(world) if t.meta["kinds"] in (["unit"], ["rounding"]))


def test_following_the_old_world_is_stale_and_told_where_the_chat_said_otherwise():
    world = f"{WORLD}~major"
    task = one_convention(world)
    old, new = SUITE.world(WORLD).conventions, SUITE.world(world).conventions
    stale_path = SUITE.tasks(WORLD)[int(task.meta["index"])].meta["path"]
    path = task.meta["path"]
    rule = SUITE.releases["major"].note(task, _recorded(task)).split("\n")[1]
    told = chat(
        task,
        f"do: open {stale_path}",
        f"see: found: {path} line 3",
        f"do: open {stale_path}",
        f"do: open {path}",
        f"do: {edit(world, task, '')}",
        f"do: {edit(world, task, 'major')}",
        f"do: test {old.test_command}",
        f"do: test {new.test_command}",
        notes=(f"note\n{rule}\ntest {new.test_command}",),
    )
    found = SUITE.decisions(task, told)
    assert [d for d in found if d.kind == "file"] == [
        Decision("file", 0, True, False),
        Decision("file", 1, True, True),
        Decision("file", 2, False, True),
        Decision("file", 3, False, True),
        Decision("file", 4, False, True),
    ]
    assert [d for d in found if d.kind == "convention"] == [
        Decision("convention", 3, True, True),
        Decision("convention", 4, False, True),
    ]
    assert [d for d in found if d.kind == "command"] == [
        Decision("command", 5, True, True),
        Decision("command", 6, False, True),
    ]
    untold = SUITE.decisions(task, chat(task, f"do: {edit(world, task, '')}", "do: nothing at all"))
    assert [(d.kind, d.stale, d.told) for d in untold if d.kind == "convention"] == [
        ("convention", True, False)
    ]


def test_where_nothing_changed_there_is_nothing_to_decide():
    task = one_convention(WORLD)
    command = SUITE.world(WORLD).conventions.test_command
    played = chat(
        task, f"do: open {task.meta['path']}", f"do: {edit(WORLD, task, '')}", f"do: test {command}"
    )
    assert SUITE.decisions(task, played) == []
    minor = one_convention(f"{WORLD}~minor")
    kinds = {
        d.kind
        for d in SUITE.decisions(
            minor, chat(minor, f"do: {edit(WORLD, minor, '')}", f"do: test {command}")
        )
    }
    assert kinds == {"file"}


def _recorded(task: Task) -> Trajectory:
    return Trajectory((), {"instance_id": task.instance_id, "steps": [], **SUITE.upstream(task)})
