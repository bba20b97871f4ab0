"""Training speed: our loop against trl's SFTTrainer and against bare forward, backward, step.

Same base, same adapter, same tokens, same batch size and epochs, one thread each, gradient
checkpointing off. Loading, attaching and tokenizing aren't timed on either side. Time is the
process's CPU time, which for one thread is wall-clock on a quiet machine and stays meaningful on
a busy one. A ratio is the median of paired repetitions run in alternating order, with a bootstrap
interval over the pairs.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from stages.adapters.lora import LoraSettings, attached
from stages.training.batches import Row, collate, epoch_batches
from stages.training.fast_qwen2 import FastQwen2
from stages.training.settings import TrainSettings
from stages.training.sft import reproducible, run_sft
from stages.training.sharing import share_prefixes

BASE = Path("models/base")
SETTINGS = TrainSettings(epochs=2, batch_size=16, warmup=0.0, schedule="constant")
LORA = LoraSettings(rank=8, alpha=16.0)
REPETITIONS = 7


def measure() -> list[dict[str, Any]]:
    """Rows for the table of benchmarks; a ratio above 1 means that ours is faster."""
    model, single, steps = load_model(), make_rows(96, seed=0), make_steps(24, seed=0)
    comparisons = [
        ("LoRA training, tokens/s", "trl SFTTrainer", trl_seconds, single),
        ("LoRA training, tokens/s", "bare peft forward+backward+step", bare_seconds, single),
        ("LoRA training on the steps of episodes, tokens/s", "trl SFTTrainer", trl_seconds, steps),
    ]
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, peer, seconds, rows in comparisons:
            ratios = paired_ratios(lambda f, rows=rows: f(model, rows), seconds, our_seconds)
            lo, hi = bootstrap(ratios)
            results.append(
                {
                    "name": name,
                    "ratio": statistics.median(ratios),
                    "lo": lo,
                    "hi": hi,
                    "peer": peer,
                    "command": "python -m benchmarks.training",
                    "machine": machine(),
                }
            )
    return results


def load_model() -> Any:
    """The embedded base, or random weights of its shape where it isn't built yet."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    if (BASE / "config.json").exists():
        return Qwen2ForCausalLM.from_pretrained(BASE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=1024,
                hidden_size=128,
                intermediate_size=384,
                num_hidden_layers=3,
                num_attention_heads=2,
                num_key_value_heads=2,
                max_position_embeddings=512,
                tie_word_embeddings=True,
            )
        )


def make_rows(n: int, seed: int) -> list[Row]:
    """Random tokens in the lengths of short episodes: 80 to 300, the last fifth being targets."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        length = rng.randint(80, 300)
        ids = tuple(rng.randrange(10, 500) for _ in range(length))
        rows.append(Row(f"r{i}", ids, tuple(t >= 0.8 * length for t in range(length))))
    return rows


def make_steps(n_episodes: int, seed: int) -> list[Row]:
    """Four steps of each episode, each a row of its own that continues the one before."""
    rows = []
    for episode in make_rows(n_episodes, seed):
        for step in range(1, 5):
            length = len(episode.ids) * (step + 2) // 6
            mask = tuple(t >= length - 12 for t in range(length))
            rows.append(Row(f"{episode.example_id}-{step}", episode.ids[:length], mask))
    return rows


def our_seconds(model: Any, rows: list[Row]) -> float:
    with reproducible(1, 0), attached(model, LORA) as wrapped:
        engine = FastQwen2(wrapped)
        began = time.process_time()
        run_sft(engine, share_prefixes(rows), SETTINGS, progress=False)
        return time.process_time() - began


def bare_seconds(model: Any, rows: list[Row]) -> float:
    """The loop one would write by hand: padded batches, labels, the model's own loss."""
    with reproducible(1, 0), attached(model, LORA) as wrapped:
        wrapped.train()
        parameters = [p for p in wrapped.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=SETTINGS.learning_rate, fused=True)
        began = time.process_time()
        for epoch in range(SETTINGS.epochs):
            for batch in epoch_batches([1] * len(rows), SETTINGS.batch_size, 0, epoch):
                padded = collate([rows[i] for i in batch])
                size, width = padded.ids.shape
                labels = torch.full((size * width,), -100)
                labels[padded.index] = padded.targets
                shift = labels.view(size, width)
                mask = torch.arange(width)[None] < padded.lengths[:, None]
                loss = wrapped(
                    input_ids=padded.ids,
                    attention_mask=mask.long(),
                    labels=shift,
                    shift_labels=shift,
                    use_cache=False,
                ).loss
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return time.process_time() - began


def trl_seconds(model: Any, rows: list[Row]) -> float:
    from datasets import Dataset  # pyright: ignore[reportMissingImports]
    from transformers import PrinterCallback
    from trl.trainer.sft_config import SFTConfig  # pyright: ignore[reportMissingImports]
    from trl.trainer.sft_trainer import SFTTrainer  # pyright: ignore[reportMissingImports]

    with tempfile.TemporaryDirectory() as folder, reproducible(1, 0), attached(model, LORA) as peft:
        arguments = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=SETTINGS.batch_size,
            num_train_epochs=SETTINGS.epochs,
            learning_rate=SETTINGS.learning_rate,
            lr_scheduler_type="constant",
            max_length=None,
            gradient_checkpointing=False,
            completion_only_loss=True,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            bf16=False,
            optim="adamw_torch_fused",
        )
        data = Dataset.from_dict(
            {
                "input_ids": [list(row.ids) for row in rows],
                "completion_mask": [[int(m) for m in row.mask] for row in rows],
            }
        )
        trainer = SFTTrainer(peft, arguments, train_dataset=data, processing_class=_tokenizer())
        trainer.remove_callback(PrinterCallback)
        began = time.process_time()
        trainer.train()
        return time.process_time() - began


def _tokenizer() -> Any:
    """trl asks for a tokenizer even for tokenized data; only its padding token is used."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({"<pad>": 0, "<end>": 1}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<end>")


def paired_ratios(
    run: Callable[[Callable[..., float]], float],
    peer: Callable[..., float],
    ours: Callable[..., float],
) -> list[float]:
    """peer seconds / our seconds of each repetition; who goes first alternates, one warm-up."""
    run(peer)
    run(ours)
    ratios = []
    for repetition in range(REPETITIONS):
        order = [peer, ours] if repetition % 2 else [ours, peer]
        seconds = {f: run(f) for f in order}
        ratios.append(seconds[peer] / seconds[ours])
    return ratios


def bootstrap(values: list[float], draws: int = 2000) -> tuple[float, float]:
    """95 % percentile interval of the median."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(draws))
    return medians[int(0.025 * draws)], medians[int(0.975 * draws)]


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread"


if __name__ == "__main__":
    for row in measure():
        interval = f"{row['ratio']:.2f} [{row['lo']:.2f}, {row['hi']:.2f}]"
        print(f"{row['name']} vs {row['peer']}: {interval}")
