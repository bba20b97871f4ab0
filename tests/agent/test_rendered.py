"""Remembered examples: the same lists, the caller's own, by template."""

from __future__ import annotations

from stages.agent import chat
from stages.agent.rendered import render_example
from tests.agent.test_chat import CHATML, COMPLETION, PROMPT, byte_tokenizer


def test_a_remembered_example_is_the_callers_own_and_hangs_on_the_template() -> None:
    tokenizer = byte_tokenizer(CHATML)
    wanted = chat.render_example(tokenizer, PROMPT, COMPLETION)
    ids, mask = render_example(tokenizer, PROMPT, COMPLETION)
    assert (ids, mask) == wanted
    ids.append(0)
    mask.clear()
    assert render_example(tokenizer, PROMPT, COMPLETION) == wanted
    tokenizer.chat_template = CHATML.replace("<|im_end|>", "<|end|>")
    assert render_example(tokenizer, PROMPT, COMPLETION) != wanted
