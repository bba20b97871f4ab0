"""Rendering of chats under three templates: the organism's, ChatML, and one without a system role.

Each tokenizer is a byte-level one, so that a mask can be read back as text.
"""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from stages.agent.chat import fold_roles, render_example, render_prompt
from stages.pretrain_base.tokenizer import CHAT_TEMPLATE

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "<s>{{ m.role }}\n{{ m.content | trim }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
DROPS_TOOL = CHATML.replace(
    "{% for m in messages %}", "{% for m in messages if m.role != 'tool' %}"
)
FORGETS = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.role != 'assistant' or loop.last %}{{ m.content }}{% else %}...{% endif %}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEMPLATES = {"organism": CHAT_TEMPLATE, "chatml": CHATML, "no system role": NO_SYSTEM}
CLOSING = {"organism": "<|end|>", "chatml": "<|im_end|>\n", "no system role": "</s>\n"}
PROMPT = [
    {"role": "system", "content": "Repository oak_harbor."},
    {"role": "user", "content": "The total is wrong."},
    {"role": "assistant", "content": "open ledger.py"},
    {"role": "tool", "content": "def total(items):\n    return 0"},
]
COMPLETION = "edit ledger.py\n<<<\n    return 0\n===\n    return sum(items)\n>>>"


def byte_tokenizer(template: str) -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>", "<s>", "</s>"]
    special += ["<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE({sign: i for i, sign in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        additional_special_tokens=special,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = template
    return fast


@pytest.fixture(params=TEMPLATES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def decoded(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> str:
    return str(tokenizer.decode(ids))


def learned(tokenizer: PreTrainedTokenizerFast, ids: list[int], mask: list[bool]) -> str:
    return decoded(tokenizer, [i for i, on in zip(ids, mask, strict=True) if on])


def test_every_message_is_in_the_prompt(name: str) -> None:
    tokenizer = byte_tokenizer(TEMPLATES[name])
    text = decoded(tokenizer, render_prompt(tokenizer, PROMPT))
    places = [text.index(message["content"]) for message in PROMPT]
    assert places == sorted(places)
    assert text.rstrip().endswith(("<|assistant|>", "assistant"))


def test_the_completion_alone_is_learned(name: str) -> None:
    tokenizer = byte_tokenizer(TEMPLATES[name])
    ids, mask = render_example(tokenizer, PROMPT, COMPLETION)
    assert learned(tokenizer, ids, mask) == COMPLETION + CLOSING[name]


def test_every_assistant_turn_is_learned(name: str) -> None:
    tokenizer = byte_tokenizer(TEMPLATES[name])
    ids, mask = render_example(tokenizer, PROMPT, COMPLETION, "assistant")
    end = CLOSING[name]
    assert learned(tokenizer, ids, mask) == f"open ledger.py{end}{COMPLETION}{end}"


def test_an_example_begins_with_the_prompt_the_agent_sees(name: str) -> None:
    tokenizer = byte_tokenizer(TEMPLATES[name])
    ids, mask = render_example(tokenizer, PROMPT, COMPLETION)
    prompt = render_prompt(tokenizer, PROMPT)
    assert ids[: len(prompt)] == prompt
    assert mask.index(True) == len(prompt)


def test_a_template_that_drops_tool_results_is_folded() -> None:
    tokenizer = byte_tokenizer(DROPS_TOOL)
    assert "def total(items)" in decoded(tokenizer, render_prompt(tokenizer, PROMPT))


def test_folding_joins_neighbours_and_keeps_the_order() -> None:
    assert fold_roles([*PROMPT, {"role": "user", "content": "Go on."}]) == [
        {"role": "user", "content": "Repository oak_harbor.\n\nThe total is wrong."},
        {"role": "assistant", "content": "open ledger.py"},
        {"role": "user", "content": "def total(items):\n    return 0\n\nGo on."},
    ]


def test_a_template_that_rewrites_earlier_turns_is_refused() -> None:
    with pytest.raises(ValueError, match="not prefix-stable"):
        render_example(byte_tokenizer(FORGETS), PROMPT, COMPLETION)


def test_an_unknown_part_to_train_on_is_refused() -> None:
    with pytest.raises(ValueError, match="train_on is 'all'"):
        render_example(byte_tokenizer(CHATML), PROMPT, COMPLETION, "all")
