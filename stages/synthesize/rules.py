"""The rule-based teacher of the embedded world: exact, free, and the same every time.

It reads sessions' records only (never the world's hidden conventions): what upstream changed,
under which command it was tested, and what the agent itself had tried there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.agent.actions import Action
from stages.lab.context import Lab
from stages.records import Example, Task, Trajectory
from stages.suites.microrepo import forms
from stages.suites.microrepo.conventions import read_convention, rule_text
from stages.suites.microrepo.expert import spoken
from stages.suites.microrepo.notes import system_text
from stages.suites.microrepo.session import Session, read_session
from stages.synthesize.corrected import CorrectedSessions
from stages.synthesize.teacher import Written, make_example


class RuleTeacher:
    """Writes formats A–E from facts, and T by playing the corrected session for real."""

    def __init__(self) -> None:
        self._corrected = CorrectedSessions()

    def prepare(self, lab: Lab, sessions: Sequence[tuple[Task, Sequence[Trajectory]]]) -> None:
        """Play every session again as upstream's fix says; only what resolves is taught."""
        script = {
            task.instance_id: corrected_actions(read_session(task, attempts[0]))
            for task, attempts in sessions
        }
        self._corrected.play(lab, [task for task, _ in sessions], script)

    def cost(self) -> dict[str, Any]:
        """Rules cost nothing."""
        return {}

    def write(self, format_name: str, task: Task, attempts: Sequence[Trajectory]) -> Written:
        if format_name == "T":
            return self._corrected.write(task, attempts[0], "+".join(task.meta["kinds"]))
        examples: list[Example] = []
        missing: list[str] = []
        first = read_session(task, attempts[0])
        every = [read_session(task, attempt) for attempt in attempts]
        component = str(task.meta["component"])
        for fact in forms.facts_of(first.changes, first.command, component, first.path):
            made = _form(format_name, fact, task, every)
            if made is None:
                missing.append(f"no failed try at {fact.skill}")
                continue
            user, completion, rejected, source = made
            prompt = [
                {"role": "system", "content": system_text(task.repo)},
                {"role": "user", "content": user},
            ]
            examples.append(
                make_example(
                    format_name,
                    prompt,
                    completion,
                    rejected=rejected,
                    source=source.trajectory,
                    step=_step(source, fact),
                    skill=fact.skill,
                )
            )
        return Written(tuple(examples), tuple(missing))


def corrected_actions(session: Session) -> list[str]:
    """The session put right: the agent's own way to the file, then upstream's fix and command."""
    actions = list(session.navigation)
    actions += [Action("edit", session.path, c.find, c.replace) for c in session.changes]
    actions += [Action("test", session.command), Action("submit")]
    return [spoken(action) for action in actions]


def _form(
    format_name: str, fact: forms.Fact, task: Task, sessions: Sequence[Session]
) -> tuple[str, str, str, Session] | None:
    """User text, completion, rejected completion and the session it rests on; None: no evidence."""
    first = sessions[0]
    if format_name == "A":
        return (*forms.direct(fact), "", first)
    if format_name == "B":
        return (*forms.reasoned(fact, task.problem_statement), "", first)
    if format_name == "E":
        return (*forms.contextual(fact, task.repo, first.command), "", first)
    failed = _failed(fact, sessions)
    if failed is None:
        return None
    line, answer, source = failed
    if format_name == "D":
        return (*forms.reflected(fact, line), "", source)
    return (*forms.direct(fact), answer, source)


def _failed(fact: forms.Fact, sessions: Sequence[Session]) -> tuple[str, str, Session] | None:
    """What some attempt tried instead: the line it wrote, and the rule that line stands for."""
    for session in sessions:
        if fact.skill == "script" and session.failed_commands:
            command = session.failed_commands[0]
            return f"test {command}", f"test {command}", session
        for edit in session.failed_edits:
            found = read_convention(edit.find, edit.replace)
            if found and found[0] == fact.skill:
                return edit.replace.strip(), rule_text(*found), session
    return None


def _step(session: Session, fact: forms.Fact) -> int:
    """The step of the record that the fact rests on: where the agent was at that matter."""
    verb = {"script": "test", "file": "open"}.get(fact.skill, "edit")
    for index, step in enumerate(session.trajectory.info["steps"]):
        if step["action"].startswith(verb):
            return index
    return len(session.trajectory.info["steps"]) - 1
