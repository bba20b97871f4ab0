"""Linux calls that Python 3.11 doesn't wrap: namespaces, mounts, capabilities (see man 2)."""

from __future__ import annotations

import ctypes
import os
import platform

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE = 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 1, 28, 38
SECURE_NOROOT_LOCKED = 0b0011  # uid 0 gets no capabilities from exec, for good
SECURE_KEEP_LOCKED = 0b1111  # neither that, nor does a change of uid take any
CAP_SYS_ADMIN = 21
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = -100, 0x8000, 1
SYS_MOUNT_SETATTR = 442
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}

_libc = ctypes.CDLL(None, use_errno=True)
_python_held = ctypes.PyDLL(None)
# Made once: a ctypes array type made in every fork would cost it 60 pages.
_CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, self
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
_ONLY_SYS_ADMIN = (ctypes.c_uint32 * 6)(1 << CAP_SYS_ADMIN, 1 << CAP_SYS_ADMIN)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _text(value: str | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def fork() -> int:
    """fork(2) without Python's after-fork hooks, for a process of one thread.

    They'd repair locks that no other thread holds here, and seed `random` anew at the price of a
    tenth of a whole run; the same program drawing the same numbers is welcome besides.
    """
    return _python_held.fork()


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags`."""
    _check(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(fd: int, flags: int) -> None:
    """Enter the namespace behind `fd`."""
    _check(_libc.setns(fd, flags), "setns")


def mount(
    source: str | None, target: str, kind: str | None, flags: int = 0, options: str | None = None
) -> None:
    """mount(2)."""
    _check(
        _libc.mount(
            _text(source), _text(target), _text(kind), ctypes.c_ulong(flags), _text(options)
        ),
        f"mount {target}",
    )


def umount(target: str) -> None:
    """Detach the mount at `target`."""
    _check(_libc.umount2(_text(target), MNT_DETACH), f"umount {target}")


def make_read_only(target: str) -> None:
    """The mount at `target` and all beneath it, read-only (mount_setattr, Linux 5.12)."""
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
    _check(
        _libc.syscall(
            SYS_MOUNT_SETATTR,
            AT_FDCWD,
            _text(target),
            AT_RECURSIVE,
            ctypes.byref(attributes),
            ctypes.sizeof(attributes),
        ),
        f"mount_setattr {target}",
    )


def pivot_root(new_root: str) -> None:
    """`new_root` becomes /, and the old root is gone from the namespace."""
    os.chdir(new_root)
    _check(_libc.syscall(SYS_PIVOT_ROOT[platform.machine()], b".", b"."), "pivot_root")
    umount(".")
    os.chdir("/")


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl({option})")


def drop_capabilities() -> None:
    """No capability now or after any exec: securebits, no_new_privs, empty capset."""
    prctl(PR_SET_SECUREBITS, SECURE_NOROOT_LOCKED)
    forget_capabilities()


def keep_sys_admin() -> None:
    """no_new_privs and CAP_SYS_ADMIN alone: enough to make pid namespaces and mount a tmpfs."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    _check(_libc.capset(_CAPABILITY_HEADER, _ONLY_SYS_ADMIN), "capset")


def forget_capabilities() -> None:
    """no_new_privs and an empty capability set."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    _check(_libc.capset(_CAPABILITY_HEADER, _NO_CAPABILITIES), "capset")
