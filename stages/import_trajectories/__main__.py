"""Read logs of other agents into trajectories that adapters can be trained from.

Outcomes come from the logs or from --results; where neither tells, they are recorded as unknown.
Either every log is read and OUT is written, or nothing is.

examples:
  python -m stages.import_trajectories mini-swe-agent runs/*/*.traj.json -o mine.jsonl
  python -m stages.import_trajectories swe-agent trajectories/*.traj --results report.json \\
      --tasks tasks.jsonl -o mine.jsonl
  python -m stages.import_trajectories openai chats.jsonl --translate -o mine.jsonl
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from stages.import_trajectories import mini_swe_agent, openai_messages, swe_agent
from stages.import_trajectories.evidence import numbered, read_results, read_tasks, task_of
from stages.import_trajectories.log import UNKNOWN, ImportFault, Log, trajectory
from stages.records import Trajectory, plain_errors, write_jsonl

FORMATS: Mapping[str, Callable[[Path, bool], list[Log]]] = {
    "mini-swe-agent": mini_swe_agent.read,
    "swe-agent": swe_agent.read,
    "openai": openai_messages.read,
}


def main(arguments: list[str] | None = None) -> None:
    """Exit status 1 with one paragraph when something can't be read."""
    given = _parser().parse_args(arguments)
    with plain_errors():
        records = convert(given.format, given.files, given.tasks, given.results, given.translate)
        write_jsonl(given.out, records)
        print(summary(records, given.out))


def convert(
    format_name: str,
    files: list[Path],
    tasks: Path | None = None,
    results: Path | None = None,
    translate: bool = False,
) -> list[Trajectory]:
    """Every session of the files as a record; ImportFault for the first that can't be read."""
    logs = [log for path in files for log in FORMATS[format_name](path, translate)]
    for log in logs:
        if not any(message["role"] == "assistant" for message in log.messages):
            raise ImportFault(
                f"{log.where}: field 'messages' holds no assistant's message, so there is nothing "
                "to learn from. Leave it out."
            )
    known = read_tasks(tasks) if tasks else {}
    graded = read_results(results) if results else {}
    names = [task_of(log, known) for log in logs]
    return [
        trajectory(log, name, attempt, graded.get(name, log.outcome), known.get(name, {}))
        for log, name, attempt in zip(logs, names, numbered(names), strict=True)
    ]


def summary(records: list[Trajectory], out: Path) -> str:
    """Counts by outcome, of tasks, steps and recorded exit codes."""
    outcomes = Counter(str(record.info["outcome"]) for record in records)
    named = {record.info["instance_id"] for record in records} - {""}
    steps = sum(record.info["n_steps"] for record in records)
    codes = sum(record.info["exit_codes_known"] for record in records)
    lines = [
        f"{out}: {len(records)} trajectories of {len(named)} tasks",
        f"steps: {steps}, {codes} with a recorded exit code",
        *(f"outcome {name}: {count}" for name, count in sorted(outcomes.items())),
    ]
    if outcomes[UNKNOWN]:
        lines.append("Give the graded results with --results to tell the unknown ones.")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    what, _, example = (__doc__ or "").partition("\nexamples:")
    parser = argparse.ArgumentParser(
        prog="python -m stages.import_trajectories",
        description=what,
        epilog=f"examples:{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("format", choices=FORMATS, help="what the logs are")
    parser.add_argument("files", nargs="+", type=Path, help="logs")
    parser.add_argument("-o", dest="out", type=Path, required=True, help="trajectories to write")
    parser.add_argument("--tasks", type=Path, help="JSON Lines with instance_id, patch, ...")
    parser.add_argument("--results", type=Path, help="swebench's report, or ids and their results")
    parser.add_argument(
        "--translate",
        action="store_true",
        help="write assistant turns in this pipeline's action format, as its own agent acts",
    )
    return parser


if __name__ == "__main__":
    main()
