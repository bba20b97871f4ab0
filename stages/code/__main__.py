"""Write down, for each stage, the hash of every file that its code reaches by its imports.

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

    The reading of params.yaml counts for the stage ``choose`` alone: the others depend on the
    values themselves.
    """
    reached = graph.reached(stage, () if stage == CHOOSES else (PARAMS,))
    paths = [graph.files[name] for name in reached if not graph.is_empty(name)]
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in sorted(paths)}


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
