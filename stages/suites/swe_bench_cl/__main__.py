"""SWE-Bench-CL from the command line: its statistics table, and a check of real tasks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stages.params import SweBenchClParams
from stages.records import Task, plain_errors, write_json
from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError
from stages.suites.swe_bench_cl.load import read_sequences, runnable
from stages.suites.swe_bench_cl.statistics import differences, table

EPILOG = """
Before `check`, once, while online (a mirror per repository; environments are made and kept by the
first check):
  git clone --mirror https://github.com/sympy/sympy mirrors/sympy__sympy.git
Then, offline:
  python -m stages.suites.swe_bench_cl check sympy__sympy-15345 --rows verified.parquet \\
      --mirrors mirrors
"""


def main(arguments: list[str] | None = None) -> None:
    """Exit status 1 when a cell isn't as published, or a task isn't proven."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.suites.swe_bench_cl",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="{table,check}")
    one = commands.add_parser("table", help="print the statistics table, checked cell by cell")
    one.add_argument("file", type=Path, help="published JSON, or rows of SWE-bench Verified")
    one.set_defaults(work=_table)
    _add_check(commands)
    chosen = parser.parse_args(arguments)
    with plain_errors():
        chosen.work(chosen)


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = commands.add_parser(
        "check",
        help="run real tasks with the local executor: gold patch and scripted agents",
        description="Per task: the base fails and the gold patch passes, several times; an agent "
        "that edits the gold lines resolves it; those that do nothing, say that the tests passed, "
        "or make the code say so, don't. Results are kept by content.",
    )
    check.add_argument("tasks", nargs="+", metavar="TASK", help="instance id")
    check.add_argument("--rows", required=True, metavar="FILE", help="where the tasks stand")
    check.add_argument("--mirrors", required=True, metavar="FOLDER", help="<owner>__<name>.git")
    check.add_argument(
        "--environments",
        default="data/swe_bench_cl",
        metavar="FOLDER",
        help="where virtual environments and results are kept (default: %(default)s)",
    )
    check.add_argument("--wheels", metavar="FOLDER", help="wheels to build environments from")
    check.add_argument("--runs", type=int, default=3, help="runs of the gold patch (%(default)s)")
    check.add_argument("--wall-seconds", type=float, default=1800.0, help="per run (%(default)s)")
    check.add_argument("--memory-mb", type=int, default=4096, help="per run (%(default)s)")
    check.add_argument("--out", type=Path, metavar="FILE", help="record of the outcomes, JSON")
    check.set_defaults(work=_check)


def _table(chosen: argparse.Namespace) -> None:
    sequences = read_sequences(chosen.file)
    print(table(sequences))
    found = differences(sequences)
    if found:
        raise SweBenchError(
            f"{chosen.file}: {len(found)} cells aren't as published: {'; '.join(found)}. Fetch the "
            "complete file again; the tasks of another list are another benchmark."
        )
    print("\nEvery count is as published.")


def _check(chosen: argparse.Namespace) -> None:
    from stages.agent.sandbox import SandboxUnavailable
    from stages.suites.swe_bench_cl import check
    from stages.suites.swe_bench_cl.grading import require_swebench
    from stages.suites.swe_bench_cl.local import LocalExecutor
    from stages.suites.swe_bench_cl.suite import SweBenchCl

    require_swebench()
    params = _params(chosen)
    tasks = _named(chosen.tasks, Path(chosen.rows))
    suite = SweBenchCl(LocalExecutor(params))
    found, failures = [], []
    for task in tasks:
        print(f"{task.instance_id} …", file=sys.stderr, flush=True)
        try:
            found.append(check.check_task(suite, task))
        except (HarnessError, SandboxUnavailable, SweBenchError) as error:
            failures.append(f"{error}")
    if found:
        print(check.table(found))
    failures += [f"{c.instance_id}: {c.gold.reason}" for c in found if c.gold.reason]
    if chosen.out:
        write_json(chosen.out, check.record(found))
    if failures:
        raise SweBenchError("\n\nerror: ".join(failures))
    unproven = [c.instance_id for c in found if not c.proven]
    if unproven:
        raise SweBenchError(
            f"{unproven[0]}: an agent's outcome in the table isn't what it must be, so this task "
            "must not be used. Leave it out, and report it with the table."
        )


def _params(chosen: argparse.Namespace) -> SweBenchClParams:
    return SweBenchClParams(
        kind="swe_bench_cl",
        worlds=(),
        path=chosen.rows,
        revision=None,
        leave_out_without_tests=True,
        executor="local",
        repositories=chosen.mirrors,
        environments=chosen.environments,
        find_links=chosen.wheels,
        socket=None,
        pull=False,
        wall_seconds=chosen.wall_seconds,
        memory_mb=chosen.memory_mb,
        processes=128,
        gold_runs=chosen.runs,
        at_once=1,
    )


def _named(names: list[str], rows: Path) -> list[Task]:
    """The tasks of these ids; SweBenchError for one that the file lacks, or that has no tests."""
    known = {t.instance_id: t for tasks in read_sequences(rows).values() for t in tasks}
    for name in names:
        if name not in known:
            near = [other for other in known if other.split("__")[0] == name.split("__")[0]]
            raise SweBenchError(
                f"{rows}: there is no task {name!r}; of its repository there are "
                f"{', '.join(near[:5]) or 'none'}. Correct the instance id, or give another file."
            )
    return [task for name in names for task in runnable([known[name]])]


if __name__ == "__main__":
    main()
