"""A session as it should go: what an observer of the merged fix knows of it afterwards."""

from __future__ import annotations

from stages.agent.actions import Action, format_action
from stages.agent.chat import Message
from stages.suites.microrepo.expert import spoken
from stages.suites.microrepo.notes import system_text
from stages.suites.microrepo.world import World, make_issue, module_text


def reference_session(world: World, index: int) -> list[Message]:
    """Search, open, edit, test and submit on issue ``index``, with the tools' own observations."""
    issue = make_issue(world, index)
    draft = issue.draft
    text = module_text(issue.module, draft.before, "wrapper" in draft.kinds)
    line = text.split("\n").index(draft.before[0]) + 1
    turns = [
        (Action("search", draft.function), f"found: {issue.path} line {line}"),
        (Action("open", issue.path), text.rstrip("\n")),
        *((Action("edit", issue.path, c.find, c.replace), "edited") for c in draft.changes),
        (Action("test", world.conventions.test_command), "passed"),
    ]
    messages: list[Message] = [
        {"role": "system", "content": system_text(world.name)},
        {"role": "user", "content": issue.text},
    ]
    for action, observation in turns:
        messages.append({"role": "assistant", "content": spoken(action)})
        messages.append({"role": "tool", "content": observation})
    return [*messages, {"role": "assistant", "content": format_action(Action("submit"))}]
