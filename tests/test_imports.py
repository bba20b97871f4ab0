"""The DVC graph, the folder tree and the import graph are one drawing.

The rule. A *shared room* is a name of ``import_graph.SHARED`` directly under stages/; every other
is a *stage*. (1) No file of a shared room imports a stage, and no file of a stage imports another
stage. (2) Each stage in dvc.yaml whose command is
``python -m stages.<name>`` depends on data/code/<name>.json and on no other code; the stage
``code`` writes that file: every file with code in it that is reached from stages/<name>/ by
imports: anywhere in a file (inside functions too), through shared rooms, with the packages above
an imported module, and with strings that name a module (``[sys.executable, "-m",
"stages.agent.x"]``). (3) Every other package that stages/ imports is a
declared dependency in pyproject.toml; one that an extra declares may be imported inside a function
only. Each part is planted below and must be caught.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from stages.code.__main__ import reached_files, write_code
from stages.lab.imports import ImportGraph
from tests.import_graph import dep_problems, import_problems

ROOT = Path(__file__).parent.parent
HOUSE = {
    "stages/__init__.py": "",
    "stages/records.py": "import json",
    "stages/agent/__init__.py": '"""The agent."""',
    "stages/agent/loop.py": "from stages.records import Task",
    "stages/suites/__init__.py": "",
    "stages/suites/one.py": "X = 1",
    "stages/suites/two.py": "X = 2",
    "stages/first/__init__.py": "",
    "stages/first/__main__.py": "from stages.agent import loop\nfrom .parts import f",
    "stages/first/parts.py": "def f():\n    from stages.suites.one import X\n    return X",
    "stages/second/__main__.py": "import stages.records",
    "stages/code/__main__.py": "import json",
    "dvc.yaml": """
stages:
  code:
    cmd: python -m stages.code
    deps: [stages]
  first:
    matrix: {experiment: [p1, p2]}
    cmd: python -m stages.first ${item.experiment}
    deps: [data/x, data/code/first.json]
  second:
    foreach: [p1]
    do:
      cmd: python -m stages.second ${item}
      deps: ["data/${item}", data/code/second.json]
""",
}


def house(folder: Path, **changes: str) -> Path:
    """A small project that keeps the rule, then changed: ``path: text`` or ``path: old → new``."""
    for path, text in (HOUSE | changes).items():
        if "→" in text:
            old, new = text.split("→")
            assert old in HOUSE[path]
            text = HOUSE[path].replace(old, new)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_no_stage_is_imported() -> None:
    assert import_problems(ROOT) == []


def test_declared_deps_equal_imports() -> None:
    assert dep_problems(ROOT) == []


def test_a_sound_house_has_no_problems(tmp_path: Path) -> None:
    root = house(tmp_path)
    assert import_problems(root) == []
    assert dep_problems(root) == []


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        (
            "stages/agent/loop.py",
            "def f():\n    import stages.first.parts",
            "stages.agent.loop imports stages.first.parts: a shared room never imports a stage",
        ),
        (
            "stages/second/__main__.py",
            "from stages import first",
            "stages.second.__main__ imports stages.first: a stage never imports a stage",
        ),
        (
            "stages/second/__main__.py",
            "from ..first.parts import f",
            "stages.second.__main__ imports stages.first.parts: a stage never imports a stage",
        ),
        (
            "stages/second/__main__.py",
            'COMMAND = ["python", "-m", "stages.first"]',
            "stages.second.__main__ imports stages.first: a stage never imports a stage",
        ),
    ],
)
def test_an_imported_stage_is_caught(tmp_path: Path, path: str, text: str, problem: str) -> None:
    assert problem in import_problems(house(tmp_path, **{path: text}))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (", data/code/first.json→", "first (first): data/code/first.json is no dep"),
        (
            "second.json→first.json",
            "second (second): the dep data/code/first.json is not its own",
        ),
        (
            "data/x, →stages/agent, ",
            "first (first): the dep stages/agent is not its own",
        ),
        ("[stages]→[stages/agent]", "code (code): stages is no dep"),
        ("stages.second→stages.third", "second (third): there is no stages/third"),
    ],
)
def test_a_wrong_dep_is_caught(tmp_path: Path, change: str, problem: str) -> None:
    assert problem in dep_problems(house(tmp_path, **{"dvc.yaml": change}))


@pytest.mark.parametrize(
    ("path", "text", "stale"),
    [
        ("stages/agent/loop.py", "from stages.records import Step", {"first"}),
        ("stages/suites/one.py", "X = 3", {"first"}),  # imported inside a function
        ("stages/suites/two.py", "X = 3", set()),
        ("stages/records.py", "import io", {"first", "second"}),
        ("stages/second/__main__.py", "import stages.suites.two", {"second"}),
        ("stages/second/__main__.py", 'COMMAND = "stages.suites.two"', {"second"}),
        ("stages/agent/__init__.py", "from stages.suites import two", {"first"}),
        ("stages/suites/__init__.py", "TABLE = {}", {"first"}),  # runs before suites.one
        ("stages/agent/__init__.py", '"""An agent."""', set()),  # holds no code
        ("stages/first/new.py", "X = 1", {"first"}),
        ("stages/first/prompts/a.txt", "Say it otherwise.", {"first"}),
        ("stages/suites/table.json", "{}", {"first"}),
    ],
)
def test_an_edit_makes_just_the_stages_stale_that_reach_it(
    tmp_path: Path, path: str, text: str, stale: set[str]
) -> None:
    """What ``dvc repro`` goes by: the files of data/code."""
    root = house(tmp_path)
    before = code_files(root)
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text(text)
    after = code_files(root)
    assert before.keys() == after.keys() == {"code", "first", "second"}
    assert {name for name in after if after[name] != before[name]} == stale


def test_what_a_stage_may_choose_counts_and_the_reading_of_values_does_not() -> None:
    graph = ImportGraph(ROOT)
    found = {stage: reached_files(graph, stage, ROOT) for stage in ("evaluate", "choose")}
    assert "stages/suites/microrepo/suite.py" in found["evaluate"]
    assert "stages/params/load.py" in found["choose"].keys() - found["evaluate"].keys()


def code_files(root: Path) -> dict[str, str]:
    write_code(root, root / "data/code")
    return {path.stem: path.read_text() for path in sorted((root / "data/code").iterdir())}


def outside_imports(graph: ImportGraph) -> dict[str, set[str]]:
    """Top-level names imported from outside: per name, ``module`` or ``function`` as the place."""
    places: dict[str, set[str]] = {}
    for tree in map(graph.tree, graph.files):
        at_top = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                place = "module" if id(node) in at_top else "function"
                places.setdefault(name.partition(".")[0], set()).add(place)
    known = sys.stdlib_module_names | {"stages"}
    return {name: place for name, place in places.items() if name not in known}


def undeclared(graph: ImportGraph, project: dict[str, Any]) -> list[str]:
    """Imports from outside that pyproject.toml doesn't declare at their place."""
    project = project["project"]
    core = {_distribution(line) for line in project["dependencies"]}
    extras = {
        _distribution(line) for lines in project["optional-dependencies"].values() for line in lines
    }
    owners = _owners()
    problems = []
    for name, places in outside_imports(graph).items():
        owned_by = {_distribution(owner) for owner in owners.get(name, [name])}
        allowed = core if "module" in places else core | extras
        if not owned_by & allowed:
            problems.append(name)
    return sorted(problems)


@functools.cache
def _owners() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def _distribution(requirement: str) -> str:
    name = re.split(r"[\s<>=!~;\[]", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_stages_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert undeclared(ImportGraph(ROOT), project) == []


def test_an_undeclared_import_is_caught(tmp_path: Path) -> None:
    project = {
        "project": {"dependencies": ["numpy>=2"], "optional-dependencies": {"x": ["pytest"]}}
    }
    text = "import numpy.linalg, hypothesis, pytest\ndef f():\n    import pytest"
    graph = ImportGraph(house(tmp_path, **{"stages/suites/one.py": text}))
    assert undeclared(graph, project) == ["hypothesis", "pytest"]
    lazy = {"stages/suites/one.py": "def f():\n    import pytest"}
    assert undeclared(ImportGraph(house(tmp_path, **lazy)), project) == []
