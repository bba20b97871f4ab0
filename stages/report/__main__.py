"""Show what was found: one experiment on the screen, or all verdicts in one table."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from pathlib import Path

from stages.records import plain_errors, write_atomic
from stages.report.card import card
from stages.report.html import page
from stages.report.log import FILE, add_rows
from stages.report.merge import all_verdicts, merge, verdict_table
from stages.report.read import read_measured
from stages.report.terminal import evidence, markdown, screen
from stages.report.timed import timed_repro
from stages.report.times import times_table

CARD = Path("models/README.md")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.report", description=__doc__)
    parser.add_argument(
        "experiment",
        nargs="?",
        help="its name in params.yaml; none shows every verdict, and the seconds of every stage",
    )
    parser.add_argument("--all", action="store_true", help="merge all into metrics/*.json")
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    parser.add_argument("--html", action="store_true", help="write plots/report/<experiment>.html")
    parser.add_argument(
        "--diagnosis", action="store_true", help="every node of the diagnosis with its evidence"
    )
    parser.add_argument(
        "--card", metavar="GUARDED", help="write models/README.md; GUARDED measured the guard"
    )
    parser.add_argument(
        "--timed",
        nargs="*",
        metavar="STAGE",
        help="run `dvc repro [STAGE ...]`, writing each stage's seconds to timings/stages.json",
    )
    parser.add_argument(
        "--experiments", action="store_true", help="add a row to EXPERIMENTS.md for each new result"
    )
    parser.add_argument("--date", help="day of those rows, such as 2026-11-21; today if left out")
    asked = parser.parse_args(arguments)
    if asked.experiment and (asked.all or asked.timed is not None):
        parser.error("--all and --timed are of all experiments: leave the name out")
    if asked.timed is not None and (status := timed_repro(asked.timed)):
        sys.exit(status)
    with plain_errors():
        if asked.all:
            print(verdict_table(merge()))
        elif asked.experiments:
            judged = [name for name, rows in all_verdicts().items() if rows]
            names = [asked.experiment] if asked.experiment else judged
            date = asked.date or datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
            added = add_rows([read_measured(name) for name in names], date)
            print(f"{FILE}: {added} rows added, {len(names) - added} told already")
        elif not asked.experiment:
            print(verdict_table(all_verdicts()), times_table(), sep="\n\n")
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
