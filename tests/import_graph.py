"""Which files a stage's code reaches by its imports, and whether dvc.yaml declares just those.

Files are read with ``ast``; nothing is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from stages.params.strict import read_yaml

SHARED = ("adapters", "agent", "checkpoints", "lab", "params", "records", "server", "suites")
"""The shared rooms: everything else directly under stages/ is a stage."""

_MODULE = re.compile(r"stages(\.\w+)+")


class ImportGraph:
    """The imports between the files of ``root``/stages, as dotted module names."""

    def __init__(self, root: Path) -> None:
        self.files = {
            _module_name(path.relative_to(root)): path for path in root.glob("stages/**/*.py")
        }
        self.trees = {
            name: ast.parse(path.read_text(encoding="utf-8")) for name, path in self.files.items()
        }
        self.direct = {name: set(self._imports(name)) for name in self.files}

    def rooms(self) -> set[str]:
        """The names directly under stages/ that hold code."""
        return {name.split(".")[1] for name in self.files if "." in name}

    def stages(self) -> set[str]:
        return self.rooms() - set(SHARED)

    def members(self, room: str) -> set[str]:
        """The modules of a room."""
        top = f"stages.{room}"
        return {name for name in self.files if name == top or name.startswith(f"{top}.")}

    def reached(self, room: str) -> set[str]:
        """Every module that the room's code imports, through others too, beyond its own."""
        seen: set[str] = set()
        waiting = list(self.members(room))
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(self.direct[name])
        return seen - self.members(room)

    def _imports(self, name: str) -> Iterator[str]:
        package = name if self.files[name].name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(self.trees[name]):
            for target in _targets(node, package):
                parts = target.split(".")
                # Importing a.b.c runs the packages a and a.b first.
                for end in range(1, len(parts) + 1):
                    if (module := ".".join(parts[:end])) in self.files:
                        yield module

    def is_empty(self, name: str) -> bool:
        """Whether a file holds no code, as most ``__init__.py`` do: no result depends on it."""
        return all(
            (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
            or (isinstance(node, ast.ImportFrom) and node.module == "__future__")
            for node in self.trees[name].body
        )


def _module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _targets(node: ast.AST, package: str) -> list[str]:
    """The dotted names a node imports; a string that is one (``python -m``) counts too."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package.split(".")[: len(package.split(".")) - node.level + 1]
        module = ".".join((*base, node.module or "")) if node.level else node.module or ""
        return [f"{module.rstrip('.')}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value] if _MODULE.fullmatch(node.value) else []
    return []


def declared_deps(dvc_yaml: Path) -> dict[str, set[str]]:
    """Per stage folder named in a ``cmd``, the deps under stages/, as (DVC stage → deps)."""
    declared: dict[str, set[str]] = {}
    for name, entry in read_yaml(dvc_yaml)["stages"].items():
        entry = entry.get("do", entry)
        commands = entry["cmd"] if isinstance(entry["cmd"], list) else [entry["cmd"]]
        deps = {str(dep).rstrip("/") for dep in entry.get("deps", [])}
        for folder in re.findall(r"-m stages\.(\w+)", " ".join(commands)):
            declared[f"{name} ({folder})"] = {d for d in deps if d.split("/")[0] == "stages"}
    return declared


def import_problems(root: Path) -> list[str]:
    """Where a shared room imports a stage, or a stage imports another."""
    graph = ImportGraph(root)
    problems = []
    for room in sorted(graph.rooms()):
        for name in sorted(graph.members(room)):
            for target in sorted(graph.direct[name]):
                other = (*target.split("."), "")[1]
                if other in graph.stages() - {room}:
                    kind = "a shared room" if room in SHARED else "a stage"
                    problems.append(f"{name} imports {target}: {kind} never imports a stage")
    return problems


def dep_problems(root: Path) -> list[str]:
    """Where the deps of a stage in dvc.yaml differ from what its code reaches."""
    graph = ImportGraph(root)
    problems = []
    for label, deps in declared_deps(root / "dvc.yaml").items():
        room = label.partition("(")[2].rstrip(")")
        if room not in graph.rooms():
            problems.append(f"{label}: there is no stages/{room}")
            continue
        used = {
            graph.files[name].relative_to(root).as_posix(): graph.is_empty(name)
            for name in graph.reached(room)
        }
        own = f"stages/{room}"
        if own not in deps:
            problems.append(f"{label}: its own folder {own} is no dep")
        problems += [
            f"{label}: uses {path}, which no dep covers"
            for path, empty in sorted(used.items())
            if not empty and not any(_covers(dep, path) for dep in deps)
        ]
        problems += [
            f"{label}: the dep {dep} is not used"
            for dep in sorted(deps - {own})
            if not any(_covers(dep, path) for path in used)
        ]
    return problems


def _covers(dep: str, path: str) -> bool:
    return path == dep or path.startswith(f"{dep}/")
