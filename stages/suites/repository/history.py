"""A Git clone, read only: trees as path -> text, patches applied beside it, commits listed.

What Git must write (the trees of applied patches) goes to a temporary folder that borrows the
clone's objects. Neither hooks nor the user's configuration have a say, and no network is used.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

from stages.suites.repository.errors import RepositoryError

TREES_KEPT = 32
FIXED = ("safe.directory=*", "core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0")
REGULAR = ("100644", "100755")


@dataclasses.dataclass(frozen=True)
class Commit:
    """One commit that has one parent."""

    sha: str
    parent: str
    seconds: int
    """committer's date, seconds since 1970"""
    message: str


class History:
    """The commits and trees of one clone."""

    def __init__(self, path: str | Path) -> None:
        """RepositoryError when ``path`` is no Git repository."""
        self.path = Path(path)
        if not self.path.is_dir():
            raise RepositoryError(f"{path}: no such folder. Give the folder of a Git clone.")
        self._scratch = tempfile.mkdtemp(prefix="repository-")
        weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._borrowed: dict[str, str] = {}
        objects = self._text("rev-parse", "--git-path", "objects")
        self._borrowed = {
            "GIT_OBJECT_DIRECTORY": self._scratch,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((self.path / objects).resolve()),
        }
        self.files = functools.lru_cache(maxsize=TREES_KEPT)(self._files)
        self.tree = functools.cache(self._tree)
        self.patched = functools.cache(self._patched)

    def commit(self, name: str) -> str:
        """The full hash of a commit; RepositoryError when the clone lacks it."""
        return self._text(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )

    def _tree(self, commit: str) -> str:
        """The tree of a commit."""
        return self._text(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{tree}}"
        )

    def _patched(self, tree: str, patch: str) -> str:
        """The tree with a unified diff applied; RepositoryError with Git's words when it can't."""
        if not patch.strip():
            return tree
        given = patch if patch.endswith("\n") else f"{patch}\n"
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}  # its own: threads may be at this at once
            self._run(["read-tree", tree], **index)
            self._run(["apply", "--cached", "--whitespace=nowarn", "-"], given, **index)
            return self._run(["write-tree"], **index).decode().strip()

    def commits(self, span: str) -> list[Commit]:
        """The commits with one parent in a range such as ``v1..main``, oldest first."""
        names = self._text("rev-list", "--reverse", "--topo-order", "--no-merges", span, "--")
        return [one for name in names.split() if (one := self._commit(name)) is not None]

    def _commit(self, name: str) -> Commit | None:
        head, _, message = self._text("show", "-s", "--format=%ct %P%n%B", name).partition("\n")
        seconds, *parents = head.split()
        return Commit(name, parents[0], int(seconds), message.strip()) if parents else None

    def _files(self, tree: str) -> dict[str, str]:
        """Text of every regular file; bytes that aren't UTF-8 as surrogate escapes.

        Symbolic links and submodules have no text and are left out.
        """
        listed = self._run(["ls-tree", "-r", "-z", "--full-tree", tree]).split(b"\0")
        entries = [entry.partition(b"\t")[::2] for entry in listed if entry]
        found = [
            (os.fsdecode(path), head.split()[2].decode())
            for head, path in entries
            if head.split()[0].decode() in REGULAR
        ]
        return dict(zip((p for p, _ in found), self._blobs([s for _, s in found]), strict=True))

    def _blobs(self, names: Sequence[str]) -> list[str]:
        data = self._run(["cat-file", "--batch"], "".join(f"{name}\n" for name in names))
        texts, at = [], 0
        for name in names:
            head, _, _ = data[at : at + 200].partition(b"\n")
            size = head.split()[-1]
            if not size.isdigit():
                raise RepositoryError(
                    f"{self.path}: the object {name[:12]} is missing, so the clone is partial. "
                    "Clone the repository whole (without --filter or --depth)."
                )
            start = at + len(head) + 1
            texts.append(data[start : start + int(size)].decode("utf-8", "surrogateescape"))
            at = start + int(size) + 1
        return texts

    def _text(self, *arguments: str) -> str:
        return self._run(list(arguments)).decode("utf-8", "replace").strip()

    def _run(self, arguments: list[str], given: str = "", **variables: str) -> bytes:
        fixed = [part for value in FIXED for part in ("-c", value)]
        done = subprocess.run(
            ["git", *fixed, "-C", str(self.path), *arguments],
            input=given.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env={**self._environment(), **variables},
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()[-300:] or "no such commit"
            raise RepositoryError(
                f"{self.path}: `git {' '.join(arguments)}` failed: {said}. Correct the name, or "
                "fetch what is missing (`git fetch --all --tags`)."
            )
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "LC_ALL": "C",
            **self._borrowed,
        }
