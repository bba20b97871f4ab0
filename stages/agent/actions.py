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

_FENCE = re.compile(r"^```action[ \t]*\n", re.MULTILINE)
_FENCE_END = re.compile(r"^```[ \t]*$", re.MULTILINE)
_VERB = re.compile(rf"^(?:{'|'.join(TOOLS)})(?=\s|\Z)", re.MULTILINE)


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
    text, inside = _unfence(message)
    start = _VERB.search(inside)
    if start is None:
        raise ActionError(f"no action: begin a line with one of {', '.join(TOOLS)}")
    tool = start.group()
    # An edit's marks end it, so a fence among the lines it writes doesn't.
    lines = (text if tool == "edit" else inside)[start.start() :].rstrip().split("\n")
    argument = lines[0][len(tool) :].strip()
    if tool == "edit":
        return _parse_edit(argument, lines[1:])
    if tool == "submit":
        return Action(tool)
    if not argument:
        raise ActionError(f"{tool} needs an argument")
    if tool == "bash" and len(lines) > 1:
        argument = "\n".join([argument, *lines[1:]])
    return Action(tool, argument)


def _unfence(message: str) -> tuple[str, str]:
    """What follows the opening of an action fence, whole and up to the fence's end."""
    fence = _FENCE.search(message)
    if fence is None:
        return message, message
    text = message[fence.end() :]
    end = _FENCE_END.search(text)
    return text, text[: end.start()] if end else text


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
    """The text form of an action; ``parse_action(format_action(a)) == a``.

    Raises ActionError for an edit that the format can't hold: a line of its texts is a mark.
    """
    if action.tool == "edit":
        if REPLACE_MARK in action.find.split("\n") or END_MARK in action.replace.split("\n"):
            raise ActionError(
                f"an edit can't find a line {REPLACE_MARK} or write a line {END_MARK}"
            )
        marks = (SEARCH_MARK, action.find, REPLACE_MARK, action.replace, END_MARK)
        return "\n".join((f"edit {action.argument}", *marks))
    return f"{action.tool} {action.argument}".rstrip()
