"""Tasks and splits: gold runs, confounding, overlap, tree hashes, answers in questions."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from scipy import stats

from stages.agent.workspace import tree_hash_of_files
from stages.records import Task
from stages.stats.checks.check import Finding, judged
from stages.stats.checks.compare import interval
from stages.stats.checks.record import BASE, Record
from stages.stats.clusters import clustered_difference, clustered_proportion
from stages.stats.results import TEST, Row, tabulate

MIN_GOLD_RUNS = 3
NEAR_DUPLICATE = 0.98
CONFOUNDED_P = 0.05


def no_future(record: Record) -> Finding:
    """Check 1: no workspace holds a commit, ref, tag or reflog newer than its base commit.

    Of a suite whose workspaces have Git the splits say what was found in each; of any other the
    files themselves must hold none.
    """
    problems: list[str] = []
    evidence = {"tasks": 0, "with_git": 0, "commits_max": 0}
    for world, tasks in record.tasks.items():
        evidence["tasks"] += len(tasks)
        history = record.gold.get(world, {}).get("history")
        if history is None:
            suite = record.lab.suite
            problems += [
                f"{name}: {path} comes from a Git folder that nothing was checked of"
                for name, task in tasks.items()
                for path in suite.files(task)
                if ".git" in path.split("/")
            ]
            continue
        problems += [f"{t}: not looked into" for t in tasks if t not in history]
        for name in set(tasks) & set(history):
            evidence["with_git"] += 1
            evidence["commits_max"] = max(evidence["commits_max"], history[name]["commits"])
            problems += [f"{name}: {trace}" for trace in history[name]["newer"]]
            if history[name]["commits"] != 1:
                problems.append(f"{name}: {history[name]['commits']} commits, one is its base")
    return judged(
        evidence,
        sorted(problems),
        "Make the mirrors again with `git clone --mirror`, then `dvc repro generate_splits`.",
    )


def gold_passes(record: Record) -> Finding:
    """Check 2: every task in use passed its gold run, three times; the others are counted."""
    problems, used, dropped = [], 0, 0
    for world, tasks in record.tasks.items():
        run = record.gold.get(world)
        if run is None:
            problems.append(f"{world}: no gold run in gold.json")
            continue
        if run["runs"] < MIN_GOLD_RUNS:
            problems.append(f"{world}: the gold patches were run {run['runs']} times only")
        sound, failed = set(run["tasks"]), run["failed"]
        used, dropped = used + len(tasks), dropped + len(failed)
        problems += [f"{t}: {failed.get(t, 'no gold run')}" for t in tasks if t not in sound]
    return judged(
        {"tasks": used, "dropped": dropped, "runs": MIN_GOLD_RUNS},
        problems,
        "Drop the tasks whose gold patch doesn't pass: run `dvc repro generate_splits` again.",
    )


def unconfounded(record: Record) -> Finding:
    """Check 16: difficulty × half (chi-squared), dates by half (Mann-Whitney).

    Splits A and B separate dates by design; that is a problem only while no other split is run.
    """
    difficulty, dates = {}, {}
    for (world, split), half in record.own_halves():
        difficulty[f"{world}/{split}"] = _difficulty_p(half.train, half.test)
        dates[f"{world}/{split}"] = _date_p(half.train, half.test)
    level = CONFOUNDED_P / max(1, len(difficulty))
    problems = [f"{n}: difficulty differs, p = {p:.2g}" for n, p in difficulty.items() if p < level]
    by_design = [name for name in dates if name.endswith(("/A", "/B"))]
    problems += [
        f"{name}: dates differ, p = {p:.2g}"
        for name, p in dates.items()
        if p < level and name not in by_design
    ]
    if len(by_design) == len(dates):
        problems.append("every split in use separates the halves by date")
    return judged(
        {
            "splits": len(difficulty),
            "difficulty_p_min": min(difficulty.values(), default=1.0),
            "date_p_max": max(dates.values(), default=1.0),
            "chronological_splits": len(by_design),
        },
        problems,
        "Read effects beside splits C, D and E, or within difficulty (metrics, by_difficulty).",
    )


def _difficulty_p(train: Sequence[Task], test: Sequence[Task]) -> float:
    levels = sorted({task.difficulty for task in (*train, *test)})
    if len(levels) < 2:
        return 1.0
    table = [
        [sum(t.difficulty == level for t in half) for level in levels] for half in (train, test)
    ]
    return float(stats.chi2_contingency(table).pvalue)  # type: ignore[attr-defined]


def _date_p(train: Sequence[Task], test: Sequence[Task]) -> float:
    order = {d: n for n, d in enumerate(sorted({t.created_at for t in (*train, *test)}))}
    first, second = ([order[task.created_at] for task in half] for half in (train, test))
    return float(stats.mannwhitneyu(first, second).pvalue)


def no_overlap(record: Record) -> Finding:
    """Check 20: no test task in training by id or near-duplicate, nor in the retrieved notes."""
    problems, tests = [], 0
    for (world, split), half in record.halves.items():
        train = {task.instance_id for task in half.train}
        tests += len(half.test)
        for task in half.test:
            if task.instance_id in train:
                problems.append(f"{world}/{split}: {task.instance_id} is in both halves")
            problems += [
                f"{world}/{split}: {task.instance_id} nearly repeats {twin}"
                for twin in _twins(task, half.train)
            ]
    for found in record.training:
        half = record.halves[found.world, found.split]
        allowed = {task.instance_id for task in half.train}
        strangers = {e.instance_id for e in found.examples} - allowed
        problems += [f"{found.path}: trained on {name}" for name in sorted(strangers)]
    noted = list(_leaking_notes(record))
    return judged(
        {"test_tasks": tests, "training_files": len(record.training), "leaking_notes": len(noted)},
        problems + noted,
        "Split again and synthesize again; the index and the examples may come from training "
        "sessions only.",
    )


def _twins(task: Task, train: Sequence[Task]) -> list[str]:
    """Training tasks with the same issue text and, up to 2 % of characters, the same patch."""
    return [
        other.instance_id
        for other in train
        if other.problem_statement == task.problem_statement
        and difflib.SequenceMatcher(None, task.patch, other.patch, autojunk=False).ratio()
        >= NEAR_DUPLICATE
    ]


def _leaking_notes(record: Record) -> Iterator[str]:
    """Test episodes whose notes speak of an issue of the test half and of none that was trained."""
    only_test = {}
    for place, half in record.own_halves():
        trained = {task.problem_statement for task in half.train}
        only_test[place] = {t.problem_statement for t in half.test} - trained
    for episode in record.episodes:
        forbidden = only_test.get((episode.world, episode.split), set())
        lines = {line.removeprefix("note ").strip() for line in episode.system.split("\n")[1:]}
        for issue in sorted(lines & forbidden):
            yield f"{episode.instance_id}, {episode.condition}: a note on the test issue {issue!r}"


def same_tree(record: Record) -> Finding:
    """Check 21: each episode started from its task's tree, and the suite gives that tree still."""
    problems, tasks = [], 0
    for world in record.lab.worlds:
        for task in record.tasks[world].values():
            tasks += 1
            if tree_hash_of_files(record.lab.suite.files(task)) != task.tree_hash:
                problems.append(f"{task.instance_id}: the suite's files have another tree hash")
    for episode in record.every_episode:
        task = record.tasks[episode.world].get(episode.instance_id)
        if task is None or episode.tree_hash != task.tree_hash:
            problems.append(f"{episode.path}: {episode.instance_id} started from another tree")
    return judged(
        {"tasks": tasks, "episodes": len(record.every_episode)},
        problems,
        "Delete the stage's output and run `dvc repro`: what ran isn't what the tasks describe.",
    )


def no_given_answers(record: Record) -> Finding:
    """Check 25: issues that hold a line of their gold patch, or a diff; results without them."""
    flagged = given_answers(record)
    rows = record.results.select(BASE)
    evidence: dict[str, float | int | str] = {
        "flagged": len(flagged),
        "flagged_test_tasks": len({row.task for row in rows} & flagged),
    }
    for name in (BASE, *record.trained_conditions):
        chosen = record.results.select(name)
        evidence |= _rate(f"{name}_all", chosen, record)
        evidence |= _rate(f"{name}_without", [r for r in chosen if r.task not in flagged], record)
    for name in record.trained_conditions:
        cells = record.results.differences(
            BASE, name, TEST, keep=lambda row: row.task not in flagged
        )
        if cells.size:
            transfer = clustered_difference(cells, record.lab.experiment.alpha)
            evidence |= interval(f"{name}_transfer_without", transfer)
    problems = [f"{name}: the answer stands in the issue" for _, name in sorted(flagged)]
    return judged(evidence, problems, "Read the numbers ending in _without beside the others.")


def given_answers(record: Record) -> set[tuple[str, str]]:
    """(world, instance id) of tasks whose issue gives the answer away."""
    return {
        (world, task.instance_id)
        for world in record.lab.worlds
        for task in record.tasks[world].values()
        if _gives_answer(task)
    }


def _gives_answer(task: Task) -> bool:
    text = task.problem_statement
    added = [
        line[1:].strip()
        for line in task.patch.splitlines()
        if line.startswith("+") and not line.startswith("+++ ")
    ]
    return "\n+++ " in text or any(len(line) > 3 and line in text for line in added)


def _rate(name: str, rows: Sequence[Row], record: Record) -> dict[str, float]:
    if not rows:
        return {}
    return interval(name, clustered_proportion(tabulate(rows), record.lab.experiment.alpha))
