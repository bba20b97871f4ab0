"""Real tasks proven on this machine: gold check, then scripted agents that must and mustn't win.

Each agent goes through the very loop, tools and sandbox that a model goes through.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from stages.agent.loop import run_episodes
from stages.agent.scripted import ScriptedModel
from stages.agent.spec import AgentConfig, EpisodeResult, EpisodeSpec
from stages.records import (
    Outcome,
    Task,
    canonical_json,
    from_dict,
    read_json,
    sha256_text,
    write_json,
)
from stages.suites.gold_actions import edits_gold
from stages.suites.swe_bench_cl import agents
from stages.suites.swe_bench_cl.errors import HarnessError
from stages.suites.swe_bench_cl.gold import GoldCheck, gold_check
from stages.suites.swe_bench_cl.grading import FORMAT
from stages.suites.swe_bench_cl.harness import open_harness
from stages.suites.swe_bench_cl.suite import SweBenchCl

SOLVER = "edits gold"
AGENTS = ("nothing", "says passed", "plants passed", SOLVER)
CONFIG = AgentConfig(max_steps=500, max_tokens=10**9, max_seconds=3600.0, max_new_tokens=10**6)


@dataclasses.dataclass(frozen=True)
class TaskCheck:
    """What was found of one task."""

    instance_id: str
    gold: GoldCheck
    outcomes: dict[str, str] = dataclasses.field(default_factory=dict)
    """agent -> outcome; empty where the gold check failed"""
    details: dict[str, str] = dataclasses.field(default_factory=dict)
    """agent -> why, where its tests don't say it"""
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    """gold check and agent -> wall seconds when it ran, environment included"""

    @property
    def proven(self) -> bool:
        """Whether the task is sound, its solver wins and no other agent does."""
        wins = {agent for agent, found in self.outcomes.items() if found == Outcome.RESOLVED}
        return self.gold.sound and set(self.outcomes) == set(AGENTS) and wins == {SOLVER}


def check_task(suite: SweBenchCl, task: Task) -> TaskCheck:
    """Check one task, or return what an equal check found before.

    Raises HarnessError or SweBenchError where it fails on our side, which is never kept; the gold
    check that was finished before is.
    """
    params = suite.executor.params
    cache = Path(params.environments)
    swebench = importlib.metadata.version("swebench")
    limits = [params.gold_runs, swebench, FORMAT]
    content = [dataclasses.asdict(task), suite.executor.identity(task), limits]
    path = cache / f"check-{sha256_text(canonical_json(content))[:24]}.json"
    if path.is_file():
        return _read(path)
    start = time.perf_counter()
    gold = gold_check(suite.executor, task, params.gold_runs, cache)
    found = TaskCheck(task.instance_id, gold, seconds={"gold": _since(start)})
    for agent in AGENTS if gold.sound else ():
        found = _with_agent(suite, task, agent, found)
    write_json(path, dataclasses.asdict(found))
    return found


def play(suite: SweBenchCl, task: Task, script: Sequence[str]) -> EpisodeResult:
    """One episode of a scripted agent, in the task's environment. Raises HarnessError."""
    spec = EpisodeSpec(task.instance_id, suite.files(task), tuple(suite.messages(task)))
    with open_harness(suite.executor) as harness:
        model = ScriptedModel({task.instance_id: script})
        result = run_episodes(model, [spec], CONFIG, harness.runner(task))[0]
    if result.outcome is Outcome.HARNESS_ERROR:
        raise HarnessError(f"{task.instance_id}: {result.exit_status}")
    return result


def table(checks: Sequence[TaskCheck]) -> str:
    """A line per task, as a Markdown table; seconds are those of the run that was kept."""
    rows = [
        [
            check.instance_id,
            f"{'passes' if check.gold.sound else 'fails'} {check.gold.runs}x",
            *(check.outcomes.get(agent, "") for agent in AGENTS),
            "yes" if check.proven else "no",
            sum(check.seconds.values()),
        ]
        for check in checks
    ]
    heads = ["task", "gold patch", *AGENTS, "proven", "seconds"]
    return tabulate(rows, heads, tablefmt="github", floatfmt=".1f")


def record(checks: Sequence[TaskCheck]) -> Mapping[str, object]:
    """The same for a file, without seconds: equal checks give equal bytes."""
    rows = []
    for check in checks:
        row = dataclasses.asdict(check)
        del row["seconds"]
        rows.append({**row, "proven": check.proven})
    return {"format": FORMAT, "swebench": importlib.metadata.version("swebench"), "tasks": rows}


def _with_agent(suite: SweBenchCl, task: Task, agent: str, found: TaskCheck) -> TaskCheck:
    start = time.perf_counter()
    result = play(suite, task, _script(suite, task, agent))
    with open_harness(suite.executor) as harness:
        graded = harness.grade(task, result.changes)
    if graded.outcome is Outcome.HARNESS_ERROR:
        raise HarnessError(f"{task.instance_id}, agent {agent!r}: {graded.detail}")
    return dataclasses.replace(
        found,
        outcomes=found.outcomes | {agent: str(graded.outcome)},
        details=found.details | ({agent: graded.detail} if graded.detail else {}),
        seconds=found.seconds | {agent: _since(start)},
    )


def _script(suite: SweBenchCl, task: Task, agent: str) -> list[str]:
    if agent == "nothing":
        return agents.nothing()
    if agent == "says passed":
        return agents.says_passed(task)
    if agent == "plants passed":
        return agents.plants_passed(task, suite.files(task))
    edits = edits_gold(suite.files(task), suite.gold_changes(task))
    return [*edits, "bash git diff --stat", "submit"]


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 1)


def _read(path: Path) -> TaskCheck:
    row = read_json(path)
    gold = from_dict(GoldCheck, row.pop("gold"), str(path), "Delete the file.")
    return from_dict(TaskCheck, {**row, "gold": gold}, str(path), "Delete the file.")
