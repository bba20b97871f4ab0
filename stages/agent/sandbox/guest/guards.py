"""What keeps a graded candidate away from the grader that shares its process.

An audit hook (PEP 578; it can't be removed) ends the process when the program asks for frames,
tracing, the garbage collector's lists, ctypes or sub-interpreters; standard library functions
that need their caller's frame for themselves (namedtuple, logging, traceback) still may.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from _thread import get_ident
from collections.abc import Callable
from typing import Any

TAMPERED = 97
FORBIDDEN = frozenset(
    [
        "sys.addaudithook",
        "sys._current_frames",
        "sys._current_exceptions",
        "sys.settrace",
        "sys.setprofile",
        "sys.monitoring.register_callback",
        "gc.get_objects",
        "gc.get_referrers",
        "gc.get_referents",
        "ctypes.dlopen",
        "ctypes.dlsym",
        "cpython.PyInterpreterState_New",
        "sys.remote_exec",
    ]
)
FRAME_ATTRIBUTES = frozenset(("tb_frame", "gi_frame", "cr_frame", "ag_frame"))
BACK_DOORS = frozenset(
    [
        "_ctypes",
        "_xxsubinterpreters",
        "_interpreters",
        "_testcapi",
        "_testinternalcapi",
        "_xxinterpchannels",
    ]
)
FRAME_NAMES = FRAME_ATTRIBUTES | {"_getframe"}
# These hand frames on to whoever calls them, so their caller must be one of them too.
FRAME_GIVERS = frozenset(("inspect", "traceback", "logging", "asyncio.base_tasks", "types"))
LOOKED_THROUGH = (
    *FRAME_GIVERS,
    "asyncio",
    "collections",
    "contextlib",
    "dataclasses",
    "enum",
    "typing",
    "unittest",
    "warnings",
)
# A class that defines one of these may still be compared honestly: none takes part in comparing.
HARMLESS = frozenset(
    [
        "__module__",
        "__doc__",
        "__init__",
        "__new__",
        "__dict__",
        "__weakref__",
        "__slots__",
        "__qualname__",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__repr__",
        "__str__",
        "__match_args__",
        "__getnewargs__",
        "__orig_bases__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__static_attributes__",
        "__firstlineno__",
        "__hash__",
        "__replace__",
        "__parameters__",
    ]
)
PLAIN = (int, float, str, bool, bytes, complex, type(None), range)
CONTAINERS = (list, tuple, set, frozenset)
DECOYS: tuple[Any, ...] = (
    object(),
    None,
    7919,
    7920,
    7919.5,
    0.5,
    "q\0",
    "x\0",
    b"q\0",
    b"x\0",
    [7919],
    [7920],
    (7919,),
    (7920,),
    {7919: 0},
    {7920: 0},
    {7919},
    {7920},
)
HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: every class that a program can make has it
_flags = type.__dict__["__flags__"].__get__
_mro = type.__dict__["__mro__"].__get__
_class_dict = type.__dict__["__dict__"].__get__


class Tampering(Exception):
    """A value of the candidate that would answer every comparison in its own favour."""


def fingerprint(code: types.CodeType) -> int:
    """What tells one code object from another that would behave otherwise."""
    return hash(
        (code.co_filename, code.co_qualname, code.co_firstlineno, code.co_code, code.co_names)
    )


def frame_users() -> tuple[list[int], list[int]]:
    """Fingerprints of standard functions that look at frames, and of all in FRAME_GIVERS.

    Imports much of the standard library: meant for a process that is thrown away afterwards.
    """
    for name in LOOKED_THROUGH:
        importlib.import_module(name)
    takers: set[int] = set()
    givers: set[int] = set()
    for name, module in list(sys.modules.items()):
        todo: list[Any] = [vars(module)[key] for key in dir(module) if key in vars(module)]
        seen: set[int] = set()
        while todo:
            value = todo.pop()
            foreign = isinstance(value, types.FunctionType | type) and value.__module__ != name
            if id(value) in seen or foreign:
                continue
            seen.add(id(value))
            if isinstance(value, types.CodeType):
                todo.extend(value.co_consts)
                if name in FRAME_GIVERS:
                    givers.add(fingerprint(value))
                elif FRAME_NAMES.intersection(value.co_names):
                    takers.add(fingerprint(value))
            elif isinstance(value, type):
                todo.extend(vars(value).values())
            elif isinstance(value, types.FunctionType):
                todo.append(value.__code__)
            elif isinstance(value, classmethod | staticmethod):
                todo.append(value.__func__)
            elif isinstance(value, property):
                todo.append(value.fget)
    return list(takers), list(givers)


class Guard:
    """What the standard library was before any candidate ran: taken once, in the zygote."""

    def __init__(self, takers: list[int], givers: list[int], names: list[str]) -> None:
        self.takers, self.givers = frozenset(takers), frozenset(givers)
        self.modules = {n: (vars(sys.modules[n]), dict(vars(sys.modules[n]))) for n in names}
        self.builtins = self.modules["builtins"][1]
        """for tests: their own, and copied here because a copy in a fork touches every type"""
        self.types = {id(each) for each in _all_types()}

    def restore(self, test: str) -> None:
        """Undo what a candidate patched in modules named by `test`, and in the builtins these use.

        Only in those: writing to every module would copy every page the fork shares.
        """
        words = {
            word
            for line in test.split("\n")
            if "import" in line
            for word in line.replace(",", " ").replace(";", " ").split()
        }
        for name in ("builtins", *words) if words else ():
            if name in self.modules:
                live, saved = self.modules[name]
                live.update(saved)

    def arm(self) -> None:
        """Install the audit hook in this process, for the rest of its life."""
        sys.addaudithook(self._hook())

    def _hook(self) -> Callable[[str, tuple[Any, ...]], None]:
        takers, givers = self.takers, self.givers
        leave, frame, inside = os._exit, sys._getframe, set()

        def hook(event: str, args: tuple[Any, ...]) -> None:
            if event in FORBIDDEN or (event == "import" and args[0] in BACK_DOORS):
                leave(TAMPERED)
            if event == "sys._getframe" or (
                event == "object.__getattr__" and args[1] in FRAME_ATTRIBUTES
            ):
                me = get_ident()
                if me in inside:
                    return
                inside.add(me)  # asking for the frame below raises this event again
                asker = frame(1)
                behind = asker.f_back
                if fingerprint(asker.f_code) not in takers and (
                    fingerprint(asker.f_code) not in givers
                    or behind is None
                    or fingerprint(behind.f_code) not in givers
                ):
                    leave(TAMPERED)
                inside.discard(me)

        return hook

    def strange(self, value: Any, budget: int = 100_000) -> Any:
        """The first object within `value` whose class, made by the candidate, may compare as it
        likes; None when there is none."""
        todo = [value]
        while todo and budget > 0:
            budget -= 1
            each = todo.pop()
            kind = type(each)
            if kind in PLAIN:
                continue
            if kind in CONTAINERS:
                todo.extend(each)
            elif kind is dict:
                todo.extend(each.keys())
                todo.extend(each.values())
            elif any(self._compares(base) for base in _mro(kind)):
                return each
        return None

    def _compares(self, base: type) -> bool:
        if id(base) in self.types or not _flags(base) & HEAP_TYPE:
            return False
        return any(n[:2] == "__" == n[-2:] and n not in HARMLESS for n in _class_dict(base))

    def plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, refusing to return a value that brings its own comparisons."""

        def guarded(*args: Any, **kwargs: Any) -> Any:
            value = function(*args, **kwargs)
            odd = self.strange(value)
            if odd is not None:
                raise Tampering("the returned value's class defines its own operators")
            return value

        return guarded

    def same(self, left: Any, right: Any) -> Any:
        """`left == right`, unless a side is an object that equals two unlike things at once."""
        for side in (left, right):
            odd = self.strange(side)
            if odd is not None and sum([_equal(odd, decoy) for decoy in DECOYS]) > 1:
                raise Tampering("a compared object claims to equal everything")
        return left == right


def _equal(left: Any, right: Any) -> bool:
    try:
        return bool(left == right)
    except Exception:  # an honest class may not know how to compare itself with anything
        return False


def _all_types() -> list[type]:
    found, todo = [], [object]
    while todo:
        each = todo.pop()
        found.append(each)
        todo.extend(type.__subclasses__(each))
    return found
