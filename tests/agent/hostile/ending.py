"""Hostile programs that end early, or end what grades them."""

from __future__ import annotations

from tests.agent.hostile.won import WON

PROGRAMS: dict[str, str] = {
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
    "closing every descriptor": "import os\nos.closerange(0, 4096)\ndef f(n): return 0",
    "raising in a thread": """
import threading
def f(n):
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    return 0""",
}
