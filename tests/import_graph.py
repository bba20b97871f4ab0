"""Whether stages keep apart, and depend in dvc.yaml on their own code and what it reaches."""

from __future__ import annotations

import re
from pathlib import Path

from stages.lab.imports import ImportGraph
from stages.params.strict import read_yaml

SHARED = (
    "adapters",
    "agent",
    "checkpoints",
    "lab",
    "params",
    "records",
    "server",
    "strategies",
    "suites",
    "training",
)
"""The shared rooms: everything else directly under stages/ is a stage."""


def rooms_of(graph: ImportGraph) -> set[str]:
    """The names directly under stages/ that hold code."""
    return {name.split(".")[1] for name in graph.files if "." in name}


def declared_deps(dvc_yaml: Path) -> dict[str, set[str]]:
    """Per stage folder named in a ``cmd``, the deps on code, as (DVC stage → deps).

    A single data file that another room's reader is given may be named beside them.
    """
    declared: dict[str, set[str]] = {}
    for name, entry in read_yaml(dvc_yaml)["stages"].items():
        entry = entry.get("do", entry)
        commands = entry["cmd"] if isinstance(entry["cmd"], list) else [entry["cmd"]]
        deps = {str(dep).rstrip("/") for dep in entry.get("deps", [])}
        for folder in re.findall(r"-m stages\.(\w+)", " ".join(commands)):
            declared[f"{name} ({folder})"] = {
                dep
                for dep in deps
                if dep.startswith("data/code/")
                or (dep.split("/")[0] == "stages" and Path(dep).suffix in ("", ".py"))
            }
    return declared


def import_problems(root: Path) -> list[str]:
    """Where a shared room imports a stage, or a stage imports another."""
    graph = ImportGraph(root)
    rooms = rooms_of(graph)
    problems = []
    for room in sorted(rooms):
        for name in sorted(graph.members(room)):
            for target in sorted(graph.direct(name)):
                other = (*target.split("."), "")[1]
                if other in rooms - {*SHARED, room}:
                    kind = "a shared room" if room in SHARED else "a stage"
                    problems.append(f"{name} imports {target}: {kind} never imports a stage")
    return problems


def dep_problems(root: Path) -> list[str]:
    """Where a stage in dvc.yaml depends on other code than its own folder's with all it reaches."""
    rooms = rooms_of(ImportGraph(root))
    problems = []
    for label, deps in declared_deps(root / "dvc.yaml").items():
        room = label.partition("(")[2].rstrip(")")
        if room not in rooms:
            problems.append(f"{label}: there is no stages/{room}")
            continue
        # The stage that writes data/code reads every file there is.
        own = "stages" if room == "code" else f"data/code/{room}.json"
        if own not in deps:
            problems.append(f"{label}: {own} is no dep")
        problems += [f"{label}: the dep {dep} is not its own" for dep in sorted(deps - {own})]
    return problems
