"""OpenAI's chat messages as plain text, and the steps in them.

A message here is a role and a text, so tool calls are written out in the agent's own action
format: thought, then ``bash COMMAND``; another tool is its name and its arguments as JSON. Several
calls in one message become several turns, each followed by its result.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.import_trajectories.fields import Fields
from stages.records import Step, canonical_json

ROLES = {"developer": "system", "function": "tool"} | {
    role: role for role in ("system", "user", "assistant", "tool")
}
COMMAND_KEYS = ("command", "cmd")
BLOCK = re.compile(r"```(?:bash|sh|mswea_bash_command)\s*\n(.*?)\n?```", re.DOTALL)
RETURN_CODE = re.compile(r"<returncode>\s*(-?\d+)\s*</returncode>")


@dataclasses.dataclass(frozen=True)
class Turn:
    """One message; an assistant's may act."""

    role: str
    content: str
    action: str = ""
    """the action in the agent's own format; empty when the message has none"""
    call: str = ""
    """id of the tool call that this message makes, or answers"""
    code: int | None = None
    """exit code that an observation records"""
    tokens: tuple[int, int, int] = (0, 0, 0)
    """input, output and cached tokens that an assistant's message records"""


def turns(messages: Sequence[Fields]) -> list[Turn]:
    """Every message as turns; ImportFault for a role or content that isn't text."""
    ordered: list[Turn] = []
    at = 0
    while at < len(messages):
        made = list(_turns(messages[at]))
        at += 1
        answers: list[Turn] = []
        while len(made) > 1 and at < len(messages) and messages[at].value.get("role") == "tool":
            answers += _turns(messages[at])
            at += 1
        ordered += _paired(made, answers)
    return ordered


def _paired(calls: Sequence[Turn], answers: list[Turn]) -> Iterator[Turn]:
    """Each call of one message followed by its answer; answers to none of them at the end."""
    for call in calls:
        yield call
        answer = next((each for each in answers if each.call == call.call), None)
        if answer is not None:
            answers.remove(answer)
            yield answer
    yield from answers


def steps(chat: Sequence[Turn]) -> tuple[list[Step], int]:
    """Every action with what came back, and how many of them have a recorded exit code."""
    found, known = [], 0
    for index, turn in enumerate(chat):
        if turn.role != "assistant":
            continue
        after = chat[index + 1] if index + 1 < len(chat) else None
        answer = after if after and after.role in ("tool", "user") else None
        code = answer.code if answer else None
        known += code is not None
        observation = answer.content if answer else ""
        sent, received, cached = turn.tokens
        action = turn.action or turn.content
        found.append(Step(action, observation, code == 0, sent, received, cached))
    return found, known


def plain(chat: Sequence[Turn], translate: bool) -> tuple[dict[str, str], ...]:
    """The messages as records have them; ``translate`` puts actions into the agent's format."""
    return tuple(
        {"role": turn.role, "content": _translated(turn) if translate else turn.content}
        for turn in chat
    )


def text_of(message: Fields) -> str:
    """A message's text: a text, a list of text parts, or nothing."""
    content = message.value.get("content")
    if not isinstance(content, list):
        return message.text("content")
    parts = message.objects("content")
    for part in parts:
        if part.value.get("type", "text") not in ("text", "input_text", "output_text"):
            raise part.wrong("type", "'text': pictures and sounds can't be trained on here")
    return "\n".join(part.text("text") for part in parts)


def _turns(message: Fields) -> Iterator[Turn]:
    role = ROLES.get(message.text("role"))
    if role is None:
        raise message.wrong("role", f"one of {', '.join(ROLES)}")
    content = text_of(message)
    calls = message.objects("tool_calls") if message.value.get("tool_calls") else []
    if role != "assistant":
        yield Turn(role, content, call=message.text("tool_call_id"), code=_code(message, content))
    elif not calls:
        yield Turn(role, content, _block(content), tokens=_tokens(message))
    for index, call in enumerate(calls if role == "assistant" else []):
        action = call_text(call)
        said = "\n".join(part for part in (content if index == 0 else "", action) if part)
        used = _tokens(message) if index == 0 else (0, 0, 0)
        yield Turn(role, said, action, call.text("id"), tokens=used)


def call_text(call: Fields) -> str:
    """A tool call as text; ImportFault when its arguments aren't JSON."""
    function = call.object("function")
    name, given = function.text("name"), function.value.get("arguments")
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except json.JSONDecodeError:
            raise function.wrong("arguments", "an object as JSON text") from None
    if not isinstance(given, Mapping):
        raise function.wrong("arguments", "an object as JSON text")
    command = _command(given)
    text = f"bash {command}" if command is not None else f"{name} {canonical_json(given)}"
    return function.clean("arguments", "submit" if name == "submit" else text)


def _command(given: Mapping[str, Any]) -> str | None:
    """The command of a shell tool, which has no other argument that matters."""
    found = [given[key] for key in COMMAND_KEYS if isinstance(given.get(key), str)]
    return found[0] if found and len(given) == 1 else None


def _block(content: str) -> str:
    """The one shell block of a message that acts by text (mini-swe-agent's models do)."""
    blocks = BLOCK.findall(content)
    return f"bash {blocks[0].strip()}" if len(blocks) == 1 else ""


def _translated(turn: Turn) -> str:
    if not turn.action or turn.content.endswith(turn.action):
        return turn.content
    thought = BLOCK.sub("", turn.content).strip()
    return "\n".join(part for part in (thought, turn.action) if part)


def _code(message: Fields, content: str) -> int | None:
    recorded = message.object("extra").value.get("returncode")
    if isinstance(recorded, int) and not isinstance(recorded, bool):
        return recorded
    found = RETURN_CODE.match(content.lstrip())
    return int(found.group(1)) if found else None


def _tokens(message: Fields) -> tuple[int, int, int]:
    usage = message.object("extra").object("response").object("usage")
    cached = usage.object("prompt_tokens_details").number("cached_tokens")
    return usage.number("prompt_tokens"), usage.number("completion_tokens"), cached
