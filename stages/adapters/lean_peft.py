"""peft, imported without bitsandbytes: import it from here, and only from here.

Wherever bitsandbytes is installed peft imports it, for the sake of bases that are quantised: that
takes two seconds, since torch's compiler is loaded with it, and prints a warning about kernels. So
it is hidden while peft is imported; who loads a quantised base calls ``allow_bitsandbytes`` first.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NAME = "bitsandbytes"


@contextmanager
def _hidden() -> Iterator[None]:
    """Python takes a module for missing whose entry is None."""
    if NAME in sys.modules:
        yield
        return
    sys.modules[NAME] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[NAME]


with _hidden():
    import peft
    from peft import import_utils

    import_utils.is_bnb_available()  # the answer is kept, so that attaching doesn't ask again
    import_utils.is_bnb_4bit_available()


def allow_bitsandbytes() -> None:
    """Have peft use bitsandbytes from now on, as a quantised base's layers need it."""
    import_utils.is_bnb_available.cache_clear()
    import_utils.is_bnb_4bit_available.cache_clear()
    setattr(importlib.import_module("peft.helpers"), "bnb", importlib.import_module(NAME))  # noqa: B010


__all__ = ["allow_bitsandbytes", "peft"]
