from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

from stages.agent.cache import SlotCache
from stages.agent.chat import render_prompt
from stages.agent.local import AdapterError, LocalConfig, LocalModel
from stages.agent.model import Completion, Request
from stages.agent.prompts import PromptRenderer
from stages.agent.sampling import choose, uniforms
from tests.agent.tiny import tiny_qwen2, tiny_tokenizer

LORA = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear")


def local(**fields: Any) -> LocalModel:
    config = LocalConfig(**{"max_batch": 8, "max_context_tokens": 256, **fields})
    return LocalModel(tiny_qwen2(), tiny_tokenizer(), config)


def adapter_state(scale: float = 0.1) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        state = get_peft_model_state_dict(get_peft_model(tiny_qwen2(), copy.deepcopy(LORA)))
        return {name: torch.randn_like(tensor) * scale for name, tensor in state.items()}


def request(n: int, temperature: float = 0.0, adapter: str | None = None) -> Request:
    messages = (
        {"role": "system", "content": "r" * (3 + 5 * n % 17)},
        {"role": "user", "content": f"question {n}"},
    )
    return Request(messages, adapter, temperature, 12 + n % 5, seed=n)


def requests(count: int = 12, adapter: str | None = None) -> list[Request]:
    return [request(n, float(n % 2), adapter) for n in range(count)]


def facts(completions: list[Completion]) -> list[Completion]:
    return [dataclasses.replace(done, seconds=0.0, cached_tokens=0) for done in completions]


@pytest.fixture
def quiet_peft(recwarn: pytest.WarningsRecorder) -> None:
    """peft asks transformers 5 under a property's old name when a test builds an adapter."""


@pytest.mark.parametrize(("heads", "kv_heads"), [(2, 1), (2, 2)])
@pytest.mark.parametrize("tied", [True, False])
def test_compact_logits_are_those_of_transformers(heads: int, kv_heads: int, tied: bool) -> None:
    base = tiny_qwen2(heads=heads, kv_heads=kv_heads)
    if not tied:
        base.lm_head.weight = torch.nn.Parameter(torch.randn_like(base.lm_head.weight))
    model = LocalModel(base, tiny_tokenizer(), LocalConfig(max_context_tokens=256))
    assert model.compact
    assert model.difference(None) < 1e-5


def test_both_ways_answer_alike_and_whatever_the_batch() -> None:
    compact, generic = local(), local(use_compact=False)
    assert compact.compact
    assert not generic.compact
    asked = requests()
    answers = facts(compact.complete(asked))
    assert answers == facts(generic.complete(asked))
    assert answers == [facts(compact.complete([one]))[0] for one in asked]
    assert answers == facts(local(max_batch=3).complete(asked))
    assert answers == facts(local(max_batch=5, use_compact=False).complete(asked))
    assert answers[::-1] == facts(compact.complete(asked[::-1]))


def test_greedy_answers_are_those_of_generate() -> None:
    model = local()
    for one in requests(4):
        one = dataclasses.replace(one, temperature=0.0)
        ids = torch.tensor([render_prompt(model.tokenizer, one.messages)])
        out = model.transformers_model.generate(
            ids, max_new_tokens=one.max_new_tokens, do_sample=False
        )
        text = model.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        assert model.complete([one])[0].text == text


def test_the_seed_alone_decides_a_sample() -> None:
    model = local()
    one = request(1, 1.0)
    again = [dataclasses.replace(one, seed=seed) for seed in (1, 2, 1)]
    first, other, same = model.complete(again)
    assert first.text == same.text != other.text


def test_turns_reuse_the_cache_without_changing_the_answer() -> None:
    model, fresh = local(), local(use_compact=False)
    stream = model.stream()
    assert stream is not None

    def next_turns(asked: list[Request]) -> list[Completion]:
        stream.submit(list(enumerate(asked)))
        done: dict[int, Completion] = {}
        while len(done) < len(asked):
            done.update(stream.poll())
        return [done[n] for n in range(len(asked))]

    chats = [list(request(n).messages) for n in range(6)]
    prompt_tokens = [0] * 6
    for turn in range(3):
        asked = [
            Request(tuple(chat), None, float(n % 2), 10 + 3 * n, seed=turn, key=n)
            for n, chat in enumerate(chats)
        ]
        answers = next_turns(asked)
        assert facts(answers) == facts(fresh.complete(asked))
        assert all(
            done.cached_tokens >= before
            for done, before in zip(answers, prompt_tokens, strict=True)
        )
        prompt_tokens = [done.input_tokens for done in answers]
        for n, (chat, done) in enumerate(zip(chats, answers, strict=True)):
            chat.append({"role": "assistant", "content": done.text})
            chat.append({"role": "tool", "content": f"observation {n}"})
    chats[0][1] = {"role": "user", "content": "pruned"}
    asked = [Request(tuple(chats[0]), None, 0.0, 10, key=0)]
    assert facts(next_turns(asked)) == facts(fresh.complete(asked))


def test_what_was_asked_before_leaves_no_trace() -> None:
    """Left-over slots would change the rows of a batch, and with them the last bits."""
    model, asked = local(), [dataclasses.replace(one, key=n) for n, one in enumerate(requests())]
    once = model.complete(asked)
    again = model.complete(asked)
    assert facts(again) == facts(once)
    assert [done.cached_tokens for done in again] == [done.cached_tokens for done in once]


def test_more_episodes_than_slots() -> None:
    few, many = local(max_batch=2), local(max_batch=16)
    asked = [dataclasses.replace(one, key=n) for n, one in enumerate(requests())]
    assert facts(few.complete(asked)) == facts(many.complete(asked))
    assert facts(few.complete(asked[::-1])) == facts(many.complete(asked[::-1]))


def test_a_prompt_beyond_the_context_is_data_not_an_error() -> None:
    for model in (local(max_context_tokens=20), local(max_context_tokens=20, use_compact=False)):
        asked = [request(3), Request(({"role": "user", "content": "x"},)), request(3)]
        long, short, again = model.complete(asked)
        assert facts([again]) == facts([long])
        assert (long.finish, long.output_tokens, long.text) == ("length", 0, "")
        assert short.input_tokens + short.output_tokens <= 20


def test_adapters_mix_in_one_call_and_leave_the_base_alone(quiet_peft: None) -> None:
    compact, generic = local(), local(use_compact=False)
    base = facts(compact.complete(requests()))
    for model in (compact, generic):
        model.load_adapter("a", copy.deepcopy(LORA), adapter_state())
        model.load_adapter("sessions.1-25", copy.deepcopy(LORA), adapter_state(0.0))
    assert compact.difference("a") <= 1e-5
    names = [None, "a", "sessions.1-25"]
    mixed = [dataclasses.replace(one, adapter=names[n % 3]) for n, one in enumerate(requests())]
    answers = facts(compact.complete(mixed))
    assert answers == facts(generic.complete(mixed))
    assert [answers[n] == base[n] for n in range(3)] == [True, False, True]
    compact.drop_adapter("a")
    assert facts(compact.complete(requests())) == base
    with pytest.raises(AdapterError, match="isn't loaded"):
        compact.complete([request(1, adapter="a")])


def test_a_name_loaded_again_is_the_new_adapter(quiet_peft: None) -> None:
    model = local()
    asked = [request(1, adapter="a")]
    model.load_adapter("a", copy.deepcopy(LORA), adapter_state())
    first = facts(model.complete(asked))
    model.load_adapter("a", copy.deepcopy(LORA), adapter_state(0.0))
    assert facts(model.complete(asked)) == facts(model.complete([request(1)])) != first


@pytest.mark.parametrize("fault", ["shape", "missing", "foreign"])
def test_an_adapter_of_another_base_is_refused(fault: str, quiet_peft: None) -> None:
    state = adapter_state()
    name = next(iter(state))
    if fault == "shape":
        state[name] = torch.zeros(7, 7)
    elif fault == "missing":
        del state[name]
    else:
        state["base_model.model.model.layers.9.mlp.up_proj.lora_A.weight"] = torch.zeros(4, 64)
    model = local()
    with pytest.raises(AdapterError, match="doesn't fit this base"):
        model.load_adapter("a", copy.deepcopy(LORA), state)
    assert facts(model.complete(requests())) == facts(local().complete(requests()))


def test_prompts_by_piece_equal_whole_prompts() -> None:
    tokenizer = tiny_tokenizer(["ledger"])
    renderer = PromptRenderer(tokenizer)
    messages = [*request(1).messages, {"role": "assistant", "content": "open ledger.py\n"}]
    assert renderer.piecewise
    assert renderer.ids(messages) == render_prompt(tokenizer, messages)
    assert renderer.closing_ids() == {5}
    tokenizer.chat_template = (
        "{% for m in messages %}{{loop.index}}{{m.content}}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    renderer = PromptRenderer(tokenizer)
    assert not renderer.piecewise
    assert renderer.ids(messages) == render_prompt(tokenizer, messages)


def test_draws_are_uniform_and_independent_of_the_batch() -> None:
    seeds = np.arange(20_000, dtype=np.uint64)
    draws = uniforms(seeds, np.full(20_000, 3, np.uint64))
    assert abs(draws.mean() - 0.5) < 0.01
    assert abs(draws.var() - 1 / 12) < 0.005
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.03
    assert uniforms(seeds[7:8], np.array([3], np.uint64)) == draws[7]
    logits = torch.tensor([[0.0, 2.0, 1.0, -1.0]]).repeat(20_000, 1)
    tokens = choose(logits, np.full(20_000, 1.0), draws)
    shares = np.bincount(tokens, minlength=4) / 20_000
    assert np.abs(shares - logits[0].softmax(0).numpy()).max() < 0.012
    assert (choose(logits[:4], np.zeros(4), draws[:4]) == 1).all()


def test_a_cache_s_memory_is_used_again_and_what_stood_in_it_leaves_no_trace() -> None:
    model = local()
    asked = requests()
    answers = facts(model.complete(asked))
    (blocks,) = model._spare
    for block in (*blocks.keys, *blocks.values):
        assert bool(block.any())
        block[: blocks._rows, :, : blocks._length] = float("nan")  # as a broken adapter leaves it
    assert facts(model.complete(asked)) == answers
    assert model._spare == [blocks]


def test_two_streams_at_once_have_memory_of_their_own() -> None:
    model = local()
    answers = facts(model.complete(requests()))
    first, second = model.stream(), model.stream()
    assert first is not None and second is not None
    for stream in (first, second):
        stream.submit(list(enumerate(requests())))
    done: dict[str, dict[int, Completion]] = {"first": {}, "second": {}}
    while any(len(each) < len(answers) for each in done.values()):
        done["first"].update(first.poll())
        done["second"].update(second.poll())
    for each in done.values():
        assert facts([each[n] for n in range(len(answers))]) == answers


@pytest.mark.parametrize("slots", [3, 8])
def test_a_beginning_that_prompts_share_is_computed_once(
    slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four samples each of three questions, under one system prompt of 64 tokens and more."""
    system = {"role": "system", "content": "rules " * 10}
    asked = [
        Request((system, {"role": "user", "content": f"question {q} " * 4}), None, 1.0, 9, seed=s)
        for q in range(3)
        for s in range(4)
    ]
    model, computed = local(max_batch=slots), 0
    prefill = SlotCache.prefill

    def counted(cache: SlotCache, slots: list[int], ends: list[int]) -> torch.Tensor:
        nonlocal computed
        computed += sum(
            end - int(cache.lengths[slot]) for slot, end in zip(slots, ends, strict=True)
        )
        return prefill(cache, slots, ends)

    alone = [facts(model.complete([one]))[0] for one in asked]
    monkeypatch.setattr(SlotCache, "prefill", counted)
    answers = model.complete(asked)
    assert facts(answers) == alone
    assert {done.cached_tokens for done in answers} == {0}  # chance isn't counted
    whole = [len(model.render(one)) for one in asked[::4]]
    begins = len(model.render(Request((system,), None, 1.0, 9)))
    if slots == 8:  # the first question whole, of the others what is theirs, of samples a token
        assert computed <= whole[0] + sum(n - begins + 8 for n in whole[1:]) + 9
    assert computed < sum(4 * n for n in whole) / 2
