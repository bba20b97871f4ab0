"""A block of parameters as plain values, for hashes that outlive the schema's growth."""

from __future__ import annotations

import dataclasses
from typing import Any

LATER = {"later": True}
"""Metadata of a field that joined a block after experiments had been registered with it."""


PLACE = {"place": True}
"""Metadata of a field that registrations leave out."""


def later(default: Any) -> Any:
    """A field that hashes leave out while it has its default, which is how things were before it.

    So an experiment that was registered, or a cell that was made, before the field existed keeps
    its hash; any other value gives a new one.
    """
    return dataclasses.field(default=default, metadata=LATER)


def place() -> Any:
    """A field that says where something lies on this machine, or how many things run at once.

    Registrations leave it out: whoever runs a registered experiment has folders of their own.
    """
    return dataclasses.field(metadata=PLACE)


def values_of(block: Any, places: bool = True) -> Any:
    """A block and the blocks in it as dicts, lists and scalars, for hashing (see ``later``).

    ``places``: whether fields that say where things lie count (see ``place``).
    """
    if dataclasses.is_dataclass(block) and not isinstance(block, type):
        return {
            field.name: values_of(getattr(block, field.name), places)
            for field in dataclasses.fields(block)
            if not (field.metadata.get("later") and getattr(block, field.name) == field.default)
            and (places or not field.metadata.get("place"))
        }
    if isinstance(block, dict):
        return {name: values_of(value, places) for name, value in block.items()}
    if isinstance(block, list | tuple):
        return [values_of(value, places) for value in block]
    return block
