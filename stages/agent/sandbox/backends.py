"""The three ways to start a worker inside a sandbox, in order of choice, and the refusal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import PurePath

from stages.agent.sandbox.layout import BOOT, Layout, guest_environment

REMEDY = (
    "Carryover runs model-written code only inside a sandbox. Install bubblewrap "
    "(apt-get install bubblewrap, dnf install bubblewrap, or pacman -S bubblewrap); or allow user "
    "namespaces (sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns=0); or install Docker or Podman and start it."
)
PYTHON_FLAGS = ("-S", "-s", "-P", "-c", BOOT)


class NotHere(RuntimeError):
    """This backend can't start on this machine; the message says why."""


def bubblewrap(layout: Layout) -> list[str]:
    """The command of a worker inside bubblewrap; the zygote keeps capabilities, runs have none."""
    program = shutil.which("bwrap")
    if program is None:
        raise NotHere("bwrap is not on the PATH")
    flags = "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --die-with-parent"
    command = [program, *flags.split(), "--new-session", "--cap-add", "ALL"]
    if os.getuid() != 0:
        command += ["--unshare-user", "--uid", "0", "--gid", "0"]
    for source, target in layout.read_only:
        for folder in reversed(PurePath(target).parents[:-1]):  # else readable by root only
            command += ["--perms", "0755", "--dir", str(folder)]
        command += ["--ro-bind", source, target]
    for source, target in layout.links:
        command += ["--symlink", source, target]
    command += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--remount-ro",
        "/dev",
        "--dir",
        "/tmp",
        "--dir",
        "/workspace",
    ]
    command += ["--bind", str(layout.work), "/sandbox/work"]
    command += ["--remount-ro", "/", "--chdir", "/", "--clearenv"]
    for name, value in guest_environment().items():
        command += ["--setenv", name, value]
    return [*command, "--", layout.python, *PYTHON_FLAGS]


def unshare(layout: Layout) -> list[str]:
    """A plain Python whose first act is to enter namespaces of its own (guest/launch.py)."""
    if sys.platform != "linux":
        raise NotHere("namespaces exist on Linux only")
    return [layout.python, *PYTHON_FLAGS]


def container(layout: Layout) -> list[str]:
    """A worker in a Docker or Podman container of the same Python version."""
    program = shutil.which("docker") or shutil.which("podman")
    if program is None:
        raise NotHere("neither docker nor podman is on the PATH")
    flags = "run --rm -i --network none --read-only --tmpfs /tmp --tmpfs /workspace --cap-drop ALL"
    command = [program, *flags.split(), "--volume", f"{layout.work}:/sandbox/work"]
    for profile in ("seccomp", "apparmor"):  # they forbid the namespaces that each run gets
        command += ["--security-opt", f"{profile}=unconfined"]
    for name in ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "CHOWN", "KILL", "DAC_OVERRIDE"):
        command += ["--cap-add", name]
    for name, value in guest_environment().items():
        command += ["--env", f"{name}={value}"]
    image = f"docker.io/library/python:{sys.version_info[0]}.{sys.version_info[1]}-slim"
    return [*command, image, "python", *PYTHON_FLAGS]


COMMANDS: dict[str, Callable[[Layout], list[str]]] = {
    "bubblewrap": bubblewrap,
    "unshare": unshare,
    "container": container,
}
