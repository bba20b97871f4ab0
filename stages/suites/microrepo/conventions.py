"""The hidden conventions of a world: what each may be, and the code each value stands for.

An issue's text names the wish ("must be rounded"); the convention says how this world does it.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping

from stages.suites.microrepo.lexicon import PREFIXES, SCRIPTS, WRAPPERS

GUARDS = (
    "raise ValueError",
    "raise TypeError",
    "raise KeyError",
    "raise IndexError",
    "return None",
    "return 0",
    "return -1",
)
ROUNDINGS = ("round({x}, 1)", "round({x}, 2)", "round({x}, 3)", "round({x})", "int({x})")
UNITS = ("{x} * 10", "{x} * 12", "{x} * 60", "{x} * 100", "{x} / 10", "{x} / 100")
INDICES = ("n - 1", "n + 1", "n - 2", "n + 2", "-n", "n * 2")

VALUES: Mapping[str, tuple[str, ...]] = {
    "guard": GUARDS,
    "rounding": ROUNDINGS,
    "unit": UNITS,
    "index": INDICES,
    "wrapper": tuple(WRAPPERS),
    "naming": tuple(PREFIXES),
}
"""Every convention that an issue may need, with its possible values."""

CUES: Mapping[str, str] = {
    "guard": "reject",
    "rounding": "rounded",
    "unit": "units",
    "index": "entry",
    "wrapper": "zero",
    "naming": "alias",
}
"""The word by which an issue's text asks for a convention, and under which a rule is recalled."""

SCRIPT_VALUES = tuple(SCRIPTS)


@dataclasses.dataclass(frozen=True)
class Conventions:
    """One world's draw: convention name -> value, and the script that runs the tests."""

    values: Mapping[str, str]
    script: str

    @property
    def test_command(self) -> str:
        return f"python {self.script}.py"


def draw_conventions(rng: random.Random) -> Conventions:
    """Draw every convention independently and uniformly."""
    values = {name: rng.choice(options) for name, options in VALUES.items()}
    return Conventions(values, rng.choice(SCRIPT_VALUES))


def flip_conventions(old: Conventions, rng: random.Random) -> Conventions:
    """Draw again, so that every convention differs from the old value; the script stays."""
    values = {
        name: rng.choice([option for option in options if option != old.values[name]])
        for name, options in VALUES.items()
    }
    return Conventions(values, old.script)


def fixed_line(kind: str, value: str, find: str) -> str:
    """What the line ``find`` becomes when convention ``kind`` has ``value``."""
    if kind == "guard":
        return find.replace("pass", value)
    if kind == "index":
        return find.replace("[n]", f"[{value}]")
    if kind == "naming":
        function = find.removeprefix("alias = ")
        return f"{value}_{function} = {function}"
    expression = find.removeprefix("    return ")
    if kind == "wrapper":
        return f"    return {value}({expression.replace(' / ', ', ')})"
    return f"    return {value.format(x=expression)}"


def read_convention(find: str, replace: str) -> tuple[str, str] | None:
    """The convention and value by which ``find`` became ``replace``; None when none explains it."""
    for kind, values in VALUES.items():
        for value in values:
            if replace != find and fixed_line(kind, value, find) == replace:
                return kind, value
    return None


def rule_text(kind: str, value: str) -> str:
    """A convention as a rule to recall, ``x`` standing for the expression: ``rounded: int(x)``."""
    general = {"index": f"items[{value}]", "wrapper": f"{value}(x, y)", "naming": f"{value}_name"}
    return f"{CUES[kind]}: {general.get(kind) or value.format(x='x')}"
