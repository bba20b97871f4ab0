"""Registrations and matrices: ``python -m stages.params status p1``, ``register``, ``cells``."""

from __future__ import annotations

import argparse

from stages.params import ParamsError, cells_of, load_params, register, status
from stages.records import plain_errors


def main() -> None:
    """Register an experiment, or print whether its values are the registered ones."""
    parser = argparse.ArgumentParser(prog="python -m stages.params", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("register", help="write the hash of the values in force")
    new.add_argument("experiment")
    new.add_argument("--date", required=True, help="day of registration, such as 2026-11-21")
    new.add_argument("--supersede", metavar="WHY", default="", help="replace an earlier one")
    commands.add_parser("status", help="compare with the registration").add_argument("experiment")
    cells = commands.add_parser("cells", help="the cells of a matrix, as lines for `run`")
    cells.add_argument("experiment")
    cells.add_argument("--by-model", action="store_true", help="one per model, with all its worlds")
    arguments = parser.parse_args()
    params = load_params()
    if arguments.command == "register":
        name, date, why = arguments.experiment, arguments.date, arguments.supersede
        print(name, register(params, name, date, reason=why))
    elif arguments.command == "cells":
        names = cells_of(params, arguments.experiment, arguments.by_model)
        if not names:
            raise ParamsError(
                f"experiments.{arguments.experiment}.models is empty, so it is no matrix. Name "
                "the models there."
            )
        print("\n".join(f"  {name}: {arguments.experiment}" for name in names))
    else:
        print(arguments.experiment, *status(params, arguments.experiment))


if __name__ == "__main__":
    with plain_errors():
        main()
