"""Programs and commands in the fork: `python X.py` here and now, anything else through /bin/sh."""

from __future__ import annotations

import atexit
import os
import shlex
import sys
import threading
import traceback
import types
from typing import Any

from . import confine

SHELL_CHARACTERS = frozenset("|&;<>()$`\\*?[]{}~!#\n=")
ENVIRONMENT = {
    "PATH": "/sandbox/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": confine.SCRATCH,
    "TMPDIR": confine.SCRATCH,
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # the same program prints its sets in the same order every time
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "1",  # an arena per thread would eat the address space limit
}


def worker_modules() -> list[str]:
    """Names of the worker's own modules and of those that only it needs."""
    package = __name__.rpartition(".")[0]
    return [n for n in sys.modules if n.partition(".")[0] in (package, "ctypes", "_ctypes")]


def forget(own: list[str], preloaded: frozenset[str], has_workspace: bool) -> None:
    """Take the worker's own modules, and preloaded ones that the workspace shadows, away."""
    modules = sys.modules
    for name in own:
        del modules[name]
    if has_workspace:
        for entry in os.listdir():  # noqa: PTH208
            name = entry.removesuffix(".py")
            if name in preloaded:
                modules.pop(name, None)


def run(request: dict[str, Any]) -> None:
    """Run the request; ends the process, never returns."""
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    if request["kind"] == "program":
        _python(request["source"], "program.py", ["program.py"])
    words = script_words(request["command"])
    if words is None:
        os.execv("/bin/sh", ["sh", "-c", request["command"]])
    path = words[0]
    try:
        with open(path, "rb") as handle:  # noqa: PTH123
            source = handle.read()
    except OSError:
        os.write(2, f"no file {path}\n".encode())
        os._exit(2)
    _python(source, os.path.abspath(path), words)  # noqa: PTH100


def script_words(command: str) -> list[str] | None:
    """The words after `python` when the command is `python X.py args…` and no shell is needed."""
    if SHELL_CHARACTERS & set(command):
        return None
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if len(words) < 2 or words[0] not in ("python", "python3") or not words[1].endswith(".py"):
        return None
    return None if words[1].startswith("-") else words[1:]


def _python(source: str | bytes, path: str, argv: list[str]) -> None:
    """What the interpreter does with a script, up to and including its exit."""
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    sys.argv = argv
    sys.path.insert(0, os.path.dirname(path) or os.getcwd())  # noqa: PTH109, PTH120
    code = 0
    try:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    except SystemExit as leave:
        code = _exit_code(leave.code)
    except BaseException as error:
        _print_error(error)
        code = 1
    # As Py_FinalizeEx does.
    for step in (getattr(threading, "_shutdown"), atexit._run_exitfuncs):  # noqa: B009
        try:
            step()
        except BaseException as error:
            _print_error(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            code = code or 120
    os._exit(code & 0xFF)


def _exit_code(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    sys.stdout.flush()
    print(value, file=sys.stderr)
    return 1


def _print_error(error: BaseException) -> None:
    """The traceback as the interpreter prints it: without the worker's own frame."""
    inner = error.__traceback__ and error.__traceback__.tb_next
    try:
        sys.stdout.flush()
        traceback.print_exception(type(error), error, inner)
    except BaseException:
        os.write(2, b"an exception whose traceback could not be printed\n")
