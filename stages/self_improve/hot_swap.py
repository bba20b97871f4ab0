"""Proof that a new generation is what answers: not the base, and not the one before.

In the run that l03 repeats, `self_modify()` counted a generation and attached nothing. So after
each training the logits are compared where answers are made: in the model that is asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from torch import Tensor

from stages.adapters.certificate import NotLive, next_token_logits, require_served
from stages.adapters.lora import base_sha256
from stages.agent.chat import Message, render_prompt
from stages.agent.local import ADAPTER_TOLERANCE, LocalModel
from stages.self_improve.learner import NAME, Learner
from stages.training.train import N_PROBES

TOLERANCE = 1e-4
"""Largest difference, relative to the largest logit where that is over 1, between the logits of the
model that answers and of the one that was trained: other modules, the same sums."""


@dataclasses.dataclass(frozen=True)
class Swap:
    """What next-token logits showed with the new adapter, and once it is detached."""

    adapter_sha256: str
    """hash of the tensors that the answering model holds"""
    shift_from_base: float
    """largest difference of a logit from the base's, adapter attached"""
    shift_after_detaching: float
    """the same once it is detached: exactly 0"""
    probes: int
    """prompts compared"""

    def facts(self) -> dict[str, float | int | str]:
        """For facts.json, each under ``swap_``."""
        return {f"swap_{name}": value for name, value in dataclasses.asdict(self).items()}


def prove_live(
    learner: Learner, prompts: Sequence[Sequence[Message]], previous_sha256: str
) -> Swap:
    """Attach the learner's adapter where it answers, and prove that it is what answers.

    Raises NotLive when the adapter is the generation before's (check 22), when the logits stay the
    base's, aren't the trained model's, or don't go back to the base's without it (check 5).
    """
    if learner.state is None or learner.sha256 == previous_sha256:
        raise NotLive(
            "the new generation's adapter is the one before's: a generation was counted in which "
            "no weight changed (check 22). Train it, or don't count it."
        )
    probes = [render_prompt(learner.tokenizer, prompt) for prompt in prompts[:N_PROBES]]
    before = next_token_logits(learner.base.weights, probes)
    with learner.attached() as wrapped:
        trained = next_token_logits(wrapped, probes)
    backend = learner.base.backend
    if backend is None:
        held, during = learner.sha256, trained
        after = next_token_logits(learner.base.weights, probes)
        if base_sha256(learner.base.weights) != learner.base.sha256:
            raise NotLive("detaching the adapter has changed the base (check 5). Load it again.")
    else:
        held, during, after = _served(learner, backend, probes)
    require_agreement(before, trained, during, after)
    shifts = [float((logits - before).abs().max()) for logits in (during, after)]
    return Swap(held, shifts[0], shifts[1], len(probes))


def require_agreement(before: Tensor, trained: Tensor, during: Tensor, after: Tensor) -> None:
    """Raise NotLive unless the answering model was the base, the trained one, and the base again.

    Next-token logits (P, V): of the base, of the trained model, and of the model that answers with
    the adapter and without it.
    """
    shift, left = float((during - before).abs().max()), float((after - before).abs().max())
    wrong = float((during - trained).abs().max()) / max(1.0, float(trained.abs().max()))
    if shift > 0.0 and left == 0.0 and wrong <= TOLERANCE:
        return
    raise NotLive(
        f"the new generation isn't live: the logits of {len(before)} prompts differ from the "
        f"base's by {shift:.3g} with its adapter and by {left:.3g} without it, and from the "
        f"trained model's by {wrong:.3g}; more than 0, exactly 0 and at most {TOLERANCE:g} are "
        "wanted (check 5). Another model would answer than the one that is reported. Load the "
        "adapter before answering, and don't merge it into the base."
    )


def _served(
    learner: Learner, backend: LocalModel, probes: Sequence[Sequence[int]]
) -> tuple[str, Tensor, Tensor]:
    """Hash and logits of the backend's model with the learner's adapter, its logits without it."""
    from stages.adapters.lean_peft import peft

    learner._attach_compact(backend)
    model = backend.transformers_model
    tensors = peft.get_peft_model_state_dict(model, adapter_name=backend._inner[NAME])
    require_served(learner.sha256, {key: tensors[key] for key in sorted(tensors)})
    apart = backend.difference(NAME) if NAME in backend._weights else 0.0
    if apart > ADAPTER_TOLERANCE:
        raise NotLive(
            f"the compact engine's logits differ by {apart:.3g} from those of the adapter that it "
            "is to answer with (check 5). Set the model's dtype to float32."
        )
    backend.use(NAME)
    during = next_token_logits(model, probes)
    backend.use(None)
    return learner.sha256, during, next_token_logits(model, probes)
