"""One rendering of chat messages to token ids, for training, evaluation and synthesis alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Message = dict[str, str]


def render_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of ``messages`` followed by the opening of an assistant turn."""
    return tokenizer.apply_chat_template(
        list(messages), tokenize=True, add_generation_prompt=True, return_dict=False
    )


def render_example(
    tokenizer: Any, prompt: Sequence[Message], completion: str, train_on: str = "completion"
) -> tuple[list[int], list[bool]]:
    """Token ids of prompt + completion, and a mask that is True where the loss applies.

    ``train_on="completion"`` covers the last assistant message with its closing token;
    ``"assistant"`` covers every assistant message.
    """
    messages = [*prompt, {"role": "assistant", "content": completion}]
    ids: list[int] = []
    mask: list[bool] = []
    for index, message in enumerate(messages):
        learn = message["role"] == "assistant" and (
            train_on == "assistant" or index == len(messages) - 1
        )
        if message["role"] != "assistant":
            continue
        before = render_prompt(tokenizer, messages[:index])
        through = tokenizer.apply_chat_template(
            messages[: index + 1], tokenize=True, add_generation_prompt=False, return_dict=False
        )
        if before[: len(ids)] != ids or through[: len(before)] != before:
            raise ValueError(
                "the chat template is not prefix-stable: the same turn renders differently when "
                "a later one follows; masks would be wrong. Use another template."
            )
        mask += [False] * (len(before) - len(ids)) + [learn] * (len(through) - len(before))
        ids = through
    return ids, mask
