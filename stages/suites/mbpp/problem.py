"""One MBPP problem from its row: the asserts become check(candidate), the function gets a name."""

from __future__ import annotations

import ast
import textwrap
import warnings
from collections import Counter
from collections.abc import Sequence

from stages.suites.guard import GuardError, GuardProblem
from stages.suites.rows import Row, need

PARTS = ((10, "prompt"), (510, "test"), (600, "validation"), (10_000, "train"))
"""Last task id of each part. Source: google-research `mbpp/README.md` and the paper's section 2."""


def read_problem(row: Row, where: str) -> GuardProblem:
    """The problem of one row, in the sanitized file's fields or the full file's."""
    text = "prompt" if "prompt" in row else "text"
    need(row, ("task_id", text, "code", "test_list"), where)
    code = row["code"].replace("\r\n", "\n")
    asserts = [line.strip().replace("\r\n", "\n") for line in row["test_list"]]
    entry_point = _entry_point(code, asserts, f"{where}, task {row['task_id']}")
    return GuardProblem(
        problem_id=str(row["task_id"]),
        category=next(part for last, part in PARTS if int(row["task_id"]) <= last),
        prompt=row[text].strip(),
        reference=code,
        entry_point=entry_point,
        shown=tuple(asserts),
        test=_test(
            row.get("test_imports") or [], row.get("test_setup_code") or "", asserts, entry_point
        ),
    )


def _test(imports: Sequence[str], setup: str, asserts: Sequence[str], entry_point: str) -> str:
    """check(candidate) over the asserts, which call the candidate under its own name."""
    body = "\n".join((f"{entry_point} = candidate", setup.replace("\r\n", "\n"), *asserts))
    head = "".join(f"{line}\n" for line in imports)
    return f"{head}def check(candidate):\n{textwrap.indent(body, '    ')}\n"


def _entry_point(code: str, asserts: Sequence[str], where: str) -> str:
    """The function of ``code`` that most asserts call; the first defined among equals."""
    try:
        defined = [
            node.name
            for node in _parsed(code).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        ]
        called = Counter(name for line in asserts for name in _called(line))
    except SyntaxError as error:
        raise GuardError(f"{where}: doesn't parse ({error.msg}). Fetch the file again.") from None
    names = [name for name in defined if called[name]]
    if not names:
        raise GuardError(
            f"{where}: the tests call {', '.join(sorted(called))}, the code defines "
            f"{', '.join(defined)}. Fetch the file again."
        )
    return max(names, key=lambda name: called[name])


def _called(line: str) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(_parsed(line))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def _parsed(code: str) -> ast.Module:
    """The program's tree; its stray backslashes ("\\w") are the data set's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=SyntaxWarning)
        warnings.simplefilter("ignore", category=DeprecationWarning)
        return ast.parse(code)
