"""What an episode starts from, how the agent runs, and what an episode ends with."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

from stages.agent.chat import Message
from stages.agent.tools import ToolOptions
from stages.records import Outcome, Pathology, Step, Trajectory


@dataclasses.dataclass(frozen=True)
class AgentConfig:
    """How the agent runs; every value is part of a registration."""

    max_steps: int = 12
    """Most actions in an episode, invalid ones counted."""
    max_tokens: int = 1024
    """Most tokens of one episode's chat, prompt and answers together."""
    max_seconds: float = 600.0
    """Most time in an episode's queries and actions, seconds."""
    max_new_tokens: int = 128
    """Most tokens in one action."""
    temperature: float = 0.0
    """Softmax temperature; 0 is greedy."""
    fuzzy_ratio: float = 0.9
    """Similarity, 0–1, from which a fuzzy edit match counts; 0 switches it off."""
    strip_fences: bool = True
    """Whether code fences around an edit's texts are taken off."""
    loop_warning: bool = False
    """Whether the third reading of a file without a write is commented on."""
    prune_tool_tokens: int = 0
    """Most tokens of tool output kept in the chat, oldest dropped first; 0 keeps all."""
    worked_example: bool = False
    """Whether the system message ends with a worked example of the action format."""

    def tool_options(self) -> ToolOptions:
        return ToolOptions(fuzzy_ratio=self.fuzzy_ratio, strip_fences=self.strip_fences)


@dataclasses.dataclass(frozen=True)
class EpisodeSpec:
    """What an episode starts from."""

    instance_id: str
    files: Mapping[str, str]
    """The workspace: relative posix path -> text."""
    messages: tuple[Message, ...]
    """The chat's opening, usually system and user."""
    seed: int = 0
    attempt: int = 0
    condition: str = ""
    adapter: str | None = None
    """Name of the adapter to answer with; None is the base model."""
    adapter_hash: str = ""
    tree_hash: str = ""
    """Tree hash the workspace must have; empty takes whatever ``files`` give (check 21)."""

    @property
    def key(self) -> Hashable:
        return (self.instance_id, self.attempt, self.seed, self.condition, self.adapter)


@dataclasses.dataclass(frozen=True)
class EpisodeResult:
    """What an episode ended with."""

    spec: EpisodeSpec
    messages: tuple[Message, ...]
    steps: tuple[Step, ...]
    exit_status: str
    """``submitted``, ``max_steps``, ``max_tokens``, ``max_seconds`` or ``harness: <message>``."""
    outcome: Outcome | None
    """None: there is a patch, to be graded."""
    pathology: Pathology
    submission: str
    """Unified diff of the workspace."""
    changes: dict[str, str | None]
    """New text of every changed file, None for a deleted one: what grading puts in place."""
    tree_hash: str
    invalid_actions: int
    unparsed_writes: int

    def trajectory(self, outcome: Outcome | None = None) -> Trajectory:
        """The record of this episode; ``outcome`` is the grade where one was due."""
        final = self.outcome or outcome
        if final is None:
            raise ValueError(f"{self.spec.instance_id}: grade the patch first, then pass outcome.")
        info: dict[str, Any] = {
            "instance_id": self.spec.instance_id,
            "condition": self.spec.condition,
            "seed": self.spec.seed,
            "attempt": self.spec.attempt,
            "outcome": str(final),
            "pathology": str(self.pathology),
            "exit_status": self.exit_status,
            "n_steps": len(self.steps),
            "input_tokens": sum(step.input_tokens for step in self.steps),
            "output_tokens": sum(step.output_tokens for step in self.steps),
            "cached_tokens": sum(step.cached_tokens for step in self.steps),
            "invalid_actions": self.invalid_actions,
            "unparsed_writes": self.unparsed_writes,
            "submission": self.submission,
            "tree_hash": self.tree_hash,
            "adapter_hash": self.spec.adapter_hash,
            "steps": [dataclasses.asdict(step) for step in self.steps],
        }
        return Trajectory(self.messages, info)
