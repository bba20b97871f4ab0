"""Arms of an experiment's own: which adapter, which agent, in which world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stages.params.values import later


@dataclass(frozen=True, kw_only=True)
class AgentChanges:
    """Framework switches that an arm sets; null leaves the experiment's value."""

    fuzzy_ratio: float | None = None
    """similarity an edit's fuzzy match needs, above 0 to 1; 0 turns fuzzy matching off"""
    strip_fences: bool | None = None
    """remove code fences from what the model writes into files"""
    loop_warning: bool | None = None
    """warn after the third read of a file without a write"""
    prune_tool_tokens: int | None = None
    """tokens of old tool results kept in context; 0 keeps all"""
    worked_example: bool | None = None
    """show one complete episode in the prompt"""


@dataclass(frozen=True, kw_only=True)
class GenerationsParams:
    """Self-synthesis: block after block is played by the adapter that the earlier ones made."""

    first: int
    """sessions whose examples come from outside before the agent writes its own; 0: base begins"""
    block: int
    """sessions that one generation plays"""
    number: int
    """generations; the adapter of the arm is trained after the last one"""
    attempts: int
    """episodes of each session; the best one is kept: resolved before not, then fewest steps"""
    resolved: bool
    """whether only a resolved episode is kept; else the best one is, however it ended"""
    temperature: float
    """sampling temperature; 0 is greedy"""


@dataclass(frozen=True, kw_only=True)
class ExamplesParams:
    """What an arm's adapter is trained on."""

    format: str = "T"
    """synthesis format: A to E, T, or G (the gold patch as a diff)"""
    also: tuple[str, ...] = later(())
    """formats whose examples are mixed in: one format alone gives few pairs a session"""
    turns: bool = later(False)
    """each action of a session of format T is an example of its own"""
    source: Literal["external", "self", "hybrid"] = "external"
    """who writes them: the suite's rules or teacher, the adapted agent itself, or half and half"""
    generations: GenerationsParams | None = later(None)
    """how the agent writes its own; null where all are external"""
    validated: bool = False
    """only sessions that the base resolves with what the pair teaches as its only note"""
    planted: float = later(0.0)
    """share of the external examples (of those that hold a convention) that get a known error"""
    sessions: int | None = later(None)
    """most training sessions, the first ones; null takes all"""
    pairs_per_session: int | None = None
    """most examples from one session; null keeps the synthesis' own limit"""
    count: int | None = None
    """most different examples, drawn anew for each seed; null keeps all"""
    tokens: int | None = None
    """training tokens; null takes the synthesis' own budget, 0 all there are, each once"""
    recovery: int = 0
    """sessions of the world it is played in that the adapter named by the arm is trained on after
    its own; 0 for an adapter trained from the base"""
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
