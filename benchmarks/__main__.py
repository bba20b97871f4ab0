"""Run the benchmarks and keep their ratios in benchmarks/results.json."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from benchmarks.compare import machine
from stages.records import read_json, write_json

NAMES = ("episodes", "training", "graded_programs", "noop", "pilot")
RESULTS = Path("benchmarks/results.json")
FIELDS = ("ratio", "lo", "hi", "peer", "command", "machine")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    only = parser.parse_args(arguments).only
    return run((only,) if only else NAMES, RESULTS)


def run(names: tuple[str, ...], path: Path) -> int:
    """Measure one after the other, writing after each; the number of those that failed.

    Results of benchmarks that aren't run now, or that fail, stay as they were.
    """
    failed = 0
    where = machine()
    for name in names:
        print(f"{name} ...", flush=True)
        try:
            rows = importlib.import_module(f"benchmarks.{name}").measure()
        except Exception as error:  # one failure must not lose the others' results
            traceback.print_exc()
            print(f"{name} failed: {error}", file=sys.stderr)
            failed += 1
            continue
        kept = read_json(path) if path.exists() else {}
        kept |= {f"{row['name']} vs {row['peer']}": entry(row, where) for row in rows}
        write_json(path, kept)
        for row in rows:
            print(f"  {line(row)}", flush=True)
    return failed


def entry(row: dict[str, Any], where: str) -> dict[str, Any]:
    """A row as results.json has it: the fixed fields first, then what else it measured."""
    fixed = {key: row.get(key) for key in FIELDS} | {"machine": where}
    extra = {key: value for key, value in row.items() if key not in (*FIELDS, "name")}
    return {key: rounded(value) for key, value in (fixed | extra).items()}


def rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def line(row: dict[str, Any]) -> str:
    ends = "" if row.get("lo") is None else f" [{row['lo']:.2f}, {row['hi']:.2f}]"
    by_stage = f" {json.dumps(row['stages'])}" if "stages" in row else ""
    return f"{row['name']} vs {row['peer']}: {row['ratio']:.2f}{ends}{by_stage}"


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
