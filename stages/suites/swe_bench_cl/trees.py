"""Trees of a mirror as files (path -> text), and changes of files as a patch that Git makes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from stages.agent.workspace import IGNORED_DIRS, IGNORED_SUFFIXES, to_bytes
from stages.records import Task
from stages.suites.swe_bench_cl.errors import SweBenchError
from stages.suites.swe_bench_cl.repository import check_out, git, git_bytes, objects_of

REGULAR = ("100644", "100755")
Files = dict[str, str]


def files_of(mirror: Path, tree: str) -> Files:
    """Every regular file of a commit or tree that an agent's tools see, as ``read_tree`` has it.

    Symbolic links and submodules are left out; bytes that aren't UTF-8 are surrogate escapes.
    """
    return _texts(mirror, _entries(mirror, "ls-tree", "-r", "-z", tree))


def patched(mirror: Path, commit: str, patch: str, where: str) -> dict[str, str | None]:
    """New text of every file that ``patch`` changes at ``commit``, None for one it deletes.

    Nothing is written to the mirror. Raises SweBenchError, naming ``where``, for a patch that
    doesn't fit.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "GIT_INDEX_FILE": f"{folder}/index",
            "GIT_OBJECT_DIRECTORY": f"{folder}/objects",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects_of(mirror)),
        }
        Path(folder, "objects").mkdir()
        git(mirror, "read-tree", f"{commit}^{{tree}}", **own)
        try:
            git(mirror, "apply", "--cached", "--whitespace=nowarn", "-", given=patch, **own)
        except SweBenchError as error:
            raise SweBenchError(
                f"{where} doesn't fit commit {commit[:12]}: the row isn't of this commit, so "
                f"fetch the data set again. ({error})"
            ) from None
        tree = git(mirror, "write-tree", **own).strip()
        changed = ("diff-tree", "-r", "-z", "--no-renames", "--name-only", commit, tree)
        names = [name for name in git(mirror, *changed, **own).split("\0") if name]
        after = _entries(mirror, "ls-tree", "-r", "-z", tree, **own)
        kept = {name: after[name] for name in names if name in after}
        return {**dict.fromkeys(names), **_texts(mirror, kept, **own)}


def patch_of(mirror: Path, task: Task, changes: Mapping[str, str | None]) -> str:
    """What Git calls the difference once ``changes`` are in place: modes kept, ignored files not.

    ``changes``: path -> new text, None for a deleted file, as an episode's result has them.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_out(mirror, task, folder)
        for path, text in changes.items():
            _put(folder, path, text)
        git(folder, "add", "-A")
        return git(folder, "diff", "--cached", "--binary", "--no-renames", "--no-ext-diff", "HEAD")


def _put(folder: Path, path: str, text: str | None) -> None:
    """Write or delete one file of a checkout, never through a symbolic link."""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or ".git" in parts:
        raise SweBenchError(f"{path!r} isn't a file of the repository, so no patch can hold it.")
    target = folder / path
    for parent in list(target.relative_to(folder).parents)[-2::-1]:
        if (folder / parent).is_symlink() or (folder / parent).is_file():
            (folder / parent).unlink()
    if text is None:
        target.unlink(missing_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink():
        target.unlink()
    target.write_bytes(to_bytes(text))


def _entries(mirror: Path, *command: str, **own: str) -> dict[str, str]:
    """Path -> object of the regular files that ``git ls-tree`` lists, tools' caches left out."""
    found = {}
    for line in git(mirror, *command, **own).split("\0"):
        if not line:
            continue
        head, _, name = line.partition("\t")
        mode, _, held = head.split()
        hidden = not IGNORED_DIRS.isdisjoint(name.split("/")[:-1])
        if mode in REGULAR and not hidden and not name.endswith(IGNORED_SUFFIXES):
            found[name] = held
    return found


def _texts(mirror: Path, entries: Mapping[str, str], **own: str) -> dict[str, str]:
    """Path -> text of each object, read in one go."""
    asked = "".join(f"{held}\n" for held in entries.values())
    data = git_bytes(mirror, "cat-file", "--batch", given=asked.encode(), **own)
    texts, at = {}, 0
    for name in entries:
        head = data.index(b"\n", at)
        size = int(data[at:head].split()[2])
        texts[name] = data[head + 1 : head + 1 + size].decode("utf-8", "surrogateescape")
        at = head + size + 2
    return texts
