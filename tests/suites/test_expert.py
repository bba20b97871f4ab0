"""Pretraining's expert sessions are what the real tools answer, word for word."""

from __future__ import annotations

import itertools
import random

import pytest

from stages.agent.episode import AgentConfig, EpisodeSpec
from stages.agent.loop import run_episodes
from stages.agent.scripted import ScriptedModel
from stages.records import Step, Task, Trajectory
from stages.suites.microrepo import expert
from stages.suites.microrepo.conventions import fixed_line, read_convention
from stages.suites.microrepo.expert import Knowledge, Message, expert_session, issue_note, recalled
from stages.suites.microrepo.issues import Change
from stages.suites.microrepo.notes import note_text
from stages.suites.microrepo.session import changed_lines, read_session
from stages.suites.microrepo.suite import Microrepo
from stages.suites.microrepo.world import Issue, World, draw_issue, draw_name, make_world
from tests.small_lab import filed, free_functions, sandbox_or_skip

CONFIG = AgentConfig(max_steps=20, max_tokens=100_000)


@pytest.fixture(scope="module")
def sandbox():
    with sandbox_or_skip() as opened:
        yield opened


def drawn(seed: int, knowledge: str) -> tuple[World, Issue, list[Message]]:
    """A session on an issue whose function no other file defines (``search`` finds one place)."""
    rng = random.Random(f"expert {seed}")
    world = make_world(draw_name(rng), seed)
    issue = draw_issue(world, rng)
    while issue.draft.function not in free_functions(world):
        issue = draw_issue(world, rng)
    known = {
        "nothing": Knowledge(),
        "notes": Knowledge(notes=(draw_issue(world, rng), draw_issue(world, rng))),
        "world": Knowledge(persistent=True),
    }[knowledge]
    return world, issue, expert_session(world, issue, known, rng)


def opened_elsewhere(issue: Issue, session: list[Message]) -> dict[str, str]:
    """The other file that a session opens by mistake, with its text there, and no tests of it."""
    files = {}
    for message, after in itertools.pairwise(session):
        verb, _, path = message["content"].partition(" ")
        if verb == "open" and path != issue.path:
            files |= {path: f"{after['content']}\n", f"tests/test_{path}": ""}
    return files


def replay(sandbox, sessions: list[tuple[World, Issue, list[Message]]]) -> list[list[Message]]:
    script, specs = {}, []
    for number, (world, issue, session) in enumerate(sessions):
        script[str(number)] = [m["content"] for m in session if m["role"] == "assistant"]
        files = {**filed(world, issue), **opened_elsewhere(issue, session)}
        specs.append(EpisodeSpec(str(number), files, tuple(session[:2])))
    results = run_episodes(ScriptedModel(script), specs, CONFIG, sandbox)
    return [list(result.messages) for result in results]


def test_sessions_equal_what_the_tools_answer(sandbox):
    sessions = [
        drawn(seed, knowledge) for knowledge in ("nothing", "notes", "world") for seed in range(14)
    ]
    for (_, _, session), real in zip(sessions, replay(sandbox, sessions), strict=True):
        assert real == session
    said = "\n".join(m["content"] for _, _, s in sessions for m in s if m["role"] == "tool")
    assert "no file" in said and "passed" in said and "found: " in said


def test_sessions_with_slips_equal_what_the_tools_answer(sandbox, monkeypatch):
    monkeypatch.setattr(expert, "WRONG_FILE_SHARE", 1.0)
    monkeypatch.setattr(expert, "WRONG_FIND_SHARE", 1.0)
    sessions = [drawn(seed, knowledge) for knowledge in ("nothing", "notes") for seed in range(12)]
    for (_, issue, session), real in zip(sessions, replay(sandbox, sessions), strict=True):
        assert opened_elsewhere(issue, session)
        assert {"role": "tool", "content": "no match"} in session
        assert real == session


def test_an_expert_asks_only_for_what_it_does_not_know():
    _, issue, session = drawn(1, "world")
    assert session[2]["content"] == f"open {issue.path}"
    world, issue, session = drawn(2, "notes")
    tests = [m["content"] for m in session if m["content"].startswith("test ")]
    assert tests == [f"test {world.conventions.test_command}"]
    assert session[0]["content"].count("\nnote in ") == 2


def test_the_rule_stands_before_the_edit_that_uses_it():
    for seed in range(30):
        _, issue, session = drawn(seed, "world")
        pairs = itertools.pairwise(session)
        edits = [said["content"] for said, told in pairs if told["content"] == "edited"]
        rules = [recalled(change) for change in issue.draft.changes]
        assert [text.split("edit ")[0].strip() for text in edits] == rules


def test_a_note_says_the_rules_and_the_command():
    world, issue, _ = drawn(3, "notes")
    note = issue_note(world, issue)
    assert note.startswith(f"note {issue.text}\n")
    assert note.endswith(f"test {world.conventions.test_command}")
    assert all(recalled(change) in note for change in issue.draft.changes)
    assert note_text("in a: b", [], "python c.py") == "note in a: b\ntest python c.py"


# A finished session's record.

SUITE = Microrepo(60, seed=7)


def task_of(*kinds: str) -> Task:
    tasks = SUITE.tasks("oak_harbor")
    return next(task for task in tasks if tuple(task.meta["kinds"]) == kinds)


def record(task: Task, *steps: Step, **info: object) -> Trajectory:
    fields = {
        "instance_id": task.instance_id,
        "steps": [vars(step) for step in steps],
        **SUITE.upstream(task),
    }
    return Trajectory((), {**fields, **info})


def test_a_record_gives_back_the_fix_the_file_and_the_command():
    world = SUITE.world("oak_harbor")
    for task in SUITE.tasks("oak_harbor"):
        session = read_session(task, record(task))
        assert session.path == task.meta["path"]
        assert session.command == world.conventions.test_command
        assert session.changes == SUITE.issue(task).draft.changes
        assert (session.failed_edits, session.failed_commands) == ((), ())
        assert SUITE.note(task, record(task)) == issue_note(world, SUITE.issue(task))


def test_failed_tries_are_edits_of_the_right_line_and_commands_that_are_not_there():
    task = task_of("rounding")
    right = SUITE.issue(task).draft.changes[0]
    value = read_convention(right.find, right.replace)
    assert value is not None
    wrong = fixed_line(
        "rounding", "int({x})" if value[1] != "int({x})" else "round({x})", right.find
    )
    path = task.meta["path"]

    def edit(find: str, replace: str, ok: bool = True) -> Step:
        text = f"edit {path}\n<<<\n{find}\n===\n{replace}\n>>>"
        return Step(text, "edited" if ok else "no match", ok)

    session = read_session(
        task,
        record(
            task,
            Step("test python verify.py", "no file verify.py", False),
            Step("test python gate.py", "failed test_x", False),
            Step("no action at all", "no action", False),
            edit(right.find, wrong),
            edit(right.find, "    return never", ok=False),
            edit("    return elsewhere", wrong),
            edit(right.find, right.replace),
        ),
    )
    assert session.failed_edits == (Change(right.find, wrong),)
    assert session.failed_commands == ("python verify.py",)


def test_a_record_without_the_upstream_fix_is_refused():
    task = task_of("rounding")
    with pytest.raises(ValueError, match=r"oak_harbor__.*has no upstream fix.*dvc repro collect"):
        read_session(task, Trajectory((), {"instance_id": task.instance_id, "steps": []}))


def test_changed_lines_pair_removed_with_added():
    patch = "--- a/x.py\n+++ b/x.py\n@@ -1,4 +1,4 @@\n-a\n-b\n+c\n+d\n e\n-f\n g\n+h\n"
    assert changed_lines(patch) == (Change("a", "c"), Change("b", "d"))
