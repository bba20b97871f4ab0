"""The unshare backend: new user, net, pid, mount, ipc and uts namespaces and a private root.

Works for root and, where user namespaces are allowed, for an ordinary user. For root one
unprivileged host uid is mapped beside 0, and runs use it: the process limit doesn't bind root.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from . import linux

NAMESPACES = linux.NEWNS | linux.NEWPID | linux.NEWNET | linux.NEWIPC | linux.NEWUTS
DEVICES = ("null", "zero", "full", "random", "urandom")


def enter(settings: dict[str, Any]) -> None:
    """Return inside the sandbox as process 1; the processes outside it wait and exit with it."""
    uid, gid = os.getuid(), os.getgid()
    ready, go = os.pipe(), os.pipe()
    inner = os.fork()
    if inner:
        os.read(ready[0], 1)
        _write_maps(inner, uid, gid, settings["run_uid"])
        os.write(go[1], b"x")
        _mirror_exit(inner)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.unshare(linux.NEWUSER)
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    for fd in (*ready, *go):
        os.close(fd)
    linux.unshare(NAMESPACES)
    first = os.fork()
    if first:
        _mirror_exit(first)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    _build_root(settings)


def _write_maps(pid: int, uid: int, gid: int, run_uid: int | None) -> None:
    extra = "" if run_uid is None else f"\n{run_uid} {run_uid} 1"
    _write(f"/proc/{pid}/uid_map", f"0 {uid} 1{extra}")
    if run_uid is None:
        _write(f"/proc/{pid}/setgroups", "deny")
    _write(f"/proc/{pid}/gid_map", f"0 {gid} 1{extra}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as handle:  # noqa: PTH123 (pathlib would make every fork dearer)
        handle.write(text)


def _mirror_exit(pid: int) -> None:
    for fd in (0, 1):
        os.close(fd)  # else the worker would never see its pipe end
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)


def _build_root(settings: dict[str, Any]) -> None:
    root = settings["root"]
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("root", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m,mode=755")
    for source, target in settings["links"]:
        os.symlink(source, root + target)  # noqa: PTH211
    for folder in ("/proc", "/dev", "/tmp", "/workspace", "/sandbox/work"):
        os.makedirs(root + folder)  # noqa: PTH103
    for source, target in settings["read_only"]:
        os.makedirs(root + target, exist_ok=True)  # noqa: PTH103
        linux.mount(source, root + target, None, linux.MS_BIND | linux.MS_REC)
        linux.make_read_only(root + target)
    for name in DEVICES:
        _write(f"{root}/dev/{name}", "")
        linux.mount(f"/dev/{name}", f"{root}/dev/{name}", None, linux.MS_BIND)
    os.symlink("/tmp", f"{root}/dev/shm")  # noqa: PTH211
    os.symlink("/proc/self/fd", f"{root}/dev/fd")  # noqa: PTH211
    linux.mount(settings["work"], f"{root}/sandbox/work", None, linux.MS_BIND)
    linux.mount("proc", f"{root}/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV)
    linux.pivot_root(root)
    linux.mount(
        None,
        "/",
        None,
        linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV,
    )
