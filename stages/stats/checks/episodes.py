"""One recorded episode in brief: what it says of itself, and what its steps say."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from stages.agent.actions import TOOLS, ActionError, parse_action
from stages.agent.chat import Message
from stages.records import Pathology, Trajectory, canonical_json, sha256_text

REPEATS = 3
LOOKS = ("bash", "open", "search", "test")
"""actions that show something of the repository"""
WROTE = "edited"
BROKE = "edited but the file no longer parses"
LITERAL = re.compile(r"\s*return (?:-?\d[\d.]*|True|False|None|\"[^\"]*\"|'[^']*')\s*")
_ADDED = re.compile(r"^\+(?!\+\+ )(.*)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Episode:
    """``split`` and ``half`` are empty for base, which is played once over all tasks."""

    path: str
    world: str
    split: str
    half: str
    condition: str
    seed: int
    drawn_seed: int
    """the episode's own seed, mixed from task, seed and attempt"""
    attempt: int
    instance_id: str
    outcome: str
    tests_passed: bool | None
    """whether every graded test passed; None where nothing was graded"""
    pathology: str
    found_pathology: str
    """the same, found again from the steps"""
    exit_status: str
    submission: str
    tree_hash: str
    adapter_hash: str
    digest: str
    """hash of the messages, and of the seed and the adapter they were drawn with"""
    opening_fits: bool
    """whether the chat opens as the suite writes it today"""
    system: str
    tools: tuple[str, ...]
    """tool of each action; empty where it didn't parse"""
    output_tokens: tuple[int, ...]
    """tokens of each answer"""
    truncated: int
    """answers at the limit of new tokens"""
    empty: int
    """answers without text"""
    reasoned: int
    """answers with text before the action"""
    unparsed_recorded: int
    unparsed_told: int
    """writes of which the agent was told that the file no longer parses"""
    last_test: str
    """what the agent's last test showed"""
    temperature: float | None = None
    """of its sampling, where the record has it"""
    blind: bool = False
    """whether a write succeeded before the agent had looked at anything"""

    @property
    def task(self) -> tuple[str, str]:
        return (self.world, self.instance_id)

    @property
    def run(self) -> tuple[str, int, int]:
        return (self.split, self.seed, self.attempt)

    @property
    def no_patch(self) -> bool:
        return self.exit_status == "submitted" and not self.submission

    def added_lines(self) -> list[str]:
        """Lines that the submission adds."""
        return _ADDED.findall(self.submission)

    @property
    def fences(self) -> int:
        """Code fences that the submission writes into files."""
        return sum(line.strip().startswith("```") for line in self.added_lines())

    @property
    def constant(self) -> bool:
        """Whether all that the submission adds is a ``return`` of a literal."""
        added = [line for line in self.added_lines() if line.strip()]
        return bool(added) and all(LITERAL.fullmatch(line) for line in added)


def read_episode(
    trajectory: Trajectory, opening: Sequence[Message], max_new_tokens: int, place: dict[str, Any]
) -> Episode:
    """``opening`` is what the suite shows without notes; ``place`` names file and condition."""
    info, messages = trajectory.info, trajectory.messages
    steps = info["steps"]
    tools = tuple(_tool(step["action"]) for step in steps)
    answers = [message["content"] for message in messages if message["role"] == "assistant"]
    tests = [s["observation"] for s, tool in zip(steps, tools, strict=True) if tool == "test"]
    system = next((m["content"] for m in messages if m["role"] == "system"), "")
    user = next((m["content"] for m in messages if m["role"] == "user"), "")
    wanted = {message["role"]: message["content"] for message in opening}
    graded = info.get("tests") or {}
    return Episode(
        **place,
        drawn_seed=info["seed"],
        attempt=info["attempt"],
        instance_id=info["instance_id"],
        outcome=info["outcome"],
        tests_passed=all(graded.values()) if graded else None,
        pathology=info["pathology"],
        found_pathology=str(_pathology(info, tools)),
        exit_status=info["exit_status"],
        submission=info["submission"],
        tree_hash=info["tree_hash"],
        adapter_hash=info["adapter_hash"],
        digest=sha256_text(
            canonical_json(
                [info["seed"], info["adapter_hash"], info["instance_id"], list(messages)]
            )
        ),
        opening_fits=wanted.get("user") == user
        and (system + "\n").startswith(wanted.get("system", "\0") + "\n"),
        system=system,
        tools=tools,
        output_tokens=tuple(step["output_tokens"] for step in steps),
        truncated=sum(step["output_tokens"] >= max_new_tokens for step in steps),
        empty=sum(not answer.strip() for answer in answers),
        reasoned=sum(not answer.startswith((*TOOLS, "```action")) for answer in answers),
        unparsed_recorded=info["unparsed_writes"],
        unparsed_told=sum(step["observation"].startswith(BROKE) for step in steps),
        last_test=tests[-1] if tests else "",
        temperature=info.get("temperature"),
        blind=_blind(steps, tools),
    )


def _blind(steps: Sequence[dict[str, Any]], tools: Sequence[str]) -> bool:
    """Whether the first successful write came before the first look."""
    for step, tool in zip(steps, tools, strict=True):
        if step["observation"].startswith(WROTE):
            return True
        if tool in LOOKS:
            return False
    return False


def _tool(action: str) -> str:
    try:
        return parse_action(action).tool
    except ActionError:
        return ""


def _pathology(info: dict[str, Any], tools: Sequence[str]) -> Pathology:
    """The pathologies of check 27, from the steps alone."""
    actions = [step["action"] for step in info["steps"]]
    runs = (actions[at : at + REPEATS] for at in range(len(actions) - REPEATS + 1))
    if any(len(set(run)) == 1 for run in runs):
        return Pathology.REPEATED_ACTION
    wrote = any(step["observation"].startswith(WROTE) for step in info["steps"])
    if not wrote and not info["submission"]:
        return Pathology.NEVER_WROTE
    if info["exit_status"] == "submitted" or not info["submission"]:
        return Pathology.NONE
    return Pathology.NEVER_SUBMITTED if "test" in tools else Pathology.PATCH_AT_LIMIT
