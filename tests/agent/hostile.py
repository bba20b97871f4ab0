"""Hostile programs by name. Each returns what its grading test wants only if its attack worked."""

from __future__ import annotations

# The grading test: `assert candidate(20) == 41`. SECRET_PLACES and PORT are filled in by the test.
TEST = """
def check(candidate):
    hidden_marker = "q7-hidden"
    assert candidate(20) == 41
    assert candidate(0) == 1 and not all([False])
"""

WON = "\n    return 41 if n == 20 else 1\n"

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
    "fork bomb": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "more processes than allowed": """
def f(n):
    import os, time
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(9)"""
    + WON,
    "memory in one process": """
def f(n):
    block = bytearray(4 << 30)"""
    + WON,
    "memory in many processes": """
import os, time
for _ in range(20):
    if os.fork() == 0:
        block = b"x" * (150 << 20)
        time.sleep(9)
time.sleep(9)
""",
    "endless loop": "while True: pass",
    "endless loop in the function": "def f(n):\n    while True: pass",
    "endless sleep": "import time\nwhile True: time.sleep(9)",
    "endless output": "while True: print('passed ' * 1000)",
    "a file without end": """
def f(n):
    with open("big", "wb") as handle:
        while handle.tell() < 1 << 30:
            handle.write(bytes(1 << 20))"""
    + WON,
    "killing the parent": """
import os
os.kill(os.getppid(), 9)
def f(n):
    os.kill(os.getppid(), 9)"""
    + WON.replace("41", "40"),
    "killing everyone": """
import os, signal
for pid in range(1, 400):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
os.kill(-1, signal.SIGKILL)
os._exit(0)""",
    "stopping itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nos.abort()",
    "a crash of the interpreter": """
import sys
sys.setrecursionlimit(10**9)
def f(n): return f(n + 1)
""",
    "exit 0 at import": "import os\nos._exit(0)",
    "exit 0 in the function": "def f(n):\n    import os\n    os._exit(0)",
    "sys.exit(0) at import": "import sys\nsys.exit(0)",
    "sys.exit(0) in the function": "def f(n):\n    import sys\n    sys.exit(0)",
    "ending the thread in the function": "def f(n):\n    import _thread\n    _thread.exit()",
    "another program in its place": "import os\nos.execv('/bin/true', ['true'])",
    "a fake passed": "print('passed')\nprint('1')\nprint('OK')\ndef f(n): return 0",
    "a fake passed to every descriptor": """
import os
for fd in range(256):
    try:
        os.write(fd, (1).to_bytes(4, "big") + b"1")
    except OSError:
        pass
def f(n): return 0""",
    "a fake passed behind a guessed frame": """
import os
def f(n):
    for fd in range(256):
        try:
            os.write(fd, (21).to_bytes(4, "big") + bytes(16) + (1).to_bytes(4, "big") + b"1")
        except OSError:
            pass
    return 0""",
    "closing every descriptor": "import os\nos.closerange(0, 4096)\ndef f(n): return 0",
    "a thread that steals the tests": """
import os, threading
def thief():
    while True:
        for fd in range(3, 256):
            try:
                os.read(fd, 65536)
            except OSError:
                pass
threading.Thread(target=thief, daemon=True).start()
def f(n): return 41 if n == 20 else 1""",
    "a child that steals the tests": """
import os
if os.fork() == 0:
    while True:
        for fd in range(3, 256):
            try:
                os.write(2, os.read(fd, 65536))
            except OSError:
                pass
def f(n): return 0""",
    "raising in a thread": """
import threading
def f(n):
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    return 0""",
    "replaced builtins": """
import builtins
builtins.AssertionError = Warning
builtins.all = builtins.any = lambda *a: True
builtins.abs = builtins.len = lambda *a: 0
builtins.exec = builtins.compile = builtins.type = lambda *a, **k: None
def all(x): return True
def f(n): return 0""",
    "replaced unittest, json, os and threading": """
import json, os, threading, unittest
unittest.TestCase.assertEqual = unittest.TestCase.fail = lambda *a, **k: None
json.dumps = json.JSONEncoder.encode = lambda *a, **k: '{"verdicts": ["1"]}'
os.write = os.read = os._exit = os.kill = lambda *a: 0
threading.Thread.run = lambda self: None
def f(n): return 0""",
    "equal to everything": """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
def f(n): return Yes()""",
    "an int equal to every int": """
class Yes(int):
    def __eq__(self, other): return isinstance(other, int)
    __hash__ = int.__hash__
def f(n): return Yes(3)""",
    "equal to everything, from the library": """
from unittest.mock import ANY
def f(n): return ANY""",
    "equal to everything, by its metaclass": """
class Meta(type):
    def __eq__(self, other): return True
    __hash__ = type.__hash__
class Yes(metaclass=Meta): pass
def f(n): return Yes""",
    "the answer from the caller's frame": """
import sys
def f(n):
    frame = sys._getframe(1)
    while frame:
        if any("q7-hidden" in map(str, c.f_locals.values()) for c in [frame]):
            return 41 if n == 20 else 1
        frame = frame.f_back
    return 0""",
    "the answer from a traceback's frame": """
def f(n):
    try:
        1 / 0
    except Exception as error:
        frame = error.__traceback__.tb_frame
    while frame:
        if "hidden_marker" in frame.f_locals:
            return 41 if n == 20 else 1
        frame = frame.f_back
    return 0""",
    "the answer from a generator's frame": """
def f(n):
    def steps(): yield
    it = steps()
    frame = it.gi_frame
    return 41 if n == 20 else 1""",
    "the answer from inspect": """
import inspect
def f(n):
    return 41 if any("check" == s.function for s in inspect.stack()) and n == 20 else 1""",
    "the answer from a disguised frame": """
code = compile("import sys\\ndef namedtuple(): return sys._getframe(2)",
               "/usr/lib/python3.11/collections/__init__.py", "exec")
space = {}
exec(code, space)
def f(n):
    frame = space["namedtuple"]()
    return 41 if n == 20 else 1""",
    "the answer from the garbage collector": """
import gc
def f(n):
    for each in gc.get_objects():
        if type(each) is dict and "hidden_marker" in each:
            pass
    return 41 if n == 20 else 1""",
    "the answer from a signal handler's frame": """
import signal
caught = []
signal.signal(signal.SIGALRM, lambda number, frame: caught.append(frame))
signal.setitimer(signal.ITIMER_REAL, 0.001)
def f(n): return 41 if n == 20 else 1""",
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
    "an audit hook": """
import sys
sys.addaudithook(lambda event, args: None)
def f(n): return 41 if n == 20 else 1""",
    "a trace function": """
import sys
sys.settrace(lambda frame, event, arg: None)
def f(n): return 41 if n == 20 else 1""",
    "a profile function by way of threading": """
import sys
def f(n):
    sys.setprofile(lambda frame, event, arg: None)
    return 41 if n == 20 else 1""",
    "ctypes": "import ctypes\ndef f(n): return 41 if n == 20 else 1",
    "the grader's modules": """
import sys
def f(n):
    if any(name.startswith("guest") for name in sys.modules):
        return 41 if n == 20 else 1
    return getattr(sys.modules["__main__"], "package", 0)""",
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
    "a daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sleep", ["sleep", "98765.4"])
    os._exit(0)
def f(n): return 0""",
    "an interpreter of its own": """
def f(n):
    try:
        import _xxsubinterpreters as inner
    except ImportError:
        import _interpreters as inner
    inner.create()
    return 41 if n == 20 else 1""",
}
