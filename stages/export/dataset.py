"""Synthesized examples as a data set folder in trl's conversational formats.

Source of the formats: trl 1.16, "Dataset formats and types": ``prompt``/``completion`` (the loss
covers the completion alone), ``messages`` (language modelling), ``prompt``/``chosen``/``rejected``
(preference). Each is a configuration of its own, since their columns differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.export.folder import ExportError, front_matter, table, whole
from stages.records import Example, read_json, read_jsonl, sha256_file, write_atomic, write_jsonl

KINDS = {
    "prompt_completion": "SFTTrainer; the loss covers the completion",
    "messages": "SFTTrainer; set assistant_only_loss=True, for the loss covers every assistant "
    "turn (the chat template needs `{% generation %}`; without it trl trains on the whole text)",
    "preference": "DPOTrainer",
}
"""Configuration -> which trainer takes it."""
FORMATS = {
    "A": "question and answer",
    "B": "chain of thought",
    "C": "preference pairs",
    "D": "reflexion",
    "E": "contextual memory",
    "T": "the agent's own actions",
}


def export_dataset(files: Sequence[Path], folder: Path) -> Counter[str]:
    """Write the examples of ``files`` to a new ``folder``; rows by configuration.

    Copies (training goes through some examples several times, at equal tokens) are written once.
    RecordError names a file and line that can't be read; ExportError a folder that can't be
    written. Either the folder is complete, or it isn't there.
    """
    sources = {path: read_jsonl(path, Example) for path in files}
    unique = {e.example_id: e for examples in sources.values() for e in examples}
    if not unique:
        raise ExportError(f"{', '.join(map(str, files))}: no example in it. Name other files.")
    rows: dict[str, list[dict[str, Any]]] = {}
    for example in unique.values():
        rows.setdefault(kind_of(example), []).append(row_of(example))
    with whole(folder) as place:
        for kind, found in rows.items():
            write_jsonl(place / f"{kind}.jsonl", found)
        write_atomic(place / "README.md", card(sources, list(unique.values()), rows))
    return Counter({kind: len(found) for kind, found in rows.items()})


def kind_of(example: Example) -> str:
    """The configuration that an example belongs to."""
    if example.rejected:
        return "preference"
    return "messages" if example.train_on == "assistant" else "prompt_completion"


def row_of(example: Example) -> dict[str, Any]:
    """An example in trl's columns, with where it comes from beside them."""
    prompt, kind = list(example.prompt), kind_of(example)
    if kind == "preference":
        row: dict[str, Any] = {
            "prompt": prompt,
            "chosen": [_said(example.completion)],
            "rejected": [_said(example.rejected)],
        }
    elif kind == "messages":
        row = {"messages": [*prompt, _said(example.completion)]}
    else:
        row = {"prompt": prompt, "completion": [_said(example.completion)]}
    provenance = ("example_id", "format", "skill", "instance_id", "trajectory_id", "step")
    return row | {name: getattr(example, name) for name in provenance}


def _said(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def card(
    sources: Mapping[Path, Sequence[Example]],
    examples: Sequence[Example],
    rows: Mapping[str, Sequence[Any]],
) -> str:
    """The data set's README.md."""
    configs = [
        f"- config_name: {kind}\n  data_files: {kind}.jsonl" + "\n  default: true" * (at == 0)
        for at, kind in enumerate(k for k in KINDS if k in rows)
    ]
    kinds = [[k, str(len(rows[k])), use] for k, use in KINDS.items() if k in rows]
    parts = [
        front_matter(["tags:", "- carryover", "- trl", "configs:", *configs])
        + "# Training examples from an agent's own sessions",
        "Written by Carryover's synthesize stage from finished sessions; every row names the "
        "session (`trajectory_id`, `instance_id`, `step`) it was made from.",
        table(kinds, ["configuration", "rows", "for"]),
        "## Formats",
        table(_formats(examples), ["format", "what", "rows", "tasks", "sessions"]),
        "## Where it comes from",
        table(_sources(sources), ["file", "examples", "sha256", "sessions' sha256"]),
        "## Use",
        "```python\nfrom datasets import load_dataset\n\n"
        f'data = load_dataset("json", data_files="{next(iter(rows))}.jsonl", split="train")\n```',
        "The examples quote issues and code of the repository they were learned on: its licence "
        "binds what may be done with them. Choose one in the front matter before publishing.",
    ]
    return "\n\n".join(parts) + "\n"


def _formats(examples: Sequence[Example]) -> list[list[str]]:
    rows = []
    for name in sorted({example.format for example in examples}):
        own = [example for example in examples if example.format == name]
        counts = (len(own), len({e.instance_id for e in own}), len({e.trajectory_id for e in own}))
        rows.append([name, FORMATS.get(name, "–"), *map(str, counts)])
    return rows


def _sources(sources: Mapping[Path, Sequence[Example]]) -> list[list[str]]:
    rows = []
    for path, examples in sources.items():
        manifest = path.parent / "manifest.json"
        source = read_json(manifest).get("source_sha256", "–") if manifest.exists() else "–"
        name = "/".join(path.parts[-3:])
        rows.append([name, str(len(examples)), sha256_file(path)[:16], source[:16]])
    return rows
