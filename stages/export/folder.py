"""An output folder that is either whole or not there, and Markdown tables for its card."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tabulate import tabulate

from stages.records import UserError

LICENCE = "# license: yours to choose before this is published; the sources' licences bind it"
"""Line of a card's front matter. A licence isn't guessed."""


class ExportError(UserError):
    """Something can't be exported; the message names file, field and remedy."""


@contextlib.contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its name once it is complete.

    Raises ExportError where ``folder`` holds something already, or can't be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder}: exists already. Name a new folder, or remove that one.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise ExportError(f"{folder}: can't be written ({error.strerror}). Name another.") from None
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(folder)
    except OSError as error:
        raise ExportError(f"{folder}: can't be written ({error.strerror}). Free space.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def front_matter(lines: Sequence[str]) -> str:
    """The YAML block at the head of a card."""
    return "\n".join(("---", LICENCE, *lines, "---", ""))


def table(rows: Sequence[Sequence[str]], names: Sequence[str]) -> str:
    return tabulate(rows, names, tablefmt="github", disable_numparse=True)
