"""A softmax model with two adapted layers, small enough to train in milliseconds.

An example's features are drawn from its id and its target class is its completion; training is
full-batch gradient descent on A and B, honouring everything a Training can ask for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.adapters.lora import PREFIX, LoraSettings, State, delta_weights, factors
from stages.adapters.merge import Adapter
from stages.records import Example
from stages.strategies.factors import with_rank
from stages.strategies.fisher import per_sample_gradients
from stages.strategies.protocol import Space, Trained, Training

WIDTH, INNER, CLASSES = 6, 8, 4
LORA = LoraSettings(rank=3, alpha=6.0, seed=4)
SHAPES = {"l.0.up": (INNER, WIDTH), "l.1.down": (CLASSES, INNER)}


def make_base() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) * 0.5 for name, shape in SHAPES.items()}


BASE = make_base()


def make_adapter(rank: int, seed: int, lora: LoraSettings = LORA, fresh: bool = False) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for name, (out, inside) in SHAPES.items():
        a = torch.randn(rank, inside, generator=generator) * 0.4
        b = torch.zeros(out, rank) if fresh else torch.randn(out, rank, generator=generator) * 0.4
        state[f"{PREFIX}{name}.lora_A.weight"] = a
        state[f"{PREFIX}{name}.lora_B.weight"] = b
    return state, with_rank(lora, rank)


def make_examples(session: int, n: int = 6, skills: Sequence[str] = ("x",)) -> list[Example]:
    rng = random.Random(session)
    return [
        Example(
            f"s{session}e{i}",
            "A",
            ({"role": "user", "content": f"{session}.{i}"},),
            str(rng.randrange(CLASSES)),
            skill=skills[i % len(skills)],
            trajectory_id=f"s{session}",
        )
        for i in range(n)
    ]


def features(examples: Sequence[Example]) -> Tensor:
    rows = []
    for example in examples:
        rng = random.Random(example.example_id)
        rows.append([rng.gauss(0, 1) for _ in range(WIDTH)])
    return torch.tensor(rows)


def targets(examples: Sequence[Example]) -> Tensor:
    return torch.tensor([int(example.completion) for example in examples])


def logits(weights: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    return torch.tanh(inputs @ weights["l.0.up"].T) @ weights["l.1.down"].T


def adapted(weights: Mapping[str, Tensor], state: Mapping[str, Tensor], scale: float) -> State:
    parts = factors(state)
    return {name: w + scale * (parts[name][1] @ parts[name][0]) for name, w in weights.items()}


def weights_under(adapter: Adapter | None) -> State:
    if adapter is None:
        return dict(BASE)
    return {name: BASE[name] + delta for name, delta in delta_weights(*adapter).items()}


def train_tiny(training: Training, steps: int = 25, rate: float = 0.1) -> Trained:
    """What the stage does with a Training."""
    lora = LORA if training.rank is None else with_rank(LORA, training.rank)
    state = make_adapter(lora.rank, lora.seed, fresh=True)[0]
    if training.start is not None:
        state, lora = dict(training.start[0]), training.start[1]
    live = {name: tensor.clone().requires_grad_() for name, tensor in state.items()}
    penalty = None if training.penalty is None else training.penalty(live)
    frozen = weights_under(training.below)
    for _ in range(steps):
        now = adapted(frozen, live, lora.scale)
        loss = F.cross_entropy(logits(now, features(training.examples)), targets(training.examples))
        gradients = list(torch.autograd.grad(loss, list(live.values())))
        if penalty is not None:
            extra = torch.autograd.grad(penalty(), list(live.values()))
            gradients = [g + e for g, e in zip(gradients, extra, strict=True)]
        with torch.no_grad():
            for parameter, gradient in zip(live.values(), gradients, strict=True):
                parameter -= rate * gradient.clamp(-1, 1)
    done = {name: tensor.detach() for name, tensor in live.items()}
    validated = None
    if training.validation:
        now = adapted(frozen, done, lora.scale)
        out = logits(now, features(training.validation))
        validated = float(F.cross_entropy(out, targets(training.validation)))
    return Trained((done, lora), steps * 10 * len(training.examples), validated)


class TinyMeasures:
    """Measures of the tiny model; ten tokens per example."""

    def tokens(self, examples: Sequence[Example]) -> list[int]:
        return [10 for _ in examples]

    def losses(self, adapter: Adapter | None, examples: Sequence[Example]) -> list[float]:
        out = logits(weights_under(adapter), features(examples))
        return F.cross_entropy(out, targets(examples), reduction="none").tolist()

    def embeddings(self, examples: Sequence[Example]) -> Tensor:
        return features(examples)

    def confidences(self, examples: Sequence[Example]) -> list[float]:
        return [random.Random(f"sure {example.example_id}").random() for example in examples]

    def gradients(
        self, adapter: Adapter, examples: Sequence[Example], of: Space
    ) -> Iterator[dict[str, Tensor]]:
        state, lora = adapter
        if of == "factors":
            live = {name: tensor.clone().requires_grad_() for name, tensor in state.items()}
            return per_sample_gradients(
                live, self.sample_losses(lambda: adapted(BASE, live, lora.scale), examples)
            )
        # dL/dΔW = dL/d(W + ΔW)
        live = {name: w.clone().requires_grad_() for name, w in weights_under(adapter).items()}
        return per_sample_gradients(live, self.sample_losses(lambda: live, examples))

    def sample_losses(
        self, weights: Callable[[], Mapping[str, Tensor]], examples: Sequence[Example]
    ) -> list[Callable[[], Tensor]]:
        def loss(example: Example) -> Callable[[], Tensor]:
            return lambda: F.cross_entropy(
                logits(weights(), features([example])), targets([example])
            )

        return [loss(example) for example in examples]
