"""The action format and its one parser, used by training checks and by evaluation alike.

An assistant message is free text followed by one action; the action starts at the first line
whose first word is a tool's name (or inside a fence marked ``action``)::

    open ledger.py            open ledger.py 10 40
    search total
    test python check.py
    bash ls -l
    submit
    edit ledger.py
    <<<
    text to find
    ===
    text to put there
    >>>
"""

from __future__ import annotations

import dataclasses
import re

TOOLS = ("open", "search", "edit", "test", "bash", "submit")
SEARCH_MARK, REPLACE_MARK, END_MARK = "<<<", "===", ">>>"

_FENCE = re.compile(r"```action\n(.*?)\n?```", re.DOTALL)
_VERB = re.compile(rf"^(?:{'|'.join(TOOLS)})\b", re.MULTILINE)


class ActionError(ValueError):
    """The message holds no action that can be run; the text goes back to the agent."""


@dataclasses.dataclass(frozen=True)
class Action:
    """One parsed action: the tool, its argument line and, for ``edit``, the two texts."""

    tool: str
    argument: str = ""
    find: str = ""
    replace: str = ""


def parse_action(message: str) -> Action:
    """Parse the action in an assistant message; ActionError says what is wrong with it."""
    fenced = _FENCE.search(message)
    text = fenced.group(1) if fenced else message
    start = _VERB.search(text)
    if start is None:
        raise ActionError(f"no action: begin a line with one of {', '.join(TOOLS)}")
    lines = text[start.start() :].rstrip().split("\n")
    tool, _, argument = lines[0].partition(" ")
    argument = argument.strip()
    if tool == "edit":
        return _parse_edit(argument, lines[1:])
    if tool == "submit":
        return Action(tool)
    if not argument:
        raise ActionError(f"{tool} needs an argument")
    if tool == "bash" and len(lines) > 1:
        argument = "\n".join([argument, *lines[1:]])
    return Action(tool, argument)


def _parse_edit(path: str, body: list[str]) -> Action:
    if not path:
        raise ActionError("edit needs a file path")
    try:
        begin = body.index(SEARCH_MARK)
        middle = body.index(REPLACE_MARK, begin)
        end = body.index(END_MARK, middle)
    except ValueError:
        raise ActionError(
            f"edit needs the lines {SEARCH_MARK}, {REPLACE_MARK}, {END_MARK}"
        ) from None
    find, replace = "\n".join(body[begin + 1 : middle]), "\n".join(body[middle + 1 : end])
    if not find:
        raise ActionError("edit needs the text to find")
    return Action("edit", path, find, replace)


def format_action(action: Action) -> str:
    """The text form of an action; ``parse_action(format_action(a)) == a``."""
    if action.tool == "edit":
        marks = (SEARCH_MARK, action.find, REPLACE_MARK, action.replace, END_MARK)
        return "\n".join((f"edit {action.argument}", *marks))
    return f"{action.tool} {action.argument}".rstrip()
