"""Inputs of problems, and the split that a function's values on fixed inputs decide."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from random import Random
from typing import Any

from stages.suites.procedural.problem import SPLITS

N_PROBES, N_TEXT_PROBES = 14, 28  # strings vary in more ways than the rest
MIN_DISTINCT = 5
_PARTNERS = str.maketrans("([{", ")]}")
_SHARES = {"train": 0.70, "val": 0.15, "test": 0.15}


def draw_input(domain: str, rng: Random) -> tuple[Any, ...]:
    """Arguments of one call: numbers 0 to 999, lists of numbers 0 to 20, or brackets."""
    if domain == "triple":
        return tuple(int(rng.random() * 21) for _ in range(3))
    if domain == "index":
        return (int(rng.random() * 20),)
    if domain == "number":
        return (int(rng.random() ** 2 * 1000),)
    if domain == "pair":
        shared = 1 + int(rng.random() * 12)
        return tuple(shared * (1 + int(rng.random() * 12)) for _ in range(2))
    if domain == "list":
        size, top = int(rng.random() * 12), rng.choice((6, 12, 21, 21))
        return ([int(rng.random() * top) for _ in range(size)],)
    opening = rng.choice(("(", "[", "{", "([", "({", "[{", "([{"))
    closing = opening.translate(_PARTNERS)
    lean, size = rng.choice((0.25, 0.5, 0.75)), int(rng.random() * 24)
    return ("".join(rng.choice(opening if rng.random() < lean else closing) for _ in range(size)),)


@lru_cache
def probes(domain: str) -> tuple[tuple[Any, ...], ...]:
    """The fixed inputs on which functions of this domain are told apart."""
    rng = Random(f"probes of {domain}")
    found: list[tuple[Any, ...]] = []
    while len(found) < (N_TEXT_PROBES if domain == "text" else N_PROBES):
        args = draw_input(domain, rng)
        if args not in found:
            found.append(args)
    return tuple(found)


def signature(draft: Any, domain: str) -> tuple[Any, ...]:
    """The draft's values on the probes."""
    return tuple([draft.run(args) for args in probes(domain)])


def digest(values: object) -> str:
    """Twelve hexadecimal digits naming the function with these values.

    Neither wording nor kind enters, so ``a b +`` and ``a plus b`` have the same digest.
    """
    return hashlib.blake2b(repr(values).encode(), digest_size=6).hexdigest()


def split_of_digest(name: str) -> str:
    """The split a function belongs to: 70 % train, 15 % val, 15 % test, by its digest."""
    point = int(name, 16) / 16 ** len(name)
    for split in SPLITS:
        point -= _SHARES[split]
        if point < 0:
            return split
    return SPLITS[-1]
