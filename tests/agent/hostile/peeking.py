"""Hostile programs that look for the answer in the grader: frames, hooks, modules."""

from __future__ import annotations

PROGRAMS: dict[str, str] = {
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
    "an interpreter of its own": """
def f(n):
    try:
        import _xxsubinterpreters as inner
    except ImportError:
        import _interpreters as inner
    inner.create()
    return 41 if n == 20 else 1""",
}
