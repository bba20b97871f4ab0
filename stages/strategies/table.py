"""From a strategy's name to its class: the file of that name, in this folder.

A strategy is one file that holds one class named like it (``partial_replay.py``: PartialReplay)
and one entry in params.yaml whose keys are the class's fields. Only files that lie here can be
named; code that the stages count is asked for as the room ``strategies.<name>``.
"""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def class_name(name: str) -> str:
    """``partial_replay`` -> ``PartialReplay``."""
    return "".join(part.capitalize() for part in name.split("_"))


def strategy_names() -> list[str]:
    """The strategies that lie in this folder: files with such a class that can absorb."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
    return sorted(
        name
        for name, text in texts.items()
        if f"\nclass {class_name(name)}:" in text and "\n    def absorb(" in text
    )


def strategy_class(name: str) -> type[Any]:
    """The strategy's frozen dataclass; ValueError names the nearest one there is."""
    names = strategy_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names)}."
        raise ValueError(
            f"{name!r} is no strategy: stages/strategies holds no file {name}.py with a class "
            f"{class_name(name)}. {hint}"
        )
    module = importlib.import_module(f"stages.strategies.{name}")
    return getattr(module, class_name(name))
