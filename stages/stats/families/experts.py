"""Estimands of experts (e03): retention by category, and the router on sessions it hasn't seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from stages.stats.clusters import clustered_difference, clustered_proportion
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import Results
from stages.stats.stream_cells import Found, as_cells, drops, paired, retained
from stages.stats.stream_states import router_right
from stages.stats.streams import Retained
from stages.stats.verdict import Estimand, maximum_of

Taxonomy = Mapping[str, Sequence[str]]


def taxonomy(results: Results, arm: str) -> dict[str, tuple[str, ...]]:
    """Category → skills: the arm's own, else the experiment's first, else each skill by itself."""
    plan = results.lab.experiment.stream
    arms = plan.arms if plan else {}
    order = [*([arms[arm]] if arm in arms else []), *arms.values()]
    for params in order:
        if "taxonomy" in params.settings:
            return {name: tuple(held) for name, held in params.settings["taxonomy"].items()}
    skills = {row["skill"] for stream in results.streams.of(arm) for row in stream.retention}
    return {skill: (skill,) for skill in sorted(skills)}


def category_of(categories: Taxonomy, skill: str) -> str | None:
    """Where the value itself stands, else where its first skill does (``guard+naming``: guard)."""
    for one in (skill, skill.split("+")[0]):
        for name, held in categories.items():
            if one in held:
                return name
    return None


def in_category(categories: Taxonomy, name: str, row: Retained) -> bool:
    return category_of(categories, row["skill"]) == name


def category_loss(results: Results, arm: str, reference: str) -> Estimand:
    """Largest over categories of what the reference keeps more of it than the arm."""

    categories = taxonomy(results, arm)

    def lost(name: str) -> Found:
        keep = partial(in_category, categories, name)
        first, second = (retained(results.streams.of(a), None, keep) for a in (reference, arm))
        return paired(first, second)

    return _largest({name: lost(name) for name in categories})


def category_degradation(results: Results, arm: str) -> Estimand:
    """Largest over categories of the arm's own loss since its sessions arrived."""
    streams, categories = results.streams.of(arm), taxonomy(results, arm)

    def lost(name: str) -> Found:
        keep = partial(in_category, categories, name)
        histories = [stream.kept(keep) for stream in streams]
        return drops(streams, histories)

    return _largest({name: lost(name) for name in categories})


def _largest(by_category: Mapping[str, Found]) -> Estimand:
    """Of the categories that have examples in this stream."""
    found = [as_cells(found) for found in by_category.values() if found]
    if not found:
        return lambda alpha: Undefined("no category has an example that both arms were asked for")
    return maximum_of([partial(_difference, cells) for cells in found])


def _difference(cells: object, alpha: float) -> Estimate | Undefined:
    return clustered_difference(cells, alpha, "session")  # type: ignore[arg-type]


def router_accuracy(results: Results, arm: str) -> Estimand:
    """Mean over held-out sessions of the share of their queries sent to their own category."""
    found: Found = {}
    for stream in results.streams.of(arm):
        right = router_right(results.lab, stream)
        if isinstance(right, Undefined):
            return lambda alpha: right
        found |= {((stream.world, name), stream.run): share for name, share in right.items()}
    if not found:
        return lambda alpha: Undefined(f"{arm} held no session out for its router")
    cells = as_cells(found)
    return lambda alpha: clustered_proportion(cells, alpha, "session")
