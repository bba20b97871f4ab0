"""The action parser: what it reads, what it refuses, and that formatting is its inverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.agent.actions import TOOLS, Action, ActionError, format_action, parse_action

EDIT = "edit a.py\n<<<\n    return 1\n===\n    return 2\n>>>"
# Few signs, the format's own among them, meet the borders sooner than all of Unicode.
line = st.text("ab. <>=`\t\ré→")
words = line.filter(lambda text: text and text.strip() == text)
body = st.lists(line | st.sampled_from(["<<<", "===", ">>>", "```"])).map("\n".join)


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("open a.py", Action("open", "a.py")),
        ("I look first.\nopen a.py 10 40\n", Action("open", "a.py 10 40")),
        ("search  total ", Action("search", "total")),
        ("open\ta.py", Action("open", "a.py")),
        ("test python check.py", Action("test", "python check.py")),
        ("bash ls -l\nwc -l a.py", Action("bash", "ls -l\nwc -l a.py")),
        ("submit", Action("submit")),
        ("Done.\nsubmit\r\n", Action("submit")),
        (EDIT, Action("edit", "a.py", "    return 1", "    return 2")),
        ("edit a.py\n<<<\nx\n===\n>>>", Action("edit", "a.py", "x", "")),
        ("open a.py\nsearch b", Action("open", "a.py")),
        ("Now:\n```action\nsearch total\n```\nopen b.py", Action("search", "total")),
        ("```action\nbash ls\n```\nThat lists it.", Action("bash", "ls")),
        ("```action\nopen a.py", Action("open", "a.py")),
    ],
)
def test_reads(message: str, action: Action) -> None:
    assert parse_action(message) == action


def test_an_edit_may_hold_code_fences() -> None:
    action = Action("edit", "README.md", "```\nold\n```", "```\nnew\n```")
    assert parse_action(f"```action\n{format_action(action)}\n```") == action


@pytest.mark.parametrize(
    "message",
    [
        "open-source code needs care",
        "edit: later",
        "test's result",
        "testing",
        "submit_all",
        "Open a",
    ],
)
def test_a_longer_word_is_not_a_tool(message: str) -> None:
    with pytest.raises(ActionError, match="no action"):
        parse_action(message)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "no action"),
        ("I am not sure.", "no action"),
        ("```action\n```\nopen a.py", "no action"),
        ("open", "open needs an argument"),
        ("bash  \n", "bash needs an argument"),
        ("edit\n<<<\nx\n===\ny\n>>>", "edit needs a file path"),
        ("edit a.py", "edit needs the lines"),
        ("edit a.py\n<<<\nx\n===\ny", "edit needs the lines"),
        ("edit a.py\n>>>\n===\n<<<", "edit needs the lines"),
        ("edit a.py\n<<<\n===\ny\n>>>", "edit needs the text to find"),
    ],
)
def test_refuses(message: str, reason: str) -> None:
    with pytest.raises(ActionError, match=reason):
        parse_action(message)


@given(st.sampled_from([tool for tool in TOOLS if tool not in ("edit", "submit")]), words)
def test_a_formatted_line_parses_back(tool: str, argument: str) -> None:
    action = Action(tool, argument)
    assert parse_action(format_action(action)) == action


@given(words, body, body)
def test_a_formatted_edit_parses_back(path: str, find: str, replace: str) -> None:
    action = Action("edit", path, find, replace)
    try:
        text = format_action(action)
    except ActionError:
        assert "===" in find.split("\n") or ">>>" in replace.split("\n")
        return
    if find:
        assert parse_action(text) == action


@pytest.mark.parametrize(("find", "replace"), [("a\n===\nb", "c"), ("a", "b\n>>>\nc")])
def test_an_edit_that_holds_a_mark_is_refused(find: str, replace: str) -> None:
    with pytest.raises(ActionError, match="an edit can't"):
        format_action(Action("edit", "a.rst", find, replace))


@given(st.text())
def test_any_text_gives_an_action_or_an_action_error(message: str) -> None:
    try:
        action = parse_action(message)
    except ActionError:
        return
    assert action.tool in TOOLS
