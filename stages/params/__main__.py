"""Command line: ``python -m stages.params register p1 --date 2026-11-21``, or ``status p1``."""

from __future__ import annotations

import argparse

from stages.params import load_params, register, status
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
    arguments = parser.parse_args()
    params = load_params()
    if arguments.command == "register":
        name, date, why = arguments.experiment, arguments.date, arguments.supersede
        print(name, register(params, name, date, reason=why))
    else:
        print(arguments.experiment, *status(params, arguments.experiment))


if __name__ == "__main__":
    with plain_errors():
        main()
