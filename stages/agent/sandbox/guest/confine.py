"""What each run loses between the fork and its first line: mounts, limits, identity."""

from __future__ import annotations

import os
import resource
from typing import Any

from . import linux

MIB = 1024 * 1024
WORK, WORKSPACE, SCRATCH = "/sandbox/work", "/workspace", "/tmp"


def confine(settings: dict[str, Any], workspace: str | None, graded: bool) -> None:
    """Leave this process with its own mounts, limits and no privilege; cwd is its workspace.

    A graded run has no /proc (so its memory can't be opened) and can't execute or map code
    that it wrote itself.
    """
    os.setsid()
    os.umask(0o022)
    linux.unshare(linux.NEWNS)
    _mounts(settings, workspace, graded)
    os.chdir(WORKSPACE if workspace else SCRATCH)
    _limits(settings)
    resource.setrlimit(resource.RLIMIT_CPU, (settings["cpu_seconds"], settings["cpu_seconds"]))
    _drop_identity(settings["run_uid"])


def _mounts(settings: dict[str, Any], workspace: str | None, graded: bool) -> None:
    flags = linux.MS_NOSUID | linux.MS_NODEV | (linux.MS_NOEXEC if graded else 0)
    if workspace:
        source = f"{WORK}/{workspace}"
        _own(source, settings["run_uid"])
        linux.mount(source, WORKSPACE, None, linux.MS_BIND)
        linux.mount(None, WORKSPACE, None, linux.MS_REMOUNT | linux.MS_BIND | flags)
    linux.umount(WORK)
    linux.mount("tmp", SCRATCH, "tmpfs", flags, f"size={settings['file_size_mb']}m,mode=1777")
    if graded:
        linux.umount("/proc")
    else:  # over the worker's: the kernel allows a new one only where an old one is visible
        linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)


def _own(folder: str, uid: int | None) -> None:
    """Give what the host wrote to the run's uid (only where the host is root)."""
    if uid is None:
        return
    os.chown(folder, uid, uid, follow_symlinks=False)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _own(entry.path, uid)
            elif entry.stat(follow_symlinks=False).st_uid != uid:
                os.chown(entry.path, uid, uid, follow_symlinks=False)


def strip_zygote(settings: dict[str, Any]) -> None:
    """Do once, in the zygote of workers that grade programs without a workspace, what `confine`
    does in each run: no work root, no /proc, an empty /tmp, limits, the runs' uid."""
    os.umask(0o022)
    linux.umount(WORK)
    linux.umount("/proc")
    fresh_scratch(settings)
    _limits(settings)
    uid = settings["run_uid"]
    linux.prctl(linux.PR_SET_SECUREBITS, linux.SECURE_KEEP_LOCKED)
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    linux.keep_sys_admin()


def fresh_scratch(settings: dict[str, Any]) -> None:
    """An empty /tmp that can't execute what is written to it, as cwd."""
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount("tmp", SCRATCH, "tmpfs", flags, f"size={settings['file_size_mb']}m,mode=1777")
    os.chdir(SCRATCH)


def clean_scratch(settings: dict[str, Any]) -> None:
    """Replace /tmp when the last run left anything there (it is over, with all it started)."""
    state = os.statvfs(SCRATCH)
    if state.f_files - state.f_ffree > 1 or state.f_bfree < state.f_blocks:
        os.chdir("/")
        linux.umount(SCRATCH)
        fresh_scratch(settings)


def confine_stripped(settings: dict[str, Any]) -> None:
    """What is left to do in a run of a stripped zygote."""
    os.setsid()
    seconds = settings["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    linux.forget_capabilities()


def _limits(settings: dict[str, Any]) -> None:
    """Every limit but the CPU's, which counts from the start of a process."""
    limits = {
        resource.RLIMIT_AS: settings["memory_mb"] * MIB,
        resource.RLIMIT_NPROC: settings["processes"],
        resource.RLIMIT_FSIZE: settings["file_size_mb"] * MIB,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_MEMLOCK: 0,
    }
    for which, value in limits.items():
        ceiling = resource.getrlimit(which)[1]
        value = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(which, (value, value))


def _drop_identity(uid: int | None) -> None:
    if uid is not None:
        linux.prctl(linux.PR_SET_SECUREBITS, linux.SECURE_NOROOT_LOCKED)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        linux.forget_capabilities()
    else:
        linux.drop_capabilities()
