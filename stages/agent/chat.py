"""One rendering of chat messages to token ids, for training, evaluation and synthesis alike."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jinja2

Message = dict[str, str]
TRAIN_ON = ("completion", "assistant")


def render_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of ``messages`` followed by the opening of an assistant turn."""
    return _render(tokenizer, messages, True)


def render_example(
    tokenizer: Any, prompt: Sequence[Message], completion: str, train_on: str = "completion"
) -> tuple[list[int], list[bool]]:
    """Token ids of prompt + completion, and a mask that is True where the loss applies.

    ``train_on="completion"`` covers the last assistant message with its closing token;
    ``"assistant"`` covers every assistant message. Raises ValueError for another value, and for a
    template whose masks would be wrong.
    """
    if train_on not in TRAIN_ON:
        raise ValueError(f"train_on is {train_on!r}; it must be one of {TRAIN_ON}.")
    messages = [*prompt, {"role": "assistant", "content": completion}]
    ids: list[int] = []
    mask: list[bool] = []
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        learn = train_on == "assistant" or index == len(messages) - 1
        before = _render(tokenizer, messages[:index], True)
        through = _render(tokenizer, messages[: index + 1], False)
        if before[: len(ids)] != ids or through[: len(before)] != before:
            raise ValueError(
                "the chat template is not prefix-stable: the same turn renders differently when "
                "a later one follows; masks would be wrong. Use another template."
            )
        mask += [False] * (len(before) - len(ids)) + [learn] * (len(through) - len(before))
        ids = through
    return ids, mask


def fold_roles(messages: Sequence[Message]) -> list[Message]:
    """The same chat with user and assistant alone: system and tool texts join the user's turns."""
    folded: list[Message] = []
    for message in messages:
        role = "assistant" if message["role"] == "assistant" else "user"
        if folded and folded[-1]["role"] == role:
            content = f"{folded[-1]['content']}\n\n{message['content']}"
            folded[-1] = {"role": role, "content": content}
        else:
            folded.append({"role": role, "content": message["content"]})
    return folded


def _render(tokenizer: Any, messages: Sequence[Message], opening: bool) -> list[int]:
    if _must_fold(tokenizer, getattr(tokenizer, "chat_template", None)):
        messages = fold_roles(messages)
    return tokenizer.apply_chat_template(
        list(messages), tokenize=True, add_generation_prompt=opening, return_dict=False
    )


@functools.lru_cache(maxsize=8)
def _must_fold(tokenizer: Any, template: str | None) -> bool:
    """Whether the template refuses the roles system or tool, or silently leaves their text out."""
    roles = ("system", "user", "assistant", "tool")
    probe = [{"role": role, "content": f"text of {role}"} for role in roles]
    try:
        text = tokenizer.apply_chat_template(probe, tokenize=False)
    except jinja2.TemplateError:
        return True
    return not all(message["content"] in text for message in probe)
