"""Run a self-improvement loop: every arm, seed and repeat, from checkpoint to checkpoint."""

from __future__ import annotations

import argparse
import sys

from stages.lab.alone import alone
from stages.lab.context import expected_errors
from stages.lab.loops import open_loop
from stages.self_improve.work import work


def main() -> None:
    """One loop's name on the command line; errors as one paragraph."""
    parser = argparse.ArgumentParser(prog="python -m stages.self_improve", description=__doc__)
    parser.add_argument("loop", help="its name under `loops` in params.yaml")
    name = parser.parse_args().loop
    try:
        loop = open_loop(name)
        with alone("self_improve", name):
            work(loop)
    except expected_errors() as error:
        sys.exit(f"self_improve: {error}")


if __name__ == "__main__":
    main()
