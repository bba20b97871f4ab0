"""Which files a piece of code reaches by its imports, and their hash.

Files are read with ``ast``; nothing is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from stages.records import canonical_json, sha256_file, sha256_text

ROOT = Path(__file__).resolve().parents[2]
UNCOUNTED = ("params", "lab.chosen", "suites.guards", "synthesize.chosen")
"""Rooms that only read values, which keys hold, or choose by them: what they chose is counted."""
_MODULE = re.compile(r"stages(\.\w+)+")


class ImportGraph:
    """The imports between the files of ``root``/stages, as dotted module names.

    Imports anywhere in a file count, inside functions too; so do the packages above an imported
    module, and strings that name a module (``[sys.executable, "-m", "stages.agent.x"]``). Files
    are parsed when they are first asked for.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = {
            _module_name(path.relative_to(root)): path
            for path in sorted(root.glob("stages/**/*.py"))
        }
        self._trees: dict[str, ast.Module] = {}
        self._direct: dict[str, frozenset[str]] = {}

    def tree(self, name: str) -> ast.Module:
        """A module's syntax tree."""
        if name not in self._trees:
            self._trees[name] = ast.parse(self.files[name].read_text(encoding="utf-8"))
        return self._trees[name]

    def direct(self, name: str) -> frozenset[str]:
        """The modules of stages/ that a module imports itself."""
        if name not in self._direct:
            self._direct[name] = frozenset(self._imports(name))
        return self._direct[name]

    def members(self, room: str) -> set[str]:
        """The modules of a room: ``agent`` all of stages/agent, ``agent.sandbox`` that part."""
        top = f"stages.{room}"
        return {name for name in self.files if name == top or name.startswith(f"{top}.")}

    def reached(self, room: str, without: Sequence[str] = ()) -> set[str]:
        """The room's modules and every other that their code imports, through others too.

        The rooms in ``without`` are left out, and what only they import.
        """
        left_out = {name for other in without for name in self.members(other)}
        seen: set[str] = set()
        waiting = list(self.members(room))
        while waiting:
            name = waiting.pop()
            if name not in seen and name not in left_out:
                seen.add(name)
                waiting.extend(self.direct(name))
        return seen

    def is_empty(self, name: str) -> bool:
        """Whether a file holds no code, as most ``__init__.py`` do: no result depends on it."""
        return all(
            (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
            or (isinstance(node, ast.ImportFrom) and node.module == "__future__")
            for node in self.tree(name).body
        )

    def _imports(self, name: str) -> Iterator[str]:
        package = name if self.files[name].name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(self.tree(name)):
            for target in _targets(node, package):
                parts = target.split(".")
                # Importing a.b.c runs the packages a and a.b first.
                for end in range(1, len(parts) + 1):
                    if (module := ".".join(parts[:end])) in self.files:
                        yield module


def code_sha256(rooms: Sequence[str], root: Path = ROOT) -> str:
    """Hash of every file that the rooms' code reaches, but for what only ``UNCOUNTED`` reaches.

    Files without code don't count.
    """
    return hash_of(ImportGraph(root), rooms)


def hash_of(graph: ImportGraph, rooms: Sequence[str]) -> str:
    """The same, of an open graph: parsing files is most of the work, and rooms share them."""
    if missing := [room for room in rooms if not graph.members(room)]:
        raise ValueError(f"{graph.root}/stages has no {missing[0]!r}: name a room with code in it.")
    reached = set[str]().union(*(graph.reached(room, UNCOUNTED) for room in rooms))
    names = [name for name in sorted(reached) if not graph.is_empty(name)]
    return sha256_text(canonical_json([[name, sha256_file(graph.files[name])] for name in names]))


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
