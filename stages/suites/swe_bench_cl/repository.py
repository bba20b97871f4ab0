"""The repository as it stood at a task's base commit, with one commit and nothing newer (check 1).

The objects come from a mirror on this machine; no command here uses a network.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from stages.records import Task
from stages.suites.swe_bench_cl.errors import SweBenchError
from stages.suites.swe_bench_cl.room import remedy

PERSON = ("carryover", "carryover@example.org")
LEFTOVERS = ("FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD", "shallow", "objects/info/alternates")


def mirror_of(folder: str | Path, repo: str) -> Path:
    """The mirror of a repository below ``folder``; SweBenchError says how to make one."""
    name = repo.replace("/", "__")
    for path in (Path(folder) / f"{name}.git", Path(folder) / name):
        if path.is_dir():
            return path
    raise SweBenchError(
        f"{folder}: no mirror of {repo} ({name}.git). Make it once, while online: `git clone "
        f"--mirror https://github.com/{repo} {Path(folder) / name}.git`."
    )


def git(repository: Path, *arguments: str, given: str = "", **variables: str) -> str:
    """What a Git command prints, as it stands; ``given`` is its input. Errors as ``git_bytes``."""
    data = given.encode("utf-8", "surrogateescape")
    return git_bytes(repository, *arguments, given=data, **variables).decode(
        "utf-8", "surrogateescape"
    )


def git_bytes(repository: Path, *arguments: str, given: bytes = b"", **variables: str) -> bytes:
    """The same as bytes; SweBenchError with Git's words on failure.

    Neither the user's configuration nor hooks of the repository have a say.
    """
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "LC_ALL": "C",
        **variables,
    }
    fixed = ("-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0")
    done = subprocess.run(
        ["git", *fixed, "-C", str(repository), *arguments],
        capture_output=True,
        input=given,
        env=environment,
        check=False,
    )
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip()[-300:]
        usual = "Update the mirror (`git remote update`), or make it again (`git clone --mirror`)."
        raise SweBenchError(
            f"{repository}: `git {' '.join(arguments)}` failed: {words}. {remedy(words, usual)}"
        )
    return done.stdout


def base_date(mirror: Path, commit: str) -> int:
    """Committer's date of a commit, seconds since 1970."""
    return int(git(mirror, "show", "-s", "--format=%ct", f"{commit}^{{commit}}"))


def check_out(mirror: Path, task: Task, folder: Path) -> str:
    """Write the base tree to an empty ``folder``, as its only commit; returns Git's tree hash.

    The objects of that tree alone are copied, so nothing of the future can be reached. Raises
    SweBenchError when the mirror lacks the commit or something newer is found all the same.
    """
    commit = task.meta["base_commit"]
    date = base_date(mirror, commit)
    tree = git(mirror, "rev-parse", f"{commit}^{{tree}}").strip()
    git(folder, "init", "-q", "-b", "main")
    for key, value in (("core.logAllRefUpdates", "false"), ("core.fileMode", "true")):
        git(folder, "config", key, value)
    for key, value in zip(("user.name", "user.email"), PERSON, strict=True):
        git(folder, "config", key, value)
    borrowed = folder / ".git/objects/info/alternates"
    borrowed.write_text(f"{objects_of(mirror)}\n")
    git(folder, "read-tree", tree)
    git(folder, "checkout-index", "-a", "-f", "-q")
    root = git(folder, "commit-tree", tree, "-m", "Base", **_dated(date)).strip()
    git(folder, "update-ref", "refs/heads/main", root)
    git(folder, "pack-objects", "--revs", "-q", ".git/objects/pack/pack", given=f"{root}\n")
    borrowed.unlink()
    git(folder, "update-index", "-q", "--refresh")
    found = future_traces(folder, date)
    if found:
        raise SweBenchError(
            f"{task.instance_id}: the workspace holds {found[0]}, which an agent could read the "
            "answer from. Make the mirror again with `git clone --mirror`."
        )
    return tree


def future_traces(repository: Path, date: int) -> list[str]:
    """What a repository holds that is newer than ``date`` or could lead there (check 1).

    Commits later than ``date``, unreachable ones included; tags; branches but the current one;
    remotes; reflogs; stashes; borrowed objects and leftovers of a fetch.
    """
    folder = repository / ".git" if (repository / ".git").exists() else repository
    found = [f"{name} of an earlier fetch" for name in LEFTOVERS if (folder / name).exists()]
    current = git(repository, "rev-parse", "--symbolic-full-name", "HEAD").strip()
    refs = git(repository, "for-each-ref", "--format=%(refname)").split()
    found += [f"the ref {name}" for name in refs if name != current]
    found += [f"the remote {name}" for name in git(repository, "remote").split()]
    logs = folder / "logs"
    found += [f"the reflog {p.relative_to(logs)}" for p in sorted(logs.rglob("*")) if p.is_file()]
    kinds = git(repository, "cat-file", "--batch-all-objects", "--batch-check")
    objects = [line.split()[:2] for line in kinds.splitlines()]
    commits = "".join(f"{name}\n" for name, kind in objects if kind == "commit")
    dated = git(repository, "log", "--no-walk", "--stdin", "--format=%H %ct", given=commits)
    for name, when in (line.split() for line in dated.splitlines()):
        if int(when) > date:
            found.append(f"the commit {name[:12]}, which is newer than the base commit")
    found += [f"the annotated tag {name[:12]}" for name, kind in objects if kind == "tag"]
    return found


def text_at(mirror: Path, commit: str, path: str) -> str:
    """Text of a file at a commit; empty when there is none."""
    if not git(mirror, "ls-tree", "--name-only", commit, "--", path).strip():
        return ""
    return git(mirror, "show", f"{commit}:{path}")


def objects_of(mirror: Path) -> Path:
    """The folder of a repository's objects."""
    path = git(mirror, "rev-parse", "--git-path", "objects").strip()
    return (mirror / path).resolve()


def _dated(date: int) -> dict[str, str]:
    name, email = PERSON
    stamp = f"{date} +0000"
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email), ("DATE", stamp))
    }
