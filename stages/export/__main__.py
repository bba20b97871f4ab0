"""Export synthesized examples as a data set for trl, or an adapter as a peft folder.

examples:
  python -m stages.export dataset data/synthetic/p1/oak_harbor/A/T.jsonl -o out/actions
  python -m stages.export adapter models/adapters/p1/oak_harbor/A/skill-s0 \\
      --metrics metrics/p1.json --base-name me/my-base -o out/adapter
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stages.records import plain_errors


def main(arguments: list[str] | None = None) -> None:
    """Exit status 1 with one paragraph when something can't be exported."""
    given = _parser().parse_args(arguments)
    with plain_errors():
        given.run(given)


def _dataset(given: argparse.Namespace) -> None:
    from stages.export.dataset import export_dataset

    counts = export_dataset(given.files, given.out)
    said = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    print(f"{given.out}: {said} rows")


def _adapter(given: argparse.Namespace) -> None:
    from stages.export.adapter import export_adapter
    from stages.export.measured import read_measured

    measured = read_measured(given.metrics) if given.metrics else None
    export_adapter(given.folder, given.out, given.base_name, measured)
    print(f"{given.out}: adapter and model card")


def _parser() -> argparse.ArgumentParser:
    what, _, example = (__doc__ or "").partition("\nexamples:")
    parser = argparse.ArgumentParser(
        prog="python -m stages.export",
        description=what,
        epilog=f"examples:{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(required=True)
    data = kinds.add_parser("dataset", help="examples as a data set that trl's trainers take")
    data.add_argument("files", nargs="+", type=Path, help="examples, data/synthetic/.../T.jsonl")
    data.add_argument("-o", dest="out", type=Path, required=True, help="new folder")
    data.set_defaults(run=_dataset)
    adapter = kinds.add_parser("adapter", help="an adapter as a peft folder with its model card")
    adapter.add_argument("folder", type=Path, help="adapter, models/adapters/.../skill-s0")
    adapter.add_argument("--metrics", type=Path, help="metrics of its experiment, for the card")
    adapter.add_argument("--base-name", help="name of the base model where others find it")
    adapter.add_argument("-o", dest="out", type=Path, required=True, help="new folder")
    adapter.set_defaults(run=_adapter)
    return parser


if __name__ == "__main__":
    main()
