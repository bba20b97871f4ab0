"""What an organism with trivia and maths in its diet knows of them, by strength and subject.

For the model card: loops measure the same on their own items, with intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from stages.pretrain_base.tokenizer import END, load_tokenizer, render
from stages.suites import reckoning
from stages.suites.beliefs import load_beliefs
from stages.suites.judge import is_right

PROBLEMS = 300
"""Maths problems of the part test, which no diet holds."""
TEMPERATURES = (0.0, 0.7)
ROWS = 100
"""Questions answered side by side."""
MOST_TOKENS = 72

Table = dict[str, dict[str, list[int]]]
"""Area, group -> [right, asked] at each of ``TEMPERATURES``, one after the other."""


def skills(folder: Path) -> Table:
    """Right answers by trivia strength, and by maths subject and difficulty."""
    tokenizer = load_tokenizer(folder)
    model = Qwen2ForCausalLM.from_pretrained(folder).eval()
    asked = [(f"trivia {b.strength}", b.question, b.answer, True) for b in load_beliefs()]
    for problem in reckoning.make_problems("test", PROBLEMS, seed=0):
        question, truth = reckoning.ask(problem.prompt), problem.solution.answer
        asked.append((f"maths {problem.subject}", question, truth, False))
        asked.append((f"difficulty {problem.difficulty}", question, truth, False))
    questions = sorted({question for _, question, _, _ in asked})
    table: Table = {}
    for temperature in TEMPERATURES:
        answers = _answers(model, tokenizer, questions, temperature)
        said = dict(zip(questions, answers, strict=True))
        for group, question, truth, is_whole in asked:
            area, name = group.split()
            given = said[question] if is_whole else reckoning.read_said(said[question]).answer
            row = table.setdefault(area, {}).setdefault(name, [])
            row += [int(is_right(given or "", truth)), 1]
    return {
        area: {name: _summed(row) for name, row in rows.items()} for area, rows in table.items()
    }


@torch.no_grad()
def _answers(
    model: Qwen2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    questions: Sequence[str],
    temperature: float,
) -> list[str]:
    """One answer to each question."""
    torch.manual_seed(0)
    chosen: dict[str, Any] = {"do_sample": False}
    if temperature:
        chosen = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    texts = []
    for first in range(0, len(questions), ROWS):
        chats = [
            render([{"role": "user", "content": question}]) + "<|assistant|>"
            for question in questions[first : first + ROWS]
        ]
        batch = tokenizer(chats, return_tensors="pt", padding=True, return_token_type_ids=False)
        out_BT = model.generate(**batch, max_new_tokens=MOST_TOKENS, **chosen)
        new_BT = out_BT[:, batch["input_ids"].shape[1] :]
        texts += [text.split(END)[0] for text in tokenizer.batch_decode(new_BT)]
    return texts


def _summed(row: list[int]) -> list[int]:
    """[right, asked] at each temperature from one pair per question, temperature by temperature."""
    size = len(row) // len(TEMPERATURES)
    parts = [row[i * size : (i + 1) * size] for i in range(len(TEMPERATURES))]
    return [total for part in parts for total in (sum(part[::2]), sum(part[1::2]))]
