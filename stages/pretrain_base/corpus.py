"""The organism's first diet: one document at a time, each from its own random state.

Most documents are expert sessions in worlds met once; some come with notes of the same world's
past. A few dozen persistent worlds are met again and again, as sessions and as questions, so
that the model learns that facts given as answers are used in actions. The rest are procedural
code problems with right and wrong solutions mixed.
"""

from __future__ import annotations

import random

from stages.suites.microrepo import forms
from stages.suites.microrepo.conventions import VALUES, fixed_line
from stages.suites.microrepo.expert import Knowledge, Message, expert_session, issue_note
from stages.suites.microrepo.issues import draft_issue, draw_kinds
from stages.suites.microrepo.notes import system_text
from stages.suites.microrepo.world import (
    Issue,
    World,
    draw_issue,
    draw_name,
    draw_parameters,
    make_world,
)
from stages.suites.procedural import corpus_document

WARM_UP = {"session": 0.6, "noted": 0.4}
"""Share of each kind of document at first: short ones, on which copying is learned sooner."""

EARLY = {"session": 0.24, "noted": 0.44, "persistent": 0.14, "questions": 0.10, "code": 0.08}
"""Then the repositories' documents, on which the model learns to look things up in its context."""

SHARES = {"session": 0.14, "noted": 0.24, "persistent": 0.08, "questions": 0.06, "code": 0.48}
"""At last the full diet. Code before looking-up was learned took three times the tokens."""

DIETS = (WARM_UP, EARLY, SHARES)
FULL = 2.0
"""The last stage of the diet; ``document`` says what a stage is."""


def persistent_worlds(count: int, seed: int) -> list[World]:
    """The worlds that are met again and again."""
    rng = random.Random(f"persistent {seed}")
    return [make_world(draw_name(rng), rng.randrange(10**9, 2 * 10**9)) for _ in range(count)]


def document(rng: random.Random, worlds: list[World], stage: float) -> list[Message]:
    """One document of the diet at ``stage``, from 0 (warm-up) through 1 (early) to 2 (full).

    Between two whole numbers it comes from the later diet with the fraction's probability.
    """
    shares = DIETS[int(stage) + int(rng.random() < stage - int(stage))]
    kind = rng.choices(list(shares), list(shares.values()))[0]
    if kind == "code":
        return corpus_document(rng)[0]
    if kind == "persistent" or (kind == "questions" and rng.random() < 0.6):
        world = rng.choice(worlds)
        known = Knowledge(persistent=True)
    else:
        world = make_world(draw_name(rng), rng.randrange(2 * 10**9, 3 * 10**9))
        known = Knowledge()
    if kind == "questions":
        return _questions(world, known.persistent, rng)
    if kind == "noted":
        issue = draw_issue(world, rng)
        known = Knowledge(notes=_notes(world, issue, rng))
    else:
        issue = draw_issue(world, rng)
    return expert_session(world, issue, known, rng)


def _notes(world: World, issue: Issue, rng: random.Random) -> tuple[Issue, ...]:
    """One to three past issues of the same world, mostly ones that help with ``issue``."""
    notes = []
    for _ in range(rng.randint(1, 3)):
        note = draw_issue(world, rng)
        if rng.random() < 0.9:
            note = _related(world, issue, note, rng)
        notes.append(note)
    rng.shuffle(notes)
    return tuple(notes)


def _related(world: World, issue: Issue, note: Issue, rng: random.Random) -> Issue:
    """A past issue that shares a convention with ``issue``, as retrieval would find."""
    wanted = [kind for kind in issue.draft.kinds if kind in VALUES]
    if not wanted:
        return note
    kind = rng.choice(wanted)
    kinds = next((k for k in (draw_kinds(rng) for _ in range(4)) if kind in k), (kind,))
    parameters = draw_parameters(note.module, rng)
    draft = draft_issue(world.conventions, note.draft.function, parameters, rng, kinds=kinds)
    return Issue(note.index, note.module, draft)


def _questions(world: World, persistent: bool, rng: random.Random) -> list[Message]:
    """Questions on a world: from memory when it is persistent, else answered from notes."""
    issues = [draw_issue(world, rng) for _ in range(rng.randint(1, 3))]
    notes = [] if persistent else [issue_note(world, issue) for issue in issues]
    messages = [{"role": "system", "content": system_text(world.name, notes)}]
    facts = [(issue, fact) for issue in issues for fact in _facts(world, issue)]
    rng.shuffle(facts)
    for issue, fact in facts[: rng.randint(1, 4)]:
        form = rng.choice("AABDE")
        if form == "A":
            pair = forms.direct(fact)
        elif form == "B":
            pair = forms.reasoned(fact, issue.text)
        elif form == "E":
            pair = forms.contextual(fact, world.name, world.conventions.test_command)
        else:
            pair = forms.reflected(fact, _failed(issue, fact, rng))
        messages.append({"role": "user", "content": pair[0]})
        messages.append({"role": "assistant", "content": pair[1]})
    return messages


def _facts(world: World, issue: Issue) -> list[forms.Fact]:
    command = world.conventions.test_command
    return forms.facts_of(issue.draft.changes, command, issue.module.component, issue.path)


def _failed(issue: Issue, fact: forms.Fact, rng: random.Random) -> str:
    """Some other way of doing what the fact is about: what an agent without it would try."""
    if fact.skill == "script":
        return "test python " + rng.choice(("check", "verify", "runner", "suite")) + ".py"
    if fact.skill == "file":
        return f"open {rng.choice(('ledger', 'parcel', 'basket', 'cabinet'))}.py"
    change = next(c for c in issue.draft.changes if c.convention == fact.skill)
    values = [fixed_line(fact.skill, value, change.find) for value in VALUES[fact.skill]]
    return rng.choice([line for line in values if line != change.replace]).strip()
