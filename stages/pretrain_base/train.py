"""Train the organism: worker processes of one thread each, gradients averaged."""

from __future__ import annotations

import datetime
import math
import os
import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

from stages.params import OrganismParams
from stages.pretrain_base import checkpoint
from stages.pretrain_base.batches import batches
from stages.pretrain_base.corpus import FULL
from stages.pretrain_base.diet import corpus_digest, diet_of
from stages.pretrain_base.model import new_model, optimizers, take_weights
from stages.pretrain_base.probe import copying, make_probe
from stages.pretrain_base.tokenizer import load_tokenizer, render, train_tokenizer
from stages.records import sha256_file, sha256_text, write_json

TOKENIZER_DOCUMENTS = 20_000
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
PROBES = 30
"""Times that copying is probed and the state saved, evenly over the training."""
FIRST_ROLE, ASSISTANT, LAST_ROLE = 2, 4, 5
"""Token ids of the role marks, in the order the tokenizer is given them; 0 is padding."""
OTHER_WEIGHT = 0.4
"""Weight of a token outside assistant turns."""


def build_tokenizer(params: OrganismParams) -> PreTrainedTokenizerFast:
    """Train the tokenizer on a sample of the full diet."""
    rng = random.Random(f"tokenizer {params.seed}")
    diet = diet_of(params)
    texts = (render(diet.document(rng, FULL)) for _ in range(TOKENIZER_DOCUMENTS))
    return train_tokenizer(texts, params.vocab_size)


def pretrain(params: OrganismParams, folder: Path) -> None:
    """Train and save model and tokenizer into ``folder``, with ``training.json`` beside them."""
    if params.start is None:
        build_tokenizer(params).save_pretrained(folder)
    else:
        _copy_tokenizer(Path(params.start), folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.start_processes(  # type: ignore[no-untyped-call]
        _worker, args=(params, folder, port), nprocs=params.workers, start_method="spawn"
    )


def _copy_tokenizer(start: Path, folder: Path) -> None:
    """The tokenizer of the model gone on from, byte for byte: its weights know no other."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        shutil.copyfile(start / name, folder / name)


def _worker(rank: int, params: OrganismParams, folder: Path, port: int) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group(
        "gloo", rank=rank, world_size=params.workers, timeout=datetime.timedelta(minutes=30)
    )
    try:
        _train(rank, params, folder)
    finally:
        dist.destroy_process_group()


def _train(rank: int, params: OrganismParams, folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    model = new_model(
        len(tokenizer),
        params.hidden_size,
        params.layers,
        params.heads,
        params.intermediate_size,
        params.seed,
    )
    if params.start is not None:
        take_weights(model, Path(params.start))
    steps = optimizers(model, params.learning_rate)
    rates = [group["lr"] for step in steps for group in step.param_groups]
    share = params.tokens // params.workers
    place = folder.with_name(f".{folder.name}-unfinished")
    key = _key(params, folder)
    at = checkpoint.load(place, key, model, steps)
    probes = {
        "easy": make_probe(tokenizer, "easy", 0, 128, params.seed),
        "medium_noted": make_probe(tokenizer, "medium", 2, 128, params.seed),
        "hard_noted": make_probe(tokenizer, "hard", 2, 128, params.seed),
    }
    bar = tqdm(total=params.tokens, unit="tok", unit_scale=True, disable=rank != 0)
    diet = enumerate(_in_step(_batches(rank, params, tokenizer, share), share), start=1)
    for batch, (ids_BT, seen) in diet:
        bar.update(seen * params.workers - bar.n)
        if batch <= at.batches:
            continue
        _set_rates(steps, rates, seen / share)
        loss = _step(model, steps, ids_BT, params.workers)
        at.loss = loss if not at.loss else 0.98 * at.loss + 0.02 * loss
        at.batches = batch
        tokens = seen * params.workers
        if rank == 0 and (tokens >= at.next_probe or seen >= share):
            at.next_probe += params.tokens // PROBES
            row = {"tokens": float(tokens), "loss": at.loss}
            for name, probe in probes.items():
                row[f"{name}_tokens"], row[f"{name}_sessions"] = copying(model, probe)
            at.log.append({name: round(value, 4) for name, value in row.items()})
            bar.write(str(at.log[-1]))
            checkpoint.save(place, key, model, steps, at)
    if rank == 0:
        model.save_pretrained(folder)
        write_json(folder / "training.json", at.log)
        checkpoint.remove(place)


def _key(params: OrganismParams, folder: Path) -> str:
    """What an unfinished training must share with this one to be continued."""
    code = [sha256_file(path) for path in sorted(Path(__file__).parent.glob("*.py"))]
    made = [sha256_file(folder / "tokenizer.json")]
    if params.start is not None:
        made.append(sha256_file(Path(params.start) / "model.safetensors"))
    return sha256_text(repr((params, corpus_digest(params), made, code)))


def _batches(
    rank: int, params: OrganismParams, tokenizer: PreTrainedTokenizerFast, share: int
) -> Iterator[tuple[torch.Tensor, int]]:
    batch_tokens = params.batch_tokens // params.workers
    seed = f"diet {params.seed} {rank}"
    return batches(tokenizer, diet_of(params), seed, batch_tokens, share, params.curriculum)


def _in_step(
    source: Iterator[tuple[torch.Tensor, int]], share: int
) -> Iterator[tuple[torch.Tensor, int]]:
    """All workers count the mean of their tokens, so that all stop at the same step."""
    for ids_BT, seen in source:
        mean = torch.tensor(float(seen))
        dist.all_reduce(mean)
        together = int(mean.item()) // dist.get_world_size()
        yield ids_BT, together
        if together >= share:
            return


def _step(
    model: torch.nn.Module,
    steps: list[torch.optim.Optimizer],
    ids_BT: torch.Tensor,
    workers: int,
) -> float:
    loss = weighted_loss(model(ids_BT[:, :-1]).logits, ids_BT)
    loss.backward()
    parameters = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in parameters])  # type: ignore[union-attr]
    dist.all_reduce(flat)
    flat /= workers
    flat *= min(1.0, 1.0 / (float(flat.norm()) + 1e-6))
    offset = 0
    for p in parameters:
        p.grad = flat[offset : offset + p.numel()].view_as(p)
        offset += p.numel()
    for step in steps:
        step.step()
        step.zero_grad()
    return float(loss)


def weighted_loss(logits_BTV: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
    """Next-token loss on all tokens; those outside assistant turns count ``OTHER_WEIGHT``.

    The loss on all tokens gives a dense signal for copying; what the agent itself writes is what
    copying and notes are for, and much of the rest (names, numbers) can't be predicted at all.
    """
    target_BT = ids_BT[:, 1:]
    places_T = torch.arange(ids_BT.shape[1])
    marks_BT = torch.where((ids_BT >= FIRST_ROLE) & (ids_BT <= LAST_ROLE), places_T, 0)
    role_BT = ids_BT.gather(1, marks_BT.cummax(1).values)
    weight_BT = torch.where(role_BT == ASSISTANT, 1.0, OTHER_WEIGHT)[:, 1:]
    weight_BT = weight_BT.masked_fill(target_BT == 0, 0.0)
    losses = F.cross_entropy(logits_BTV.flatten(0, 1), target_BT.flatten(), reduction="none")
    return (losses * weight_BT.flatten()).sum() / weight_BT.sum()


def _set_rates(steps: list[torch.optim.Optimizer], rates: list[float], done: float) -> None:
    """Warm up over 1 %, stay, then decay to 2 % over the last 60 % along a cosine."""
    factor = min(1.0, done / 0.01 + 0.01)
    if done > 0.4:
        factor = 0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, (done - 0.4) / 0.6))) / 2
    groups = [group for step in steps for group in step.param_groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate * factor
