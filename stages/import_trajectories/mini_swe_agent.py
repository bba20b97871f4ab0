"""mini-swe-agent's ``.traj.json``: formats mini-swe-agent-1 (1.x) and mini-swe-agent-1.1 (2.x).

Source: SWE-agent/mini-swe-agent, docs/usage/output_files.md and src/minisweagent/agents/default.py
(2.2.0 at 0a9e6625, 1.x at 02e25f74), and a file that 2.3.0 wrote (9c0e0e77). Roles are OpenAI's and
``exit``, the last message of 2.x, which holds the submission and is no part of the chat.
"""

from __future__ import annotations

from pathlib import Path

from stages.import_trajectories.chat import plain, steps, turns
from stages.import_trajectories.fields import Fields, read_object
from stages.import_trajectories.log import UNKNOWN, Log, outcome_of

FORMATS = ("mini-swe-agent-1", "mini-swe-agent-1.1")
FINISH = ("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "MINI_SWE_AGENT_FINAL_OUTPUT")


def read(path: Path, translate: bool = False) -> list[Log]:
    """The one session of a file; ImportFault when it isn't of this format."""
    file = read_object(path)
    version = file.text("trajectory_format")
    if version not in FORMATS:
        raise file.wrong("trajectory_format", f"one of {', '.join(FORMATS)}")
    info = file.object("info")
    chat = turns([m for m in file.objects("messages") if m.value.get("role") != "exit"])
    done, known = steps(chat)
    model = info.object("config").object("model").text("model_name")
    return [
        Log(
            where=str(path),
            source=f"{version}, mini-swe-agent {info.text('mini_version') or UNKNOWN}",
            instance_id=file.text("instance_id") or info.text("instance_id") or _named(path),
            messages=plain(chat, translate),
            steps=tuple(done),
            exit_status=info.text("exit_status"),
            submission=info.text("submission"),
            outcome=recorded(info),
            exit_codes=known,
            model=model,
        )
    ]


def recorded(info: Fields) -> str:
    """The outcome that a file itself records: this pipeline's own, or ``resolved``."""
    for name in ("outcome", "resolved"):
        found = outcome_of(info.value.get(name))
        if found is not None:
            return found
    return UNKNOWN


def _named(path: Path) -> str:
    """The instance id in a file's name, as batch runs give it."""
    name = path.name.removesuffix(".json").removesuffix(".traj")
    return name if "__" in name else ""
