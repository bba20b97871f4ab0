"""Hostile programs without measure: processes, memory, time, output, disk."""

from __future__ import annotations

from tests.agent.hostile.won import WON

PROGRAMS: dict[str, str] = {
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
    "a daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sleep", ["sleep", "98765.4"])
    os._exit(0)
def f(n): return 0""",
}
