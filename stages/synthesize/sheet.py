"""Sheets on which people score pairs, and how far two of them agree.

``python -m stages.synthesize.sheet draw EXAMPLES.jsonl... -o SHEET.csv`` samples 100 different
pairs, in a random order that hides which file they come from. A scorer fills in the column
``wrong``: 1 for a pair with an error in it, 0 for a sound one. ``... agree ONE.csv TWO.csv`` gives
each scorer's noise ratio, their agreement and Cohen's kappa with its interval. The answers' key is
``example_id``, so the sheets can be joined to the examples afterwards.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import random
from collections.abc import Sequence
from pathlib import Path

from statsmodels.stats.inter_rater import cohens_kappa

from stages.records import Example, RecordError, plain_errors, read_jsonl, write_atomic

COLUMNS = ("example_id", "format", "prompt", "completion", "wrong")
SAMPLE = 100
"""Pairs on a sheet, as in the report; at 100 a noise ratio of 10 % is known to ± 6 points."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Two scorers on the same pairs."""

    pairs: int
    """pairs that both scored"""
    noise: tuple[float, float]
    """share of them that each called wrong"""
    agreement: float
    """share on which they said the same"""
    kappa: float
    """agreement beyond chance, 1 at most; NaN where both gave every pair the same score"""
    lo: float
    """lower end of kappa's 95 % interval (Fleiss, Cohen & Everitt 1969)"""
    hi: float
    """upper end"""


def draw_sheet(examples: Sequence[Example], count: int, seed: int) -> str:
    """A sheet of ``count`` different pairs, or all where there are fewer, as CSV."""
    different = list({example.example_id: example for example in examples}.values())
    drawn = random.Random(f"sheet {seed}").sample(different, min(count, len(different)))
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(COLUMNS)
    for example in drawn:
        prompt = "\n".join(f"[{m['role']}] {m['content']}" for m in example.prompt)
        sheet.writerow((example.example_id, example.format, prompt, example.completion, ""))
    return text.getvalue()


def read_scores(path: Path) -> dict[str, int]:
    """Pair → 1 wrong, 0 sound; RecordError names the line of a score that is neither."""
    if not path.exists():
        raise RecordError(f"{path}: no such file. Name the sheet that was filled in.")
    scores: dict[str, int] = {}
    with path.open(encoding="utf-8", newline="") as file:
        sheet = csv.DictReader(file)
        lacking = [name for name in ("example_id", "wrong") if name not in (sheet.fieldnames or ())]
        if lacking:
            raise RecordError(f"{path}: column {lacking[0]!r} is missing. Keep the sheet's header.")
        for row in sheet:
            score = (row["wrong"] or "").strip()
            if score not in ("0", "1"):
                raise RecordError(
                    f"{path}, line {sheet.line_num}: column 'wrong' of {row['example_id']} is "
                    f"{score!r}. Write 1 for a pair with an error, 0 for a sound one."
                )
            scores[row["example_id"]] = int(score)
    return scores


def agree(one: dict[str, int], two: dict[str, int]) -> Agreement:
    """How far two scorers agree; RecordError unless they scored the same pairs.

    Reference: Cohen (1960), Educational and Psychological Measurement 20.
    """
    if set(one) != set(two) or not one:
        raise RecordError(
            f"the sheets have {len(set(one) & set(two))} pairs in common of {len(one)} and "
            f"{len(two)}. Give both scorers the same sheet."
        )
    table = [[sum(one[p] == i and two[p] == j for p in one) for j in (0, 1)] for i in (0, 1)]
    n = len(one)
    same = (table[0][0] + table[1][1]) / n
    noise = (sum(one.values()) / n, sum(two.values()) / n)
    if noise[0] == noise[1] and noise[0] in (0.0, 1.0):
        nothing = float("nan")
        return Agreement(n, noise, same, nothing, nothing, nothing)
    found = cohens_kappa(table)
    lo, hi = float(found.kappa_low), float(found.kappa_upp)
    return Agreement(n, noise, same, float(found.kappa), max(-1.0, lo), min(1.0, hi))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.synthesize.sheet")
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("draw", help="sample pairs for people to score")
    draw.add_argument("examples", nargs="+", type=Path, help="files of examples, JSON Lines")
    draw.add_argument("-o", "--output", type=Path, required=True, help="the sheet to write, CSV")
    draw.add_argument("--count", type=int, default=SAMPLE, help="pairs on the sheet")
    draw.add_argument("--seed", type=int, default=0, help="which ones")
    compare = commands.add_parser("agree", help="two scorers' agreement")
    compare.add_argument("one", type=Path)
    compare.add_argument("two", type=Path)
    given = parser.parse_args(arguments)
    if given.command == "draw":
        examples = [e for path in given.examples for e in read_jsonl(path, Example)]
        write_atomic(given.output, draw_sheet(examples, given.count, given.seed))
        print(f"{given.output}: fill in the column 'wrong' with 1 or 0")
        return
    found = agree(read_scores(given.one), read_scores(given.two))
    print(f"pairs {found.pairs}; noise {found.noise[0]:.3f} and {found.noise[1]:.3f}")
    print(f"agreement {found.agreement:.3f}")
    print(f"Cohen's kappa {found.kappa:.3f} [{found.lo:.3f}, {found.hi:.3f}]")


if __name__ == "__main__":
    with plain_errors():
        main()
