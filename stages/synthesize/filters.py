"""Examples that must not be trained on, dropped and counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from stages.agent.actions import ActionError, parse_action
from stages.agent.rendered import render_example
from stages.records import Example


def keep_sound(
    examples: Iterable[Example],
    tokenizer: Any,
    context_tokens: int,
    forbidden: Sequence[str],
    per_session: int,
) -> tuple[list[Example], Counter[str]]:
    """Examples that pass every filter, in order, and how many each filter dropped.

    Filters: ``unparseable`` (format T whose target the agent's parser refuses), ``duplicate``
    (the same text from the same session), ``leaking`` (a test task's text in it), ``truncated``
    (longer than the context), ``over budget`` (more than ``per_session`` from one session).
    """
    kept: list[Example] = []
    dropped: Counter[str] = Counter()
    seen: set[tuple[str, str, str, str]] = set()
    per: Counter[str] = Counter()
    for example in examples:
        user = "\n".join(message["content"] for message in example.prompt)
        text = (example.instance_id, user, example.completion, example.rejected)
        whole = "\n".join(text[1:])
        reason = ""
        if example.format == "T" and not _parses(example):
            reason = "unparseable"
        elif text in seen:
            reason = "duplicate"
        elif any(statement in whole for statement in forbidden):
            reason = "leaking"
        elif _length(example, tokenizer) > context_tokens:
            reason = "truncated"
        elif per[example.instance_id] >= per_session:
            reason = "over budget"
        if reason:
            dropped[reason] += 1
            continue
        seen.add(text)
        per[example.instance_id] += 1
        kept.append(example)
    return kept, dropped


def _parses(example: Example) -> bool:
    turns = [m["content"] for m in example.prompt if m["role"] == "assistant"]
    try:
        for text in (*turns, example.completion):
            parse_action(text)
    except ActionError:
        return False
    return True


def _length(example: Example, tokenizer: Any) -> int:
    texts = [example.completion, *([example.rejected] if example.rejected else [])]
    return max(
        len(render_example(tokenizer, example.prompt, text, example.train_on)[0]) for text in texts
    )
