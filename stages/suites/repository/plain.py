"""Which of a file's tests the sandbox can grade, and why not the others.

A test is graded as a plain function, in a process where the hidden tests are brought in only
after the candidate was imported, without pytest: what is read from a test framework's report
could have been written by the candidate. So fixtures, marks, classes and unittest's assertions
(methods that a candidate can replace) aren't graded plainly; they are refused by name.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

TEST_FOLDERS = frozenset({"test", "tests"})
ASSERTING = frozenset({"pytest", "unittest", "doctest"})
SET_UP = frozenset(
    f"{when}_{what}" for when in ("setup", "teardown") for what in ("module", "function")
) | {"pytestmark", "pytest_plugins"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROOTS = ("", "src/")
"""Where a repository's own packages are looked for."""
SRC_PATH = 'import sys\nsys.path.insert(1, "/workspace/src")\n'
"""Put before a test file where packages lie in src/: the sandbox shows a workspace there."""


def is_test_path(path: str) -> bool:
    """Whether a path belongs to the tests: a test file, a conftest, or in a test folder.

    >>> [is_test_path(path) for path in ("tests/a.json", "shop/cart_test.py", "shop/cart.py")]
    [True, True, False]
    """
    *folders, name = PurePosixPath(path).parts
    return not TEST_FOLDERS.isdisjoint(folders) or is_test_file(path) or name == "conftest.py"


def is_test_file(path: str) -> bool:
    """Whether pytest would collect the file by its name."""
    name = PurePosixPath(path).name
    return name.endswith("_test.py") or (name.startswith("test_") and name.endswith(".py"))


def gradable(path: str, files: Mapping[str, str]) -> dict[str, str]:
    """Name of each test in a file -> why it can't be graded; "" where it can.

    ``files`` are the whole repository with its tests as grading has them. Methods are named
    ``Class::method``, as pytest names them.
    """
    try:
        tree = ast.parse(files[path])
    except SyntaxError as error:
        return {"": f"{path} doesn't parse (line {error.lineno})"}
    whole = next(_problems(path, tree, files), "")
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, FUNCTIONS):
            if node.name.startswith("test"):
                found[node.name] = whole or _function_problem(node)
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, FUNCTIONS) and method.name.startswith("test"):
                    found[f"{node.name}::{method.name}"] = "it is a method of a class"
    return found


def test_sources(text: str) -> dict[str, str]:
    """Name of each function and method -> its source, normalised, to see which a commit changed."""
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return {}
    found = {}
    for node in body:
        if isinstance(node, FUNCTIONS):
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, FUNCTIONS)]
            found |= {f"{node.name}::{each.name}": ast.unparse(each) for each in methods}
    return found


def _function_problem(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    arguments = node.args
    required = [*arguments.posonlyargs, *arguments.args]
    required = required[: len(required) - len(arguments.defaults)]
    required += [
        a for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if not d
    ]
    if isinstance(node, ast.AsyncFunctionDef):
        return "it is a coroutine"
    if node.decorator_list:
        return f"it is decorated with {ast.unparse(node.decorator_list[0]):.60}"
    if required:
        return f"it takes the fixture {required[0].arg!r}"
    if any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(node)):
        return "it is a generator"
    return ""


def _problems(path: str, tree: ast.Module, files: Mapping[str, str]) -> Iterator[str]:
    """What keeps the whole file from being graded."""
    for node in ast.walk(tree):
        for name in _imported(node):
            yield from _import_problem(name, files)
    for name in SET_UP.intersection(_bound(tree)):
        yield f"its file defines {name}, which only pytest would use"
    for folder in PurePosixPath(path).parents:
        if "autouse" in files.get(str(folder / "conftest.py"), ""):
            yield f"{folder / 'conftest.py'} has a fixture that is used without being named"
    for other in files:
        own = is_test_path(other) and not other.endswith(".py")
        if own and PurePosixPath(other).name in files[path]:
            yield f"its file names {other}, which an agent could change"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        return [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return []


def _import_problem(name: str, files: Mapping[str, str]) -> Iterator[str]:
    top, path = name.partition(".")[0], name.replace(".", "/")
    if name.startswith("."):
        yield f"its file imports {name} relative to itself"
        return
    if top in ASSERTING:
        yield f"its file imports {top}"
        return
    if top in sys.stdlib_module_names:
        return
    places = [f"{root}{p}" for root in ROOTS for p in (f"{path}.py", f"{path}/__init__.py")]
    inside = [place for place in places if place in files]
    if any(is_test_path(place) for place in inside):
        yield f"its file imports {name}, a part of the tests that an agent could change"
    elif not inside and not _is_package(top, files):
        yield f"its file imports {top}, which is neither in the repository nor in Python itself"


def _is_package(top: str, files: Mapping[str, str]) -> bool:
    starts = tuple(f"{root}{top}{end}" for root in ROOTS for end in ("/", ".py"))
    return any(path.startswith(starts) for path in files)


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, FUNCTIONS):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def with_path(text: str, files: Mapping[str, str]) -> str:
    """A test file as the grader takes it: packages in src/ can be imported."""
    if not any(path.startswith("src/") for path in files):
        return text
    future = [
        node.end_lineno or 0
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    lines = text.splitlines(keepends=True)  # imports from __future__ must stay the first
    at = max(future, default=0)
    return "".join([*lines[:at], SRC_PATH, *lines[at:]])
