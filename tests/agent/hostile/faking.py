"""Hostile programs that fake a pass: on the wire, by replaced functions, by equality."""

from __future__ import annotations

PROGRAMS: dict[str, str] = {
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
}
