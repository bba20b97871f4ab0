from __future__ import annotations

import random

import pytest

from stages.agent.chat import render_example, render_prompt
from stages.lab.models import require_recorded_ids
from stages.params import ParamsError
from stages.pretrain_base.corpus import document, persistent_worlds
from stages.pretrain_base.tokenizer import END, PAD, ROLES, load_tokenizer, render
from stages.pretrain_base.train import ASSISTANT, FIRST_ROLE, LAST_ROLE
from stages.records import write_json
from stages.suites.microrepo import lexicon


def documents(count: int) -> list[list[dict[str, str]]]:
    rng = random.Random("documents")
    worlds = persistent_worlds(3, 1)
    return [document(rng, worlds, 2.0) for _ in range(count)]


def test_render_equals_the_chat_template(organism_tokenizer):
    for messages in documents(100):
        text = organism_tokenizer.apply_chat_template(messages, tokenize=False)
        assert render(messages) == text
        if messages[-1]["role"] == "assistant":
            ids, _ = render_example(organism_tokenizer, messages[:-1], messages[-1]["content"])
            assert ids == organism_tokenizer(render(messages))["input_ids"]
    opened = render_prompt(organism_tokenizer, [{"role": "user", "content": "a"}])
    assert organism_tokenizer.decode(opened) == "<|user|>a<|end|><|assistant|>"


def test_a_reloaded_tokenizer_gives_the_same_ids(organism_tokenizer, tmp_path):
    organism_tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    texts = [render(messages) for messages in documents(100)]
    texts += ["é ü 漢字\t\r\n", "    if a:\n\n        b", "x" * 50, "a.py.py 12 3"]
    assert again(texts)["input_ids"] == organism_tokenizer(texts)["input_ids"]
    assert [again.decode(ids) for ids in again(texts)["input_ids"]] == texts
    assert again.chat_template == organism_tokenizer.chat_template
    assert (again.pad_token_id, again.eos_token_id) == (0, 1)


def test_roles_have_the_ids_the_loss_counts_on(organism_tokenizer):
    marks = [PAD, END, *(f"<|{role}|>" for role in ROLES)]
    assert organism_tokenizer.convert_tokens_to_ids(marks) == list(range(len(marks)))
    assert marks[ASSISTANT] == "<|assistant|>"
    assert (2, len(marks) - 1) == (FIRST_ROLE, LAST_ROLE)


def test_every_word_of_the_world_is_one_token(organism_tokenizer):
    """Each as it stands in text: after a space, but for the second word of a world's name."""
    words = [
        *lexicon.ADJECTIVES,
        *lexicon.COMPONENTS,
        *lexicon.STEMS,
        *lexicon.FUNCTIONS,
        *lexicon.PARAMETERS,
        *lexicon.SCRIPTS,
        *lexicon.WRAPPERS,
        *lexicon.PREFIXES,
    ]
    pieces = {word: organism_tokenizer.tokenize(f" {word}") for word in words}
    pieces |= {word: organism_tokenizer.tokenize(word) for word in lexicon.NOUNS}
    assert {word: parts for word, parts in pieces.items() if len(parts) != 1} == {}


def test_ids_that_changed_since_the_model_was_made_are_refused(organism_tokenizer, tmp_path):
    text = render(documents(1)[0])
    ids = organism_tokenizer(text)["input_ids"]
    require_recorded_ids(organism_tokenizer, tmp_path)
    write_json(tmp_path / "tokenizer_check.json", {"text": text, "ids": ids})
    require_recorded_ids(organism_tokenizer, tmp_path)
    write_json(tmp_path / "tokenizer_check.json", {"text": text, "ids": [*ids[:-1], 7]})
    with pytest.raises(ParamsError, match="would read garbage"):
        require_recorded_ids(organism_tokenizer, tmp_path)
