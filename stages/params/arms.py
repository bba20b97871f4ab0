"""Arms of an experiment's own: which adapter, which agent, in which world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stages.params.values import later


@dataclass(frozen=True, kw_only=True)
class AgentChanges:
    """Framework switches that an arm sets; null leaves the experiment's value."""

    fuzzy_ratio: float | None = None
    """similarity an edit's fuzzy match needs, 0 to 1; above 1 turns fuzzy matching off"""
    strip_fences: bool | None = None
    """remove code fences from what the model writes into files"""
    loop_warning: bool | None = None
    """warn after the third read of a file without a write"""
    prune_tool_tokens: int | None = None
    """tokens of old tool results kept in context; 0 keeps all"""
    worked_example: bool | None = None
    """show one complete episode in the prompt"""


@dataclass(frozen=True, kw_only=True)
class ExamplesParams:
    """What an arm's adapter is trained on."""

    format: str = "T"
    """synthesis format: A to E, T, or G (the gold patch as a diff)"""
    source: Literal["external", "self", "hybrid"] = "external"
    """who writes them: the suite's rules or teacher, the adapted agent itself, or half and half"""
    validated: bool = False
    """only examples whose episode the base, playing it again, resolves"""
    pairs_per_session: int | None = None
    """most examples from one session; null keeps the synthesis' own limit"""
    count: int | None = None
    """most different examples, drawn anew for each seed; null keeps all"""
    tokens: int | None = None
    """training tokens; null takes the synthesis' own budget, 0 all there are"""
    recovery: int = 0
    """sessions of the world it is played in that are trained on after those of `world`"""
    world: str | None = None
    """world whose sessions it is trained on; null is the one it is played in"""
    unparseable: bool = False
    """train even where the evaluation's parser can't read a target (check 9): exploratory"""


@dataclass(frozen=True, kw_only=True)
class ArmParams:
    """One arm: played on the test tasks like a condition, under its own name."""

    examples: ExamplesParams | None = None
    """what its adapter is trained on; null trains none"""
    adapter: str | None = None
    """the condition or arm whose adapter it uses instead; null: its own, or none. With
    `examples.recovery` that adapter is trained on, on those sessions alone"""
    notes: bool = False
    """whether retrieved notes are in its context"""
    adapter_world: str | None = later(None)
    """world whose adapter of that name it uses; null is the one it is played in, `before` the one
    that this was before its change (microrepo_drift)"""
    advice: str = later("")
    """text added to the end of the system message; empty for none"""
    indicators: bool = later(False)
    """measure on every test task what would tell that the adapter has gone stale"""
    agent: AgentChanges | None = None
    """switches of the agent's loop; null leaves the experiment's"""
    worlds: tuple[str, ...] | None = None
    """worlds it is played in; null is all of the experiment's"""
