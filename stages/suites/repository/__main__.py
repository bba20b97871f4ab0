"""Make a file of tasks from a range of a repository's commits, or check one that you have.

example:
  python -m stages.suites.repository commits ../shop v1.0..main --test 'python -m pytest -q' \\
      --environment ../shop/.venv -o shop.jsonl
  python -m stages.suites.repository check shop.jsonl --test plain --repository shop=../shop
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from stages.agent.sandbox import Sandbox, SandboxConfig, SandboxUnavailable, open_sandbox
from stages.params import RepositoryParams
from stages.records import plain_errors, write_jsonl
from stages.suites.repository.commits import make_tasks
from stages.suites.repository.errors import RepositoryError
from stages.suites.repository.history import History
from stages.suites.repository.pytest_runner import open_pytest, options_of
from stages.suites.repository.suite import Repository


def main(arguments: list[str] | None = None) -> None:
    """Exit status 1 with one paragraph when something is wrong."""
    given = _parser().parse_args(arguments)
    with plain_errors():
        try:
            given.run(given)
        except SandboxUnavailable as error:
            raise RepositoryError(str(error)) from None


def _commits(given: argparse.Namespace) -> None:
    history = History(given.repository)
    if ".." not in given.range:
        raise RepositoryError(
            f"{given.range!r} is no range of commits. Write A..B, such as v1..main."
        )
    commits = history.commits(given.range)
    name = given.name or Path(given.repository).resolve().name.removesuffix(".git")
    config = SandboxConfig(
        workers=1, wall_seconds=given.seconds, cpu_seconds=int(given.seconds) + 1
    )
    with _sandbox(config, given) as sandbox:
        shown = tqdm(commits, desc="commits", unit="", disable=None)
        found = make_tasks(history, shown, sandbox, name)
    if given.verbose:
        print("\n".join(found.details))
    for reason, count in sorted(found.dropped.items()):
        print(f"dropped {count}: {reason}")
    if not found.rows:
        raise RepositoryError(
            f"{given.repository}: none of the {len(commits)} commits of {given.range} became a "
            f"task (reasons above; --verbose names the commits). {given.out} isn't written."
        )
    write_jsonl(given.out, found.rows)
    print(f"{given.out}: {len(found.rows)} tasks from {len(commits)} commits")


def _sandbox(config: SandboxConfig, given: argparse.Namespace) -> Sandbox:
    options = options_of(given.test)
    if options is None:
        return open_sandbox(config)
    return open_pytest(config, given.environment, options)


def _check(given: argparse.Namespace) -> None:
    pairs = dict(pair.partition("=")[::2] for pair in given.repository)
    params = RepositoryParams(
        kind="repository",
        repositories=pairs,
        tasks=str(given.tasks),
        test_command=given.test,
        environment=given.environment,
        unsupported="refuse",
    )
    suite = Repository(params)
    for repo in pairs:
        tasks = suite.tasks(repo)
        print(f"{repo}: {len(tasks)} tasks, {tasks[0].created_at} to {tasks[-1].created_at}")


def _parser() -> argparse.ArgumentParser:
    what, _, example = (__doc__ or "").partition("\nexample:")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m stages.suites.repository",
        description=what,
        epilog=f"example:{example}",
        formatter_class=raw,
    )
    kinds = parser.add_subparsers(required=True)
    one = kinds.add_parser("commits", help="tasks from commits that change source and tests")
    one.add_argument("repository", help="folder of a Git clone; nothing in it is changed")
    one.add_argument("range", help="commits to look at, such as v1.0..main")
    one.add_argument("--name", help="the tasks' `repo`; by default the folder's name")
    one.add_argument("--seconds", type=float, default=30.0, help="limit of one grading, seconds")
    one.add_argument("--verbose", action="store_true", help="say why each commit was dropped")
    one.add_argument("-o", dest="out", type=Path, required=True, help="file of tasks to write")
    _about_tests(one)
    one.set_defaults(run=_commits)
    two = kinds.add_parser("check", help="whether every row of a file can be used")
    two.add_argument("tasks", type=Path, help="tasks, JSON Lines with SWE-bench's fields")
    two.add_argument("--repository", action="append", required=True, metavar="NAME=FOLDER")
    _about_tests(two)
    two.set_defaults(run=_check)
    return parser


def _about_tests(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--test",
        required=True,
        metavar="COMMAND",
        help="plain (test functions without fixtures, on Python alone; nothing that a patch does "
        "can fake their result) or 'python -m pytest OPTIONS' (in --environment)",
    )
    parser.add_argument(
        "--environment",
        metavar="FOLDER",
        help="virtual environment with pytest and what the tests import, but not the package "
        "itself; by default the one that runs this",
    )


if __name__ == "__main__":
    main()
