"""Behaviour: tools that corrupt, pathologies, the surface of success, collapse of style."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stages.agent.actions import TOOLS, Action
from stages.agent.tools import Observation, ToolOptions, edit_file
from stages.stats.checks.check import Finding, absent, judged
from stages.stats.checks.compare import average, interval, share, shift
from stages.stats.checks.episodes import Episode
from stages.stats.checks.record import BASE, Record
from stages.stats.clusters import clustered_difference, clustered_proportion, tabulate_cells
from stages.stats.intervals import Estimate
from stages.stats.results import TEST, TRAIN

STEP_SHIFT = 1.0
MIX_SHIFT = 0.1
STYLE_SHIFT = 0.1
LENGTH_RATIO = 2.0
GUARD_ARMS = (BASE, "skill")

Edit = Callable[[Action, Path, ToolOptions], Observation]
AROUND = "a fence around what is written"
PROBES = {
    AROUND: ("a = 1\n", "a = 1", "```python\na = 2\n```", "a = 2\n"),
    "a fence inside what is written": (
        'd = """\nx\n"""\n',
        "x",
        "```\ncode\n```\nx",
        'd = """\n```\ncode\n```\nx\n"""\n',
    ),
    "indentation": (
        "def f():\n    return 1\n",
        "    return 1",
        "    if f:\n        return 2\n    return 1",
        "def f():\n    if f:\n        return 2\n    return 1\n",
    ),
    "line endings": ("a = 1\r\nb = 2\r\n", "b = 2", "b = 3", "a = 1\r\nb = 3\r\n"),
    "no end of line at the end": ("a = 1", "a = 1", "a = 2", "a = 2"),
}
"""What is tried -> file before, text to find, text to put there, file after."""


def tools_keep_text(record: Record, edit: Edit = edit_file) -> Finding:
    """Check 26: the edit tool writes what it was given; broken files are told and counted.

    Where an arm registers fence stripping as what it changes (x4), the experiment's own agent may
    leave a fence standing: that is the variable, and the patches with fences are still counted.
    """
    varied = _strips_by_arm(record)
    corrupted = [name for name in _corrupted(record, edit) if not (varied and name == AROUND)]
    problems = [f"the edit tool corrupts {name}" for name in corrupted]
    edits = unparsed = fences = 0
    for episode in record.episodes:
        edits += episode.tools.count("edit")
        unparsed += episode.unparsed_told
        fences += episode.fences
        if episode.unparsed_recorded != episode.unparsed_told:
            problems.append(f"{episode.path}: {episode.instance_id} miscounts unparsed writes")
        if episode.fences and not varied:
            problems.append(f"{episode.path}: {episode.instance_id} has a code fence in its patch")
    return judged(
        {"probes": len(PROBES), "edits": edits, "unparsed_writes": unparsed, "fences": fences},
        problems,
        "Correct the tool (stages/agent/edits.py) or switch strip_fences on; play again.",
    )


def _strips_by_arm(record: Record) -> bool:
    arms = (record.lab.experiment.arms or {}).values()
    return any(arm.agent is not None and arm.agent.strip_fences is not None for arm in arms)


def _corrupted(record: Record, edit: Edit) -> list[str]:
    options = record.lab.agent(0.0).tool_options()
    wrong = []
    for name, (before, find, replace, after) in PROBES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "probe.py"
            path.write_bytes(before.encode())
            edit(Action("edit", "probe.py", find, replace), Path(folder), options)
            if path.read_bytes() != after.encode():
                wrong.append(name)
    return wrong


def pathologies_named(record: Record) -> Finding:
    """Check 27: each pathology that the steps show is recorded; none passes for inability."""
    problems = [
        f"{e.path}: {e.instance_id} is {e.pathology}, its steps show {e.found_pathology}"
        for e in record.episodes
        if e.pathology != e.found_pathology
    ]
    evidence: dict[str, Any] = {"episodes": len(record.episodes)}
    for name in (BASE, *record.trained_conditions):
        chosen = record.select(name)
        if not chosen:
            continue
        cells = tabulate_cells((e.task, e.run, float(e.found_pathology != "none")) for e in chosen)
        evidence |= interval(
            f"{name}_share", clustered_proportion(cells, record.lab.experiment.alpha)
        )
        counts = Counter(e.found_pathology for e in chosen if e.found_pathology != "none")
        evidence |= {f"{name}_{kind}": n for kind, n in sorted(counts.items())}
    return judged(evidence, problems, "Play again: the loop's record and its steps disagree.")


def no_surface_learned(record: Record) -> Finding:
    """Check 28: patches missing, fewer steps or another mix of actions, with no more resolved."""
    if not record.trained_conditions:
        return absent("no condition uses a trained adapter")
    evidence: dict[str, Any] = {}
    problems = []
    most = float(record.lab.agent_params.max_steps)
    for name in record.trained_conditions:
        gain = shift(record, name, lambda e: float(e.outcome == "resolved"))
        empty = shift(record, name, lambda e: float(e.no_patch))
        steps = shift(record, name, lambda e: float(len(e.tools)), bound=most)
        if gain is None or empty is None or steps is None:
            continue
        evidence |= interval(f"{name}_gain", gain) | interval(f"{name}_no_patch", empty)
        evidence |= interval(f"{name}_steps", steps) | {f"{name}_mix": _distance(record, name)}
        signs = []
        if empty.lo > 0:
            signs.append("more submissions without a patch")
        if steps.hi < 0 and steps.value <= -STEP_SHIFT:
            signs.append("fewer steps")
        signs += [f"{way} of {tool}" for tool, way in _mix(record, name).items()]
        if gain.lo <= 0:
            problems += [f"{name}: {sign}, and no more resolved" for sign in signs]
    return judged(
        evidence,
        problems,
        "Look at the adapter's episodes: it may have learned how success looks, not how it is got.",
    )


def _mix(record: Record, condition: str) -> dict[str, str]:
    """Tools whose share of actions moved by ``MIX_SHIFT`` or more, at α over the tools."""
    found = {}
    for tool in TOOLS:
        moved = shift(
            record,
            condition,
            share(lambda episode, tool=tool: episode.tools.count(tool)),
            alpha=record.lab.experiment.alpha / len(TOOLS),
        )
        if moved and abs(moved.value) >= MIX_SHIFT and (moved.lo > 0 or moved.hi < 0):
            found[tool] = "more" if moved.value > 0 else "less"
    return found


def _distance(record: Record, condition: str) -> float:
    """Total variation distance between the conditions' shares of tools over all actions."""
    shares = []
    for name in (BASE, condition):
        counts = Counter(tool for episode in record.select(name) for tool in episode.tools)
        total = max(1, sum(counts.values()))
        shares.append({tool: count / total for tool, count in counts.items()})
    tools = sorted({*shares[0], *shares[1]})
    return sum(abs(shares[0].get(t, 0.0) - shares[1].get(t, 0.0)) for t in tools) / 2


def style_kept(record: Record) -> Finding:
    """Check 30: length of answers, empty, truncated and unreasoned ones, against base.

    On held-out, trained and guard items. It fails where the geometric mean of lengths changes by a
    factor of two or more, or a share by ten points or more, with an interval clear of no change.
    """
    if not record.trained_conditions:
        return absent("no condition uses a trained adapter")
    evidence: dict[str, Any] = {}
    problems = []
    for name in record.trained_conditions:
        for half, label in ((TEST, "held_out"), (TRAIN, "trained")):
            problems += _style(record, name, half, f"{name}_{label}", evidence)
    problems += _guard_style(record, evidence)
    return judged(
        evidence,
        problems,
        "Mix rehearsal into training, mask the loss to the answer, or train for fewer epochs.",
    )


def _style(record: Record, name: str, half: str, label: str, evidence: dict[str, Any]) -> list[str]:
    adapted = record.select(name, half)
    base = [e for e in record.select(BASE, half) if e.run in {a.run for a in adapted}]
    if not adapted or not base:
        return []
    problems = []
    lengths = [average(episodes, _length) for episodes in (base, adapted)]
    evidence |= {f"{label}_tokens_base": lengths[0], f"{label}_tokens": lengths[1]}
    longest = float(record.lab.agent_params.max_new_tokens)
    moved = shift(record, name, lambda e: math.log(_length(e)), half, math.log(longest))
    if moved and _collapsed(math.exp(moved.value)) and (moved.lo > 0 or moved.hi < 0):
        ratio = math.exp(moved.value)
        problems.append(f"{label}: answers are {ratio:.2f} times as long as base's")
    kinds = {"empty": _empty, "truncated": _truncated, "reasoned": _reasoned}
    for kind, count in kinds.items():
        moved = shift(record, name, share(count), half)
        if moved is None:
            continue
        evidence |= interval(f"{label}_{kind}", moved)
        worse = -moved.hi if kind == "reasoned" else moved.lo
        if worse > 0 and abs(moved.value) >= STYLE_SHIFT:
            problems.append(f"{label}: {kind} answers moved by {moved.value:+.2f}")
    return problems


def _length(episode: Episode) -> float:
    """Mean tokens of an answer; at least 1, so that it has a logarithm."""
    return max(1.0, sum(episode.output_tokens) / max(1, len(episode.output_tokens)))


def _empty(episode: Episode) -> int:
    return episode.empty


def _truncated(episode: Episode) -> int:
    return episode.truncated


def _reasoned(episode: Episode) -> int:
    return episode.reasoned


def _collapsed(ratio: float) -> bool:
    return ratio >= LENGTH_RATIO or ratio <= 1 / LENGTH_RATIO


def _guard_style(record: Record, evidence: dict[str, Any]) -> list[str]:
    """The same on the guard's answers, clustered by problem."""
    guard = record.results.guard
    if "base" not in guard or "skill" not in guard:
        return []
    lengths = [sum(row["tokens"] for row in guard[arm]) / len(guard[arm]) for arm in GUARD_ARMS]
    ratio = lengths[1] / max(lengths[0], 1e-9)
    evidence |= {"guard_tokens_base": lengths[0], "guard_tokens": lengths[1]}
    problems = []
    if _collapsed(ratio):
        problems.append(f"guard: answers are {ratio:.2f} times as long as base's")
    kinds: dict[str, Callable[[Mapping[str, Any]], bool]] = {
        "empty": lambda row: row["tokens"] <= 1,
        "truncated": lambda row: row["finish"] == "length",
    }
    for kind, holds in kinds.items():
        moved = _guard_shift(record, holds)
        evidence |= interval(f"guard_{kind}", moved)
        if moved.lo > 0 and moved.value >= STYLE_SHIFT:
            problems.append(f"guard: {kind} answers moved by {moved.value:+.2f}")
    return problems


def _guard_shift(record: Record, holds: Callable[[Mapping[str, Any]], bool]) -> Estimate:
    means: dict[str, dict[Any, list[float]]] = {arm: {} for arm in GUARD_ARMS}
    for arm, groups in means.items():
        for row in record.results.guard[arm]:
            key = (row["problem_id"], (row["world"], row["split"], row["seed"]))
            groups.setdefault(key, []).append(float(holds(row)))
    cells = tabulate_cells(
        (*key, sum(values) / len(values) - sum(means[BASE][key]) / len(means[BASE][key]))
        for key, values in means["skill"].items()
        if key in means[BASE]
    )
    return clustered_difference(cells, record.lab.experiment.alpha, unit="problem")
