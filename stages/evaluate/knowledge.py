"""The knowledge layer: retrieval over the same sessions that the adapter is trained on."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.records import Task, Trajectory, canonical_json, sha256_text
from stages.suites.suite import Suite


@dataclasses.dataclass(frozen=True)
class Index:
    """Notes of past sessions; ``source_sha256`` names the session set."""

    owners: tuple[str, ...]
    notes: tuple[str, ...]
    source_sha256: str

    @functools.cached_property
    def tfidf(self) -> tuple[Any, Any]:
        """The vectorizer and the notes' vectors, made when a note is first looked for."""
        # More than a second to import, which most experiments' conditions don't need.
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(token_pattern=r"\w+")
        return vectorizer, vectorizer.fit_transform(self.notes)


def build_index(suite: Suite, sessions: Sequence[tuple[Task, Sequence[Trajectory]]]) -> Index:
    """One note per task, from its first attempt; the hash covers every attempt (as synthesis)."""
    notes = [suite.note(task, attempts[0]) for task, attempts in sessions]
    ids = sorted(t.trajectory_id for _, attempts in sessions for t in attempts)
    owners = tuple(task.instance_id for task, _ in sessions)
    return Index(owners, tuple(notes), sha256_text(canonical_json(ids)))


def retrieve(index: Index, task: Task, top_k: int) -> list[str]:
    """The ``top_k`` notes most similar to the issue (cosine), never the task's own; best last.

    Ties go to the later session, so the order is the same on every machine.
    """
    vectorizer, vectors = index.tfidf
    query = vectorizer.transform([task.problem_statement])
    scores = np.asarray((vectors @ query.T).todense()).ravel()
    ranked = sorted(range(len(scores)), key=lambda i: (round(float(scores[i]), 9), i))
    usable = [i for i in ranked if index.owners[i] != task.instance_id]
    return [index.notes[i] for i in usable[max(0, len(usable) - top_k) :]]
