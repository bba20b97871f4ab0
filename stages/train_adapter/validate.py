"""The report's validation step: "generate, then verify with the base model without adapter".

The base plays the pair's session again, greedily, with what the pair teaches as its only note, and
the session's tests decide (they are known once its fix is merged). A wrong rule or a wrong test
command sends the base wrong, so its pair isn't trained on. What the base can't do even with a right
note is lost too: validation costs sound pairs, and both counts are recorded.
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.lab.context import Lab
from stages.params import ParamsError
from stages.records import Example, Outcome, Task
from stages.suites.microrepo.suite import Microrepo
from stages.suites.microrepo.truth import pair_note
from stages.train_adapter.player import Player


def validated(
    player: Player, tasks: Sequence[Task], examples: Sequence[Example], seed: int
) -> list[Example]:
    """The examples whose session the base resolves with their note, in their order.

    ParamsError unless they are whole sessions of format T, one of each.
    """
    by_session = {example.instance_id: example for example in examples}
    if len(by_session) < len(examples) or any(e.format != "T" for e in examples):
        raise ParamsError(
            f"experiments.{player.lab.name}.arms: `validated` asks for one example of format T a "
            "session, which is what the base can play again. Leave it out for other formats."
        )
    asked = [task for task in tasks if task.instance_id in by_session]
    notes = {t.instance_id: [note_of(player.lab, t, by_session[t.instance_id])] for t in asked}
    played = player.play("validation", asked, seed, notes=notes) if asked else []
    kept = {str(t.info["instance_id"]) for t in played if t.info["outcome"] == Outcome.RESOLVED}
    return [example for example in examples if example.instance_id in kept]


def note_of(lab: Lab, task: Task, example: Example) -> str:
    """The pair as a note: the suite's own form where there is one, else the actions as written."""
    if isinstance(lab.suite, Microrepo):
        return pair_note(task, example)
    turns = [m["content"] for m in example.prompt if m["role"] == "assistant"]
    return "\n".join((f"note {task.problem_statement}", *turns, example.completion))
