"""Show what was found: one experiment on the screen, or all verdicts and checks merged."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from stages.records import plain_errors, write_atomic
from stages.report.card import card
from stages.report.html import page
from stages.report.merge import merge, verdict_table
from stages.report.read import read_measured
from stages.report.terminal import evidence, markdown, screen

CARD = Path("models/README.md")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.report", description=__doc__)
    parser.add_argument("experiment", nargs="?", help="its name in params.yaml")
    parser.add_argument("--all", action="store_true", help="merge and show all experiments")
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    parser.add_argument("--html", action="store_true", help="write plots/report/<experiment>.html")
    parser.add_argument(
        "--diagnosis", action="store_true", help="every node of the diagnosis with its evidence"
    )
    parser.add_argument(
        "--card", metavar="GUARDED", help="write models/README.md; GUARDED measured the guard"
    )
    asked = parser.parse_args(arguments)
    if bool(asked.experiment) == asked.all:
        parser.error("name one experiment, for instance p1, or give --all")
    with plain_errors():
        if asked.all:
            print(verdict_table(merge()))
        elif asked.card:
            measured = read_measured(asked.experiment), read_measured(asked.card)
            write_atomic(CARD, card(*measured))
            print(f"{CARD} written")
        elif asked.html:
            path = Path("plots/report") / f"{asked.experiment}.html"
            write_atomic(path, page(read_measured(asked.experiment)))
            print(f"{path} written")
        elif asked.diagnosis:
            print(evidence(read_measured(asked.experiment)))
        elif asked.markdown:
            print(markdown(read_measured(asked.experiment)))
        else:
            colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
            print(screen(read_measured(asked.experiment), colour))


if __name__ == "__main__":
    main()
