"""A workspace on disk: put files there, read them back, hash the tree, write the diff.

Nothing here follows a symbolic link or opens anything but a regular file: what stands in a
workspace after an episode was written by a model.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

IGNORED_DIRS = frozenset({"__pycache__", ".pytest_cache", ".git", ".mypy_cache", ".ruff_cache"})
IGNORED_SUFFIXES = (".pyc", ".pyo")


class WorkspaceError(ValueError):
    """A workspace can't be made or isn't what its task recorded; the message says the remedy."""


def materialise(path: Path, files: Mapping[str, str]) -> None:
    """Write ``files`` (relative posix path -> text, line endings as they are) below ``path``."""
    root = str(path)
    path.mkdir(parents=True, exist_ok=True)
    made: set[str] = set()
    for name, text in files.items():
        if name.startswith("/") or ".." in name.split("/"):
            raise WorkspaceError(
                f"{name!r}: a task's file must lie inside the workspace. Make the path relative, "
                "without '..', in the suite that lists it."
            )
        folder = name.rpartition("/")[0]
        if folder and folder not in made:
            (path / folder).mkdir(parents=True, exist_ok=True)
            made.add(folder)
        handle = os.open(f"{root}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            data = to_bytes(text)
            while data:
                data = data[os.write(handle, data) :]
        finally:
            os.close(handle)


def walk(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Relative posix path and lstat of every entry but folders, sorted by path."""
    entries: list[tuple[str, os.stat_result]] = []
    folders = [""]
    root = str(path)
    while folders:
        prefix = folders.pop()
        with os.scandir(f"{root}/{prefix}") as found:
            for entry in found:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in IGNORED_DIRS:
                        folders.append(f"{name}/")
                elif not entry.name.endswith(IGNORED_SUFFIXES):
                    entries.append((name, entry.stat(follow_symlinks=False)))
    entries.sort(key=lambda item: item[0])
    return iter(entries)


def folders(path: Path) -> list[str]:
    """Relative posix path of every folder, sorted, but for those of tools that Git would ignore."""
    found: list[str] = []
    for root, names, _ in os.walk(path):
        names[:] = [name for name in names if name not in IGNORED_DIRS]
        found += [os.path.relpath(f"{root}/{name}", path) for name in names]
    return sorted(found)


def read_tree(path: Path) -> dict[str, str]:
    """Text of every regular file; bytes that aren't UTF-8 come as surrogate escapes."""
    root = str(path)
    regular = (name for name, info in walk(path) if stat.S_ISREG(info.st_mode))
    return {name: read_text(f"{root}/{name}") for name in regular}


def read_text(path: Path | str) -> str:
    """Text of one file with its line endings; bytes that aren't UTF-8 as surrogate escapes."""
    handle = os.open(path, os.O_RDONLY)  # half the time of a file object; episodes read thousands
    try:
        parts = []
        while part := os.read(handle, 1 << 20):
            parts.append(part)
    finally:
        os.close(handle)
    return b"".join(parts).decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The inverse of ``read_text``."""
    return text.encode("utf-8", "surrogateescape")


def tree_hash(path: Path) -> str:
    """SHA-256 over sorted relative paths, modes and contents (check 21).

    The mode is what Git keeps of it: regular, executable or symbolic link. Caches of tools that
    Git would ignore (``__pycache__`` and the like) don't count.
    """
    digest = hashlib.sha256()
    for name, info in walk(path):
        if stat.S_ISLNK(info.st_mode):
            kind, content = "120000", os.fsencode((path / name).readlink())
        elif stat.S_ISREG(info.st_mode):
            kind = "100755" if info.st_mode & 0o100 else "100644"
            content = (path / name).read_bytes()
        else:
            kind, content = f"{stat.S_IFMT(info.st_mode):o}", b""
        _add(digest, name, kind, content)
    return digest.hexdigest()


def tree_hash_of_files(files: Mapping[str, str]) -> str:
    """What ``tree_hash`` returns after ``materialise`` of the same files, without a disk."""
    digest = hashlib.sha256()
    for name in sorted(files):
        parts = name.split("/")
        if not IGNORED_DIRS.isdisjoint(parts[:-1]) or name.endswith(IGNORED_SUFFIXES):
            continue
        _add(digest, name, "100644", to_bytes(files[name]))
    return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, kind: str, content: bytes) -> None:
    digest.update(b"%s\0%s\0%d\0" % (os.fsencode(name), kind.encode(), len(content)))
    digest.update(content)


def resolve_inside(path: Path, name: str) -> str | None:
    """The real path of ``name`` below the workspace ``path``, or None when it would lie outside."""
    if not name or "\0" in name or name.startswith(("/", "~")):
        return None
    root = os.path.realpath(path)
    real = os.path.realpath(f"{root}/{name}")
    return real if real == root or real.startswith(f"{root}/") else None
