"""Logs of OpenAI's chat format: JSON Lines of ``{"messages": [...]}``, one session a line.

Source: the chat completions API's message objects; what fine-tuning files hold. ``instance_id`` (or
``id``), ``submission``, ``exit_status`` and ``resolved`` are read where a line has them.
"""

from __future__ import annotations

from pathlib import Path

from stages.import_trajectories.chat import plain, steps, turns
from stages.import_trajectories.fields import Fields, read_lines
from stages.import_trajectories.log import Log
from stages.import_trajectories.mini_swe_agent import recorded


def read(path: Path, translate: bool = False) -> list[Log]:
    """Every session of a file; ImportFault names the first line that isn't one."""
    return [_log(line, translate) for line in read_lines(path)]


def _log(line: Fields, translate: bool) -> Log:
    chat = turns(line.objects("messages"))
    done, known = steps(chat)
    identity = line.value.get("instance_id", line.value.get("id", ""))
    return Log(
        where=line.where,
        source="OpenAI messages",
        instance_id=identity if isinstance(identity, str) else str(identity or ""),
        messages=plain(chat, translate),
        steps=tuple(done),
        exit_status=line.text("exit_status"),
        submission=line.text("submission"),
        outcome=recorded(line),
        exit_codes=known,
        model=line.text("model"),
    )
