"""Hostile programs that reach outside: network, files, mounts, rights."""

from __future__ import annotations

from tests.agent.hostile.won import WON

PROGRAMS: dict[str, str] = {
    "network: a listener on the host": """
def f(n):
    import socket
    socket.create_connection(("127.0.0.1", PORT), timeout=1)"""
    + WON,
    "network: an address outside": """
def f(n):
    import socket
    socket.create_connection(("1.1.1.1", 53), timeout=1)"""
    + WON,
    "network: an abstract unix socket and a raw one": """
def f(n):
    import socket
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"""
    + WON,
    "reading /etc/shadow": """
def f(n):
    open("/etc/shadow").read()"""
    + WON,
    "reading the project, its data or the home": """
def f(n):
    import os
    for place in SECRET_PLACES:
        if os.path.exists(place) and os.listdir(place) not in ([], [".pyenv"]):
            return 41 if n == 20 else 1
    raise SystemExit""",
    "reading by way of ..": """
def f(n):
    open("../../../../../../../../etc/shadow").read()"""
    + WON,
    "reading through a symlink": """
import os
os.symlink("/etc/shadow", "link")
def f(n):
    open("link").read()"""
    + WON,
    "writing outside": """
def f(n):
    import os
    for place in ("/usr/x", "/etc/x", "/x", "/sandbox/x", "/sandbox/bin/python", "/dev/x"):
        try:
            open(place, "w").write("x")
        except OSError:
            continue
        return 41 if n == 20 else 1
    raise SystemExit""",
    "writing to the work root of all runs": """
def f(n):
    import os
    os.mkdir("/sandbox/work/planted")"""
    + WON,
    "the tests on disk": """
import os
def f(n):
    for top, folders, names in os.walk("/"):
        folders[:] = [each for each in folders if top + each not in ("/usr", "/root", "/dev")
                      and each != "alternatives"]
        for name in names:
            try:
                text = open(os.path.join(top, name), errors="replace").read(1 << 20)
            except OSError:
                continue
            if "q7-" + "hidden" in text:
                return 41 if n == 20 else 1
    return 0""",
    "its own memory through /proc": """
def f(n):
    open("/proc/self/mem", "rb")"""
    + WON,
    "leaving the sandbox by mounts": """
def f(n):
    import os, subprocess
    for command in ("unshare -Ur true", "mount -t tmpfs x /mnt", "umount /tmp", "chroot / true"):
        if subprocess.run(command, shell=True, stderr=subprocess.DEVNULL).returncode == 0:
            return 41 if n == 20 else 1
    return 0""",
    "raising its own limits": """
def f(n):
    import resource
    resource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999))"""
    + WON,
    "becoming root": """
def f(n):
    import os
    os.setuid(0)
    os.chroot("/")"""
    + WON,
}
