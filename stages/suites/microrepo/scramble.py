"""The placebo's lessons: a session as it was, but for the conventions and the script it teaches.

Every turn keeps its form, its tool, its path and what it copies from the file; what it teaches is
dealt out anew from all that the convention may be, the true value among it. A permutation inside
one world would change nothing there, since a world has one value of each kind.
"""

from __future__ import annotations

import dataclasses
import random
import re

from stages.agent.actions import Action, ActionError, format_action, parse_action
from stages.records import Example
from stages.suites.microrepo.conventions import (
    SCRIPT_VALUES,
    VALUES,
    fixed_line,
    read_convention,
    rule_text,
)

_SCRIPT = re.compile(rf"^python (?:{'|'.join(SCRIPT_VALUES)})\.py(?=\s|$)")
_EDIT = re.compile(r"^edit(?=\s)", re.MULTILINE)


def scramble_lessons(example: Example, rng: random.Random) -> Example | None:
    """The example with every lesson in its targets drawn anew; None unless it is of format T.

    Each target turn draws by itself, uniformly: the value of an edit's convention (the rule before
    it and the line it writes change together), or the script that a test runs.
    """
    if example.format != "T":
        return None
    salt = rng.getrandbits(64)
    prompt = tuple(
        {**message, "content": scrambled(message["content"], random.Random(f"{salt} {place}"))}
        if message["role"] == "assistant" and example.train_on == "assistant"
        else message
        for place, message in enumerate(example.prompt)
    )
    completion = scrambled(example.completion, random.Random(f"{salt} completion"))
    return dataclasses.replace(example, prompt=prompt, completion=completion)


def scrambled(turn: str, rng: random.Random) -> str:
    """One assistant turn with its lesson drawn anew; a turn without one comes back as it was."""
    try:
        action = parse_action(turn)
    except ActionError:
        return turn
    if action.tool == "test":
        return turn.replace(action.argument, _other_script(action.argument, rng))
    found = read_convention(action.find, action.replace) if action.tool == "edit" else None
    if found is None:
        return turn
    kind, _ = found
    value = rng.choice(VALUES[kind])
    said = _EDIT.split(turn, maxsplit=1)[0]
    written = Action("edit", action.argument, action.find, fixed_line(kind, value, action.find))
    return said.replace(rule_text(*found), rule_text(kind, value)) + format_action(written)


def _other_script(command: str, rng: random.Random) -> str:
    return _SCRIPT.sub(f"python {rng.choice(SCRIPT_VALUES)}.py", command)
