"""The agent's tools: what a parsed action does to a workspace, and what the agent is told.

Observations are terse and exact: a small model is trained on these very strings.
"""

from __future__ import annotations

import ast
import dataclasses
import os
import stat
import warnings
from pathlib import Path
from typing import Protocol

from stages.agent import edits
from stages.agent.actions import Action
from stages.agent.workspace import read_text, resolve_inside, to_bytes, walk

MAX_HITS = 10


class CommandResult(Protocol):
    """What a finished command tells: exit code, output (standard output and error), timeout."""

    @property
    def exit_code(self) -> int: ...
    @property
    def output(self) -> str: ...
    @property
    def timed_out(self) -> bool: ...


class CommandRunner(Protocol):
    """The sandbox as the tools see it."""

    def run_command(self, command: str, workspace: Path) -> CommandResult: ...


@dataclasses.dataclass(frozen=True)
class ToolOptions:
    """What the tools may be tuned in (x4 switches the first two one by one)."""

    fuzzy_ratio: float = 0.9
    """Similarity, 0–1, from which a fuzzy match counts; 0 switches fuzzy matching off."""
    strip_fences: bool = True
    """Whether Markdown code fences around an edit's texts are taken off."""
    max_open_chars: int = 20_000
    """Longest text ``open`` shows, characters."""
    max_output_chars: int = 4_000
    """Longest output of a command that is shown, characters."""


@dataclasses.dataclass(frozen=True)
class Observation:
    """What the agent is told; whether the action did what was asked; whether it changed a file."""

    text: str
    ok: bool
    wrote: bool = False
    unparsed: bool = False
    """A Python file was written that doesn't parse (check 26 counts these)."""
    saved_seconds: float = 0.0
    """What a remembered result took when it was run: counts as if it had run again."""


def needs_sandbox(action: Action) -> bool:
    """Whether the action runs model-written code, so takes long and belongs to the sandbox."""
    return action.tool in ("test", "bash")


def execute(
    action: Action, workspace: Path, runner: CommandRunner, options: ToolOptions
) -> Observation:
    """Do ``action`` in ``workspace``; whatever the agent did wrong is told, never raised."""
    if action.tool == "open":
        return open_file(action.argument, workspace, options)
    if action.tool == "search":
        return search(action.argument, workspace)
    if action.tool == "edit":
        return edit_file(action, workspace, options)
    if action.tool == "submit":
        return Observation("", ok=True)
    return run(action, workspace, runner, options)


def open_file(argument: str, workspace: Path, options: ToolOptions) -> Observation:
    """Show a file, or the lines ``first last`` of it, as it stands but for its last line feed."""
    name, first, last = _file_and_range(argument, workspace)
    path, refusal = _regular_file(name, workspace)
    if path is None:
        return refusal
    text = read_text(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if first is not None:
        lines = text.split("\n")
        if lines and not lines[-1]:
            lines.pop()
        if not 1 <= first <= len(lines) or (last is not None and last < first):
            return Observation(f"{name} has {len(lines)} lines", ok=False)
        text = "\n".join(lines[first - 1 : last])
    text = text.removesuffix("\n")
    return Observation(_cut(text, options.max_open_chars), ok=True)


def search(word: str, workspace: Path) -> Observation:
    """Lines of Python files that define ``word``; where none does, lines that contain it."""
    definitions: list[str] = []
    occurrences: list[str] = []
    root = str(workspace)
    for name, info in walk(workspace):
        if not name.endswith(".py") or not stat.S_ISREG(info.st_mode):
            continue
        text = read_text(f"{root}/{name}")
        if word not in text:
            continue
        for number, line in enumerate(text.split("\n"), start=1):
            if word in line:
                hit = f"found: {name} line {number}"
                occurrences.append(hit)
                if f"def {word}(" in line:
                    definitions.append(hit)
    hits = definitions or occurrences
    return Observation("\n".join(hits[:MAX_HITS]) or "not found", ok=bool(hits))


def edit_file(action: Action, workspace: Path, options: ToolOptions) -> Observation:
    """Replace the only match of the action's text; say so when the file no longer parses."""
    path, refusal = _regular_file(action.argument, workspace)
    if path is None:
        return refusal
    find, replace = action.find, action.replace
    if options.strip_fences:
        find, replace = edits.strip_fence(find), edits.strip_fence(replace)
    try:
        text = edits.replace_once(read_text(path), find, replace, options.fuzzy_ratio)
    except edits.MatchError as error:
        return Observation(str(error), ok=False)
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(to_bytes(text))
    broken = _syntax_error_line(text) if path.endswith(".py") else None
    if broken is None:
        return Observation("edited", ok=True, wrote=True)
    told = f"edited but the file no longer parses: line {broken}"
    return Observation(told, ok=True, wrote=True, unparsed=True)


def run(
    action: Action, workspace: Path, runner: CommandRunner, options: ToolOptions
) -> Observation:
    """Run a command in the sandbox and show what it printed."""
    result = runner.run_command(action.argument, workspace)
    told = _cut_middle(result.output.rstrip(), options.max_output_chars)
    notes = [told] if told else []
    if result.timed_out:
        notes.append("timed out")
    elif not told or (action.tool == "bash" and result.exit_code != 0):
        notes.append(f"exit code {result.exit_code}")
    ok = result.exit_code == 0 and not result.timed_out
    return Observation("\n".join(notes), ok, saved_seconds=getattr(result, "saved_seconds", 0.0))


def _file_and_range(argument: str, workspace: Path) -> tuple[str, int | None, int | None]:
    """Split ``name``, ``name first`` or ``name first last``; a file of that very name wins."""
    words = argument.split()
    if len(words) == 1 or os.path.lexists(workspace / argument):
        return argument, None, None
    numbers: list[int] = []
    while len(words) > 1 and len(numbers) < 2 and words[-1].isdecimal():
        numbers.insert(0, int(words.pop()))
    if not numbers:
        return argument, None, None
    return " ".join(words), numbers[0], numbers[1] if len(numbers) > 1 else None


def _regular_file(name: str, workspace: Path) -> tuple[str | None, Observation]:
    """The real path of a regular file inside the workspace; None and what to tell otherwise."""
    path = resolve_inside(workspace, name)
    if path is None:
        return None, Observation(f"not allowed: {name}", ok=False)
    if not os.path.isfile(path):  # noqa: PTH113 (a hot path)
        return None, Observation(f"no file {name}", ok=False)
    return path, Observation("", ok=True)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    kept = text[: text.rfind("\n", 0, limit) + 1] or text[:limit]
    rest = text[len(kept) :]
    return f"{kept}[cut: {rest.count(chr(10)) + (not rest.endswith(chr(10)))} more lines]"


def _cut_middle(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[cut: {len(text) - 2 * half} characters]\n{text[-half:]}"


def _syntax_error_line(text: str) -> int | None:
    """Line at which Python source stops parsing, or None when it parses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except SyntaxError as error:
            return error.lineno or 1
        except (ValueError, RecursionError, MemoryError):
            return 1
    return None
