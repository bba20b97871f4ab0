"""Write down, for each stage, the hash of every file that its code reaches by its imports, and of
the data files that lie beside it.

The other stages depend on their own one of these files instead of on a dozen folders each: an edit
makes just those stages stale whose code reaches the edited file, and dvc.lock, which DVC writes
anew after every stage, stays a third of the size.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from stages.lab.imports import ROOT, ImportGraph
from stages.records import canonical_json, sha256_file, write_atomic

FOLDER = Path("data/code")
CHOOSES, PARAMS = "choose", "params"


def stages_of(graph: ImportGraph) -> list[str]:
    """The folders of stages/ that can be run: those with a ``__main__.py``."""
    return sorted(
        name.split(".")[1]
        for name in graph.files
        if name.endswith("__main__") and name.count(".") == 2
    )


def reached_files(graph: ImportGraph, stage: str, root: Path) -> dict[str, str]:
    """Path from ``root`` -> SHA-256 of each file with code in it that the stage's code reaches.

    With each module count the files beside it that are no modules: prompts, tables. The reading of
    params.yaml counts for the stage ``choose`` alone: the others depend on the values themselves.
    """
    reached = graph.reached(stage, () if stage == CHOOSES else (PARAMS,))
    paths = [graph.files[name] for name in reached if not graph.is_empty(name)]
    folders = {path.parent for path in paths}
    paths += [path for path in data_files(graph, root) if _owner(graph, path) in folders]
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in sorted(paths)}


def data_files(graph: ImportGraph, root: Path) -> list[Path]:
    """Files below stages/ that hold no code, caches left out."""
    found = (root / "stages").rglob("*")
    return [path for path in found if path.is_file() and path.suffix not in (".py", ".pyc")]


def _owner(graph: ImportGraph, path: Path) -> Path:
    """The nearest folder above a file that holds modules: whose code reads it."""
    holds_modules = {module.parent for module in graph.files.values()}
    return next(folder for folder in path.parents if folder in holds_modules)


def write_code(root: Path, folder: Path) -> None:
    """One file per stage; what an earlier run wrote of stages that are gone is deleted."""
    graph = ImportGraph(root)
    shutil.rmtree(folder, ignore_errors=True)
    for stage in stages_of(graph):
        lines = reached_files(graph, stage, root).items()
        text = ",\n".join(f"{canonical_json(path)}:{canonical_json(sha)}" for path, sha in lines)
        write_atomic(folder / f"{stage}.json", f"{{\n{text}\n}}\n")


if __name__ == "__main__":
    write_code(ROOT, FOLDER)
