"""Print the statistics table of a SWE-Bench-CL or SWE-bench Verified file and check it."""

from __future__ import annotations

import argparse
from pathlib import Path

from stages.records import plain_errors
from stages.suites.swe_bench_cl.load import read_sequences
from stages.suites.swe_bench_cl.params import SweBenchError
from stages.suites.swe_bench_cl.statistics import differences, table


def main(arguments: list[str] | None = None) -> None:
    """Exit status 1 when a cell isn't as published."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.suites.swe_bench_cl", description=__doc__
    )
    parser.add_argument("file", type=Path, help="published JSON, or rows of SWE-bench Verified")
    file = parser.parse_args(arguments).file
    with plain_errors():
        sequences = read_sequences(file)
        print(table(sequences))
        found = differences(sequences)
        if found:
            raise SweBenchError(
                f"{file}: {len(found)} cells aren't as published: {'; '.join(found)}. Fetch the "
                "complete file again; the tasks of another list are another benchmark."
            )
        print("\nEvery count is as published.")


if __name__ == "__main__":
    main()
