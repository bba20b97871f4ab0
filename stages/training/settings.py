"""What an adapter's training is configured with, and the error it refuses with."""

from __future__ import annotations

import dataclasses

METHODS = ("sft", "dpo")
OPTIMIZERS = ("adamw", "adamw_8bit")
SCHEDULES = ("cosine", "linear", "constant")


class TrainingError(ValueError):
    """Training is refused or was stopped; the message says what, where and the remedy."""


class NothingToLearn(TrainingError):
    """The loss is exactly 0: of many examples a fault, of a single one perhaps no surprise."""


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How one adapter is trained. The defaults suit the embedded organism and ~200 examples."""

    method: str = "sft"
    """sft (cross-entropy on the targets) or dpo (format C's pairs)."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW."""
    epochs: int = 15
    """Passes over the examples."""
    batch_size: int = 16
    """Examples (for dpo: pairs) per optimizer step, drawn at random each epoch."""
    micro_tokens: int = 1024
    """Most padded tokens in one forward pass; a batch is cut into such pieces, gradients added."""
    warmup: float = 0.05
    """Share of the steps over which the learning rate rises linearly from zero."""
    schedule: str = "cosine"
    """cosine, linear (both fall to zero) or constant after the warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay of AdamW, on A and B alike."""
    grad_clip: float = 1.0
    """Largest gradient norm over all of the adapter's parameters."""
    max_length: int = 1024
    """Longest example in tokens; a longer one is an error, never cut."""
    min_examples: int = 100
    """Fewest different examples that training accepts (check 11)."""
    allow_small: bool = False
    """True when the registration says 'pilot': fewer than min_examples are then accepted."""
    beta: float = 0.1
    """Strength of DPO's implicit KL constraint."""
    sft_weight: float = 0.0
    """Weight of the chosen answer's mean negative log-likelihood added to DPO's loss."""
    share_prefixes: bool = True
    """Compute examples that are prefixes of one another (an episode's steps) in one pass, and
    equal ones of a batch once, with their weight."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass (large models only)."""
    optimizer: str = "adamw"
    """adamw, or adamw_8bit: its moments in 8 bits (bitsandbytes)."""
    threads: int = 1
    """Threads of the arithmetic; another number may change the last bits."""
    seed: int = 0
    """Seed of the order of examples and of dropout."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise TrainingError(f"method is {self.method!r}; it must be one of {METHODS}.")
        if self.schedule not in SCHEDULES:
            raise TrainingError(f"schedule is {self.schedule!r}; it must be one of {SCHEDULES}.")
        if self.optimizer not in OPTIMIZERS:
            raise TrainingError(f"optimizer is {self.optimizer!r}; it must be one of {OPTIMIZERS}.")
        for name in ("learning_rate", "epochs", "batch_size", "micro_tokens", "max_length"):
            if getattr(self, name) <= 0:
                raise TrainingError(f"{name} is {getattr(self, name)}; it must be above zero.")
