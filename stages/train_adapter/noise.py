"""How much of what an arm is trained on is wrong: exact where the suite knows every answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stages.lab.context import Lab
from stages.records import Example, Task
from stages.suites.microrepo.suite import Microrepo
from stages.suites.microrepo.truth import faults


def pair_rows(
    lab: Lab, tasks: Sequence[Task], examples: Sequence[Example], written_by: Mapping[str, int]
) -> list[dict[str, Any]]:
    """One row per different example: where it comes from, and what is wrong with it.

    ``session`` is the place of its session among ``tasks``, from 1; ``generation`` who wrote it (0:
    external; ``written_by`` has the others by id). ``faults`` is None on suites whose answers
    aren't known: there a person scores a sheet (``python -m stages.synthesize.sheet``).
    """
    place = {task.instance_id: number for number, task in enumerate(tasks, start=1)}
    by_id = {task.instance_id: task for task in tasks}
    suite = lab.suite
    return [
        {
            "example_id": example.example_id,
            "instance_id": example.instance_id,
            "session": place[example.instance_id],
            "format": example.format,
            "skill": example.skill,
            "step": example.step,
            "generation": written_by.get(example.example_id, 0),
            "faults": list(faults(suite, by_id[example.instance_id], example))
            if isinstance(suite, Microrepo)
            else None,
        }
        for example in {e.example_id: e for e in examples}.values()
    ]


def noise_facts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Share of pairs with a wrong target, and what kinds of error; None where it isn't known."""
    known = [row["faults"] for row in rows if row["faults"] is not None]
    if not known:
        return {"noise_ratio": None, "noisy_pairs": None, "noise_faults": None}
    noisy = [found for found in known if found]
    kinds = Counter(fault for found in noisy for fault in found)
    return {
        "noise_ratio": len(noisy) / len(known),
        "noisy_pairs": len(noisy),
        "noise_faults": dict(sorted(kinds.items())),
    }
