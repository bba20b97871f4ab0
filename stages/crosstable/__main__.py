"""Write CROSSTABLE.md: what the report registers beside where it stands here."""

from __future__ import annotations

import sys
from pathlib import Path

from stages.crosstable.pointers import Places
from stages.crosstable.table import markdown, problems, read_items
from stages.records import plain_errors, write_atomic

FILE = Path("CROSSTABLE.md")


def main() -> None:
    """Write the table; exit with 1 and one line each if something points at nothing."""
    with plain_errors():
        items, places = read_items(), Places()
        write_atomic(FILE, markdown(items, places))
        found = problems(items, places)
    print(f"{FILE}: {len(items)} items, {len(found)} of them or their pointers missing")
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
