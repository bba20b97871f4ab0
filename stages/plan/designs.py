"""What arms and streams add to an experiment's work: cells, episodes, trainings."""

from __future__ import annotations

import dataclasses
from typing import Any

from stages.lab.streams import session_counts
from stages.params import ArmParams, Experiment, StreamParams


@dataclasses.dataclass(frozen=True)
class Work:
    """What a design adds, over all of its repositories, splits and seeds."""

    trained_cells: int = 0
    """Files of training, each resumable."""
    adapters: int = 0
    """Adapters trained."""
    passes: float = 0.0
    """Training, in budgets: one is ``synthesis.tokens`` over all epochs. An upper bound."""
    written_episodes: int = 0
    """Episodes that the agent plays to write its own examples."""
    played_cells: int = 0
    """Files of evaluation, each resumable."""
    episodes: int = 0
    """Episodes of evaluation."""

    def __add__(self, other: Work) -> Work:
        mine, theirs = vars(self), vars(other)
        return Work(**{name: mine[name] + theirs[name] for name in mine})

    def times(self, runs: int) -> Work:
        """The same work ``runs`` times over."""
        return Work(**{name: runs * value for name, value in vars(self).items()})


def arms_work(experiment: Experiment, half: int, trained: int) -> Work:
    """All arms: each is played over ``half`` test tasks in each of its worlds.

    ``trained`` is the number of sessions of the training half.
    """
    total = Work()
    for arm in (experiment.arms or {}).values():
        runs = len(arm.worlds or experiment.worlds)
        runs *= len(experiment.splits) * len(experiment.seeds)
        cells = 2 if arm.indicators else 1
        play = Work(played_cells=cells, episodes=half * experiment.evaluate.repeats)
        total += (play + _trained_arm(arm, experiment, trained)).times(runs)
    return total


def _trained_arm(arm: ArmParams, experiment: Experiment, trained: int) -> Work:
    """One adapter of an arm's own, if it has one; of a self-synthesis every generation's."""
    examples = arm.examples
    if examples is None:
        return Work()
    if examples.recovery:
        share = examples.recovery / max(trained, 1)
        return Work(trained_cells=1, adapters=1, passes=min(share, 1.0))
    share = 1.0
    if examples.tokens == 0 and examples.pairs_per_session:  # all there are, each once
        share = min(examples.pairs_per_session / experiment.synthesis.pairs_per_session, 1.0)
    made = examples.generations
    if made is None:
        return Work(trained_cells=1, adapters=1, passes=share)
    adapters = made.number + 1
    return Work(
        trained_cells=1,
        adapters=adapters,
        passes=share * adapters,
        written_episodes=made.number * made.block * made.attempts,
    )


def stream_work(experiment: Experiment, half: int) -> Work:
    """All arms of the stream: consolidations, and episodes where it is played.

    Every consolidation trains on its share of the budget; how often it does, and on what else,
    follows from the strategy's settings.
    """
    stream = experiment.stream
    if stream is None:
        return Work()
    counts = session_counts(stream)
    guard = 1 if experiment.guard else 0
    episodes = sum(_next(counts, played) + half for played in stream.played)
    each = Work(
        trained_cells=len(counts),
        played_cells=1 + len(stream.played) + guard,
        episodes=episodes * experiment.evaluate.repeats,
    )
    runs = len(experiment.worlds) * len(experiment.splits) * len(experiment.seeds)
    trained = [_passes(stream, arm.strategy, arm.settings) for arm in stream.arms.values()]
    training = Work(
        adapters=sum(adapters for adapters, _ in trained),
        passes=sum(passes for _, passes in trained),
    )
    return (each.times(len(stream.arms)) + training).times(runs)


def _next(counts: list[int], played: int) -> int:
    """Tasks of the stream that are played after so many sessions: up to the next consolidation."""
    return min((count for count in counts if count > played), default=played)


def _passes(stream: StreamParams, strategy: str, settings: dict[str, Any]) -> tuple[int, float]:
    """Adapters trained by one arm's stream, and budgets trained on: at most, by its settings."""
    consolidations = len(session_counts(stream))
    if strategy == "full_replay":
        return consolidations, (consolidations + 1) / 2
    if strategy == "partial_replay":
        ratio, most = settings.get("mixing_ratio", 1.0), (consolidations + 1) / 2
        return consolidations, most if ratio is None else min(1 + float(ratio), most)
    if strategy == "adaptive_rank":
        probes = len(settings.get("probes", ())) or 1
        trainings = probes + 1 if probes > 1 else 1
        return consolidations * trainings, float(trainings)
    if strategy == "experts":
        experts = len(settings.get("taxonomy", ())) or 1
        return consolidations * experts, 1.0
    return consolidations, 1.0
