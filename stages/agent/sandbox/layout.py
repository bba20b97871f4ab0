"""What of the host a sandbox sees, whatever the backend: system folders and Python, read-only."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from stages.agent.sandbox.config import SandboxConfig
from stages.agent.sandbox.guest.programs import ENVIRONMENT
from stages.agent.sandbox.guest.wire import frame

MEMORY = Path("/dev/shm")
ROOM = 4 << 30  # bytes of memory a sandbox may fill with files, and must find free at its start
FIRST_RUN_UID = 61000  # runs of worker i get this host uid + i where the host is root
SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = ("ld.so.cache", "ld.so.conf", "localtime", "mime.types")
GUEST_MODULES = (
    "wire",
    "linux",
    "confine",
    "launch",
    "guards",
    "grading",
    "supervise",
    "programs",
    "zygote",
)
BOOT = """
import sys
startup = list(sys.modules)
import builtins, json, os, types
def read(size):
    data = b""
    while len(data) < size:
        data += os.read(0, size - len(data)) or sys.exit("no boot frame")
    return data
boot = json.loads(read(int.from_bytes(read(4), "big")))
package = sys.modules["guest"] = types.ModuleType("guest")
package.__path__ = []
for name, source in boot["modules"]:
    module = sys.modules["guest." + name] = types.ModuleType("guest." + name)
    module.__package__ = "guest"
    module.__dict__["__builtins__"] = dict(vars(builtins))
    exec(compile(source, "guest/" + name + ".py", "exec"), module.__dict__)
    setattr(package, name, module)
package.zygote.main({**boot["settings"], "startup": startup})
"""


@dataclass(frozen=True)
class Layout:
    """The one temporary folder of a sandbox and what is bound beside it."""

    root: Path
    """temporary folder on the host; `work` beneath it is the only writable bind"""
    read_only: tuple[tuple[str, str], ...]
    """(host path, path inside)"""
    links: tuple[tuple[str, str], ...]
    """(target, path inside) of symbolic links such as /bin -> usr/bin"""
    python: str
    """path of the interpreter, the same inside and outside"""

    @property
    def work(self) -> Path:
        return self.root / "work"


def memory_folder() -> str | None:
    """Where a sandbox's folder can lie in memory; None for the system's temporary folder.

    A workspace of 52 files takes 0.8 ms to write and remove there, on a disk 2 ms and more.
    Not where the user has named a place (TMPDIR), where files can't be executed (a shell script
    of a workspace must run), or where less than ``ROOM`` is free.
    """
    try:
        state = os.statvfs(MEMORY)
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    left = next((int(each.split()[1]) for each in lines if each.startswith("MemAvailable:")), 0)
    if os.environ.get("TMPDIR") or state.f_flag & os.ST_NOEXEC or not os.access(MEMORY, os.W_OK):
        return None
    return str(MEMORY) if min(1024 * left, state.f_bavail * state.f_frsize) >= ROOM else None


@functools.cache
def prefixes() -> tuple[str, ...]:
    """Where Python's library lies on this machine, if not in /usr."""
    found = {os.path.realpath(path) for path in (sys.base_prefix, sys.base_exec_prefix)}
    return tuple(sorted(p for p in found if p != "/usr" and not p.startswith("/usr/")))


@functools.cache
def interpreter_path() -> str:
    """The interpreter that programs in the sandbox run with: this one's, outside any venv."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def make_layout(root: Path) -> Layout:
    """Create the folders under `root` and say what to bind."""
    for name in ("work", "root", "etc/alternatives", "bin"):
        (root / name).mkdir(parents=True)
    for name in ETC:
        if Path("/etc", name).exists():
            shutil.copyfile(Path("/etc", name), root / "etc" / name)
    (root / "etc/passwd").write_text("agent:x:0:0::/tmp:/bin/sh\n")
    (root / "etc/group").write_text("agent:x:0:\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    python = interpreter_path()
    for name in ("python", "python3"):
        script = root / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {python} -S -s "$@"\n')
        script.chmod(0o755)
    binds = [("/usr", "/usr"), (str(root / "etc"), "/etc"), (str(root / "bin"), "/sandbox/bin")]
    if Path("/etc/alternatives").is_dir():
        binds.append(("/etc/alternatives", "/etc/alternatives"))
    links = []
    for name in SYSTEM:
        if Path(name).is_symlink():
            links.append((str(Path(name).readlink()), name))
        elif Path(name).is_dir():
            binds.append((name, name))
    binds += [(prefix, prefix) for prefix in prefixes()]
    return Layout(root, tuple(binds), tuple(links), python)


def boot_frame(
    layout: Layout, config: SandboxConfig, backend: str, index: int, stripped: bool
) -> bytes:
    """The first frame of a worker: the guest's sources and its settings."""
    folder = resources.files("stages.agent.sandbox.guest")
    modules = [(n, (folder / f"{n}.py").read_text(encoding="utf-8")) for n in GUEST_MODULES]
    settings = {
        "backend": backend,
        "stripped": stripped,
        "own_user_namespace": backend == "unshare" or (backend == "bubblewrap" and os.getuid()),
        "root": str(layout.root / "root"),
        "work": str(layout.work),
        "read_only": layout.read_only,
        "links": layout.links,
        "run_uid": _run_uid(backend, index),
        "cpu_seconds": config.cpu_seconds,
        "wall_seconds": config.wall_seconds,
        "memory_mb": config.memory_mb,
        "processes": config.processes,
        "file_size_mb": config.file_size_mb,
        "output_bytes": config.output_bytes,
        "memory_room": ROOM if layout.root.is_relative_to(MEMORY) else None,
    }
    return frame(json.dumps({"modules": modules, "settings": settings}).encode())


def _run_uid(backend: str, index: int) -> int | None:
    """The uid of runs; None leaves them the worker's own, which is the host user's."""
    if os.getuid() == 0:
        return FIRST_RUN_UID + index
    if backend == "container" and shutil.which("docker"):  # its root is the host's: step down
        return os.getuid()
    return None


def guest_environment() -> dict[str, str]:
    """The whole environment of a worker; nothing of the host's is passed on."""
    # Symbols bound at start are bound once; bound lazily, they would be in every fork anew.
    return ENVIRONMENT | {"LD_BIND_NOW": "1"}
