"""Virtual environments of the local executor: built once per content, then only read.

Building downloads from a package index unless ``find_links`` is given; it happens before any
model runs, never during a task.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from stages.records import Task, canonical_json, read_json, sha256_text, write_json
from stages.suites.swe_bench_cl.errors import SweBenchError
from stages.suites.swe_bench_cl.repository import check_out, mirror_of, text_at
from stages.suites.swe_bench_cl.room import remedy, with_room
from stages.suites.swe_bench_cl.specs import Spec

INSIDE = "/sandbox/env"
"""Where the sandbox shows the environment."""
PREFIX = "/workspace/.git/carryover/prefix"
"""Where the project is installed to, inside the sandbox."""
READY = "ready.json"


@dataclasses.dataclass(frozen=True)
class Environment:
    """An environment that is ready to use."""

    key: str
    """hash of everything it was built from"""
    folder: Path
    base: Path
    """prefix of the interpreter that it was made with"""
    left_out: tuple[str, ...]
    """requirements that couldn't be built"""


def find_python(version: str) -> Path:
    """An interpreter major.minor of this machine: PATH, pyenv, uv; SweBenchError names the rest."""
    name = f"python{version}"
    homes = [Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"]
    homes.append(Path("~/.local/share/uv/python").expanduser())
    candidates = [path for home in homes for path in sorted(home.glob(f"*{version}.*/bin/{name}"))]
    candidates += [Path(p) for p in (shutil.which(name), shutil.which("python3")) if p]
    for path in candidates:
        if _asked(path, "'%d.%d' % sys.version_info[:2]") == version:
            return path
    raise SweBenchError(
        f"no Python {version} on this machine, and a task of this repository and version runs on "
        f"no other. Install it (`uv python install {version}`, `pyenv install {version}` or the "
        "system's package), or set swe_bench_cl.executor to container."
    )


def environment_key(task: Task, spec: Spec, folder: str, find_links: str | None) -> str:
    """Hash of interpreter, requirements and requirement files: tasks that share it share all."""
    python = find_python(spec.python)
    commit = task.meta.get("environment_setup_commit") or task.meta["base_commit"]
    files = {}
    for name in spec.requirement_files:
        files[name] = text_at(mirror_of(folder, task.repo), commit, name)
    wheels = sorted(path.name for path in Path(find_links).iterdir()) if find_links else []
    parts = {
        "format": 2,
        "python": _asked(python, "sys.version + sys.base_prefix"),
        "requirements": spec.requirements,
        "files": files,
        "project": None if spec.project is None else [task.repo, commit, spec.project],
        "wheels": wheels,
    }
    return sha256_text(canonical_json(parts))[:24]


def ensure(
    task: Task, spec: Spec, repositories: str, environments: str, find_links: str | None
) -> Environment:
    """The task's environment, built when it isn't there yet; one process builds, others wait.

    Raises SweBenchError where it can't be built, HarnessError where the disk is full.
    """
    if spec.no_local:
        raise SweBenchError(
            f"{task.instance_id}: {task.repo} can't be run by the local executor: {spec.no_local}. "
            "Set swe_bench_cl.executor to container."
        )
    key = environment_key(task, spec, repositories, find_links)
    python = find_python(spec.python)
    folder = Path(environments).resolve() / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not (folder / READY).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            with with_room(folder.parent):
                left_out = _build(task, spec, python, folder, repositories, find_links)
            write_json(folder / READY, {"left_out": left_out, "requirements": spec.requirements})
    base = Path(_asked(python, "sys.base_prefix"))
    return Environment(key, folder, base, tuple(read_json(folder / READY)["left_out"]))


def _build(
    task: Task, spec: Spec, python: Path, folder: Path, repositories: str, links: str | None
) -> list[str]:
    """Make the environment; returns the requirements that couldn't be built."""
    _run([str(python), "-m", "venv", str(folder)], task, "its virtual environment can't be made")
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--no-input"]
    pip += ["--no-index", "--find-links", links] if links else []
    if spec.requirements:
        _run([*pip, *spec.requirements], task, "its requirements can't be installed")
    left_out = []
    mirror = mirror_of(repositories, task.repo)
    commit = task.meta.get("environment_setup_commit") or task.meta["base_commit"]
    for name in spec.requirement_files:
        left_out += _install_lines(pip, text_at(mirror, commit, name), task)
    if spec.project is not None:
        _install_project(pip, spec, task, mirror)
    site = next(folder.glob("lib/python*/site-packages"))
    inside = f"{PREFIX}/lib/{site.parent.name}/site-packages"
    (site / "carryover.pth").write_text(f"import site; site.addsitedir({inside!r})\n")
    _point_scripts_inside(folder)
    return left_out


def _install_lines(pip: Sequence[str], text: str, task: Task) -> list[str]:
    """Install a requirement file line by line; lines that can't be built are returned."""
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("-")]
    failed = []
    for line in wanted:
        try:
            _run([*pip, line], task, line)
        except SweBenchError:
            failed.append(line)
    return failed


def _install_project(pip: Sequence[str], spec: Spec, task: Task, mirror: Path) -> None:
    """Install what the project itself asks for, and then take the project away again."""
    with tempfile.TemporaryDirectory() as folder:
        check_out(mirror, task, Path(folder))
        what = f"{folder}{spec.project}"
        _run([*pip, what, *spec.requirements], task, "the project's own requirements fail")
    name = task.repo.split("/")[1]
    _run([*pip[:3], "uninstall", "-q", "-y", name], task, f"{name} can't be taken away again")


def _point_scripts_inside(folder: Path) -> None:
    """Scripts name the interpreter by the path that the sandbox shows it under."""
    host = b"#!" + os.fsencode(str(folder))
    for path in (folder / "bin").iterdir():
        if path.is_file() and not path.is_symlink():
            text = path.read_bytes()
            if text.startswith(host):
                path.write_bytes(b"#!" + INSIDE.encode() + text[len(host) :])


def told_version(task: Task) -> dict[str, str]:
    """The version for setuptools-scm, which would look for tags; they are stripped (check 1)."""
    version = str(task.meta.get("version", "")).removeprefix("v")
    return {"SETUPTOOLS_SCM_PRETEND_VERSION": version} if version else {}


def _run(command: Sequence[str], task: Task, what: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | told_version(task), check=False
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip()
        last = " ".join(words.splitlines()[-3:])[-400:]
        usual = (
            "Go online once (environments are kept), give swe_bench_cl.find_links a folder with "
            "the wheels, or set swe_bench_cl.executor to container."
        )
        raise SweBenchError(f"{task.instance_id}: {what}: {last}. {remedy(words, usual)}")


def _asked(python: Path, expression: str) -> str:
    """What an interpreter prints of itself; empty when it doesn't run."""
    done = subprocess.run(
        [str(python), "-S", "-c", f"import sys; print({expression})"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else ""


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
