"""Known errors in external examples, and whether the agent trained on them makes them too (e08).

"Can the agent identify and correct errors in externally-synthesized data?" Each planted error is
one convention of one session; every other session still has it right. The trained agent then plays
the sessions with the errors: an answer of its own that resolves the task is a correction.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.lab.context import Lab
from stages.params import ParamsError
from stages.records import Example, Outcome, Task
from stages.suites.microrepo.suite import Microrepo
from stages.suites.microrepo.truth import planted, repeats
from stages.train_adapter.material import with_id
from stages.train_adapter.player import Player


def plant(
    lab: Lab, examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], dict[str, str]]:
    """The examples with errors in ``share`` of those that can hold one, and by session the error.

    ParamsError on a suite whose conventions aren't known.
    """
    if share == 0:
        return list(examples), {}
    if not isinstance(lab.suite, Microrepo):
        raise ParamsError(
            f"experiments.{lab.name}.arms: errors can be planted on the embedded world only, where "
            "the right answer is known. Leave `planted` out."
        )
    made = {
        example.example_id: changed
        for example in examples
        if example.format == "T"
        and (changed := planted(example, random.Random(f"plant {seed} {example.example_id}")))
    }
    order = sorted(made)
    random.Random(f"plant {seed}").shuffle(order)
    taken = set(order[: round(share * len(order))])
    wrong = {e.instance_id: made[e.example_id][1] for e in examples if e.example_id in taken}
    return [with_id(made[e.example_id][0]) if e.example_id in taken else e for e in examples], wrong


def corrections(
    player: Player, tasks: Sequence[Task], wrong: Mapping[str, str], adapter: Path, seed: int
) -> list[dict[str, Any]]:
    """One row per session with a planted error: the trained agent's own, greedy answer to it."""
    asked = [task for task in tasks if task.instance_id in wrong]
    return [
        {
            "instance_id": trajectory.info["instance_id"],
            "outcome": trajectory.info["outcome"],
            "corrected": trajectory.info["outcome"] == Outcome.RESOLVED,
            "repeated": repeats(trajectory.info["steps"], wrong[trajectory.info["instance_id"]]),
        }
        for trajectory in player.play("corrections", asked, seed, adapter=adapter)
    ]
