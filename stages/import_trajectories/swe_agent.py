"""SWE-agent's ``.traj``: ``history`` (the chat), ``trajectory`` (the steps) and ``info``.

Source: SWE-agent/SWE-agent, sweagent/types.py (05ff843f) and docs/usage/trajectories.md (17fc9f2f),
1.x; files of 0.6 and 0.7 have the same fields, without tool calls. It records no exit codes.
Demonstrations (``is_demo``) are another agent's and are left out.
"""

from __future__ import annotations

from pathlib import Path

from stages.import_trajectories.chat import ROLES, text_of
from stages.import_trajectories.fields import Fields, read_object
from stages.import_trajectories.log import UNKNOWN, Log
from stages.import_trajectories.mini_swe_agent import recorded
from stages.records import Step


def read(path: Path, translate: bool = False) -> list[Log]:
    """The one session of a file; ImportFault when it isn't of this format."""
    file = read_object(path)
    info = file.object("info")
    history = [m for m in file.objects("history") if not m.value.get("is_demo")]
    submission = info.value.get("submission")
    version = info.text("swe_agent_version") or UNKNOWN
    return [
        Log(
            where=str(path),
            source=f"SWE-agent {version}",
            instance_id=path.name.removesuffix(".json").removesuffix(".traj"),
            messages=tuple(_message(message, translate) for message in history),
            steps=tuple(_step(step) for step in file.objects("trajectory")),
            exit_status=info.text("exit_status"),
            submission=submission if isinstance(submission, str) else "",
            outcome=recorded(info),
            exit_codes=0,
        )
    ]


def _message(message: Fields, translate: bool) -> dict[str, str]:
    role = ROLES.get(message.text("role"))
    if role is None:
        raise message.wrong("role", f"one of {', '.join(ROLES)}")
    content, action = text_of(message), message.text("action")
    if role != "assistant" or not action.strip():
        return {"role": role, "content": content}
    if not translate:
        said = content if action.strip() in content else f"{content}\n{action.strip()}".strip()
        return {"role": role, "content": said}
    thought = message.text("thought").strip()
    return {"role": role, "content": "\n".join(p for p in (thought, action_text(action)) if p)}


def _step(step: Fields) -> Step:
    return Step(action_text(step.text("action")), step.text("observation"), ok=False)


def action_text(action: str) -> str:
    """SWE-agent's action, a shell command, in the agent's own format."""
    action = action.strip()
    return action if action in ("submit", "") else f"bash {action}"
