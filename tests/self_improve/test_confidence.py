from __future__ import annotations

import pytest
import torch

from stages.adapters.lora import LoraSettings
from stages.agent.chat import render_example
from stages.self_improve.asking import chat_of
from stages.self_improve.confidence import stated, token_confidences
from stages.training.settings import TrainSettings
from stages.training.train import train
from tests.self_improve.attempts import make_item
from tests.train_adapter.conftest import make_examples, make_model, make_tokenizer


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("note 1 plus 2 is 3\nanswer: 3\nconfidence: 80", 0.8),
        ("confidence: 1", 0.01),
        ("confidence: 0", 0.0),
        ("confidence: 100", 1.0),
        ("Confidence: 1.0", 1.0),
        ("sure: .5", 0.5),
        ("I am sure of 0.25", 0.25),
        ("probability is 75 percent", 0.75),
        ("confidence: 20\nno, confidence: 60%", 0.6),
        ("confidence: 640", None),
        ("the answer is 80", None),
        ("confidence", None),
        ("confidence\n80", None),
        ("", None),
    ],
)
def test_what_an_answer_says_of_itself(text: str, sure: float | None) -> None:
    assert stated(text) == sure


def test_token_confidence_is_the_mean_probability_under_the_adapter_that_answered() -> None:
    model, tokenizer = make_model(), make_tokenizer()
    answers = [(make_item("name1"), text) for text in ("open part1.py", "", "part2.py " * 9)]
    settings = TrainSettings(epochs=2, allow_small=True, micro_tokens=128)
    done = train(model, tokenizer, make_examples(8), settings, LoraSettings(rank=2), progress=False)
    base = token_confidences((model, tokenizer), answers, None, max_tokens=20)
    adapted = token_confidences((model, tokenizer), answers, (done.state, done.lora))
    for (item, text), found in zip(answers, base, strict=True):
        ids, mask = render_example(tokenizer, chat_of(item), text)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0].softmax(-1)
        each = [float(logits[t - 1, ids[t]]) for t in range(1, len(ids)) if mask[t]]
        assert found == pytest.approx(sum(each) / len(each), abs=1e-6)
    assert all(abs(a - b) > 1e-4 for a, b in zip(base, adapted, strict=True))
