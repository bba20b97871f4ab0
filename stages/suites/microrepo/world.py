"""A world: a generated Python repository with hidden conventions and a dated history of issues."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import random
from collections.abc import Iterator, Sequence

from stages.suites.microrepo.conventions import Conventions, draw_conventions
from stages.suites.microrepo.issues import Draft, draft_issue
from stages.suites.microrepo.lexicon import (
    ADJECTIVES,
    COMPONENTS,
    FUNCTIONS,
    NOUNS,
    PARAMETERS,
    STEMS,
)

HELD_OUT = (
    "oak_harbor",
    "blue_mill",
    "grey_tower",
    "north_orchard",
    "amber_canyon",
    "silver_ferry",
    "wild_meadow",
    "iron_summit",
)
"""The eight worlds that stand for SWE-Bench-CL's eight repositories; never met in pretraining."""

ISSUE_CACHE = 512
"""Issues remembered: every state of a world draws all the earlier ones again."""

FIRST_DAY = datetime.date(2024, 1, 1)
RUNNER = """import glob, importlib.util, os, sys

sys.path.insert(0, os.getcwd())
failed = []
for path in sorted(glob.glob("tests/test_*.py")):
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception:
        failed.append(path)
        continue
    for name in sorted(vars(module)):
        if name.startswith("test_"):
            try:
                getattr(module, name)()
            except Exception:
                failed.append(name)
print("failed " + failed[0] if failed else "passed")
sys.exit(bool(failed))
"""


@dataclasses.dataclass(frozen=True)
class Plain:
    """A function that no issue ever touches, and its test."""

    name: str
    parameters: tuple[str, str]
    lines: tuple[str, ...]
    test: str


@dataclasses.dataclass(frozen=True)
class Module:
    """One file: the component it implements, its untouched function, and where that stands."""

    component: str
    stem: str
    plain: Plain
    plain_first: bool


@dataclasses.dataclass(frozen=True, eq=False)
class World:
    """A world's fixed part. Issues are drawn one by one with ``issue(i)``."""

    name: str
    seed: int
    conventions: Conventions
    modules: tuple[Module, ...]

    def module_of(self, component: str) -> Module:
        return next(module for module in self.modules if module.component == component)


@dataclasses.dataclass(frozen=True)
class Issue:
    """Issue ``index`` (0-based, in order of date) of a world."""

    index: int
    module: Module
    draft: Draft

    @property
    def text(self) -> str:
        return f"in {self.module.component}: {self.draft.wish}"

    @property
    def date(self) -> str:
        return (FIRST_DAY + datetime.timedelta(days=3 * self.index)).isoformat()

    @property
    def path(self) -> str:
        return f"{self.module.stem}.py"


def make_world(name: str, seed: int) -> World:
    """Generate a world; the same name and seed give the same world."""
    rng = random.Random(f"world {name} {seed}")
    conventions = draw_conventions(rng)
    size = rng.randint(8, 24)
    stems = rng.sample(STEMS, size)
    components = rng.sample(COMPONENTS, size)
    names = rng.sample(FUNCTIONS, size)
    modules = tuple(
        Module(component, stem, _plain(function, rng), rng.random() < 0.5)
        for component, stem, function in zip(components, stems, names, strict=True)
    )
    return World(name, seed, conventions, modules)


def draw_name(rng: random.Random) -> str:
    """A world's name for pretraining: never one of the held-out names."""
    while True:
        name = f"{rng.choice(ADJECTIVES)}_{rng.choice(NOUNS)}"
        if name not in HELD_OUT:
            return name


@functools.lru_cache(maxsize=ISSUE_CACHE)
def make_issue(world: World, index: int) -> Issue:
    """Issue ``index`` of the world, from the world's seed alone: any number may be drawn.

    Each file has function names of its own, so that a name is defined once in the repository.
    """
    rng = random.Random(f"issue {world.name} {world.seed} {index}")
    module = rng.choice(world.modules)
    plain = {other.plain.name for other in world.modules}
    free = [name for name in FUNCTIONS if name not in plain]
    return draw_issue(
        dataclasses.replace(world, modules=(module,)),
        rng,
        index,
        free[world.modules.index(module) :: len(world.modules)],
    )


def draw_issue(
    world: World, rng: random.Random, index: int = 0, functions: Sequence[str] = FUNCTIONS
) -> Issue:
    """Draw an issue with ``rng``, its function's name among ``functions``."""
    module = rng.choice(world.modules)
    function = rng.choice([name for name in functions if name != module.plain.name])
    first, second = draw_parameters(module, rng)
    return Issue(index, module, draft_issue(world.conventions, function, (first, second), rng))


def draw_parameters(module: Module, rng: random.Random) -> tuple[str, str]:
    """Two parameter names that the file's other function doesn't use."""
    taken = module.plain.parameters
    first, second = rng.sample([name for name in PARAMETERS if name not in taken], 2)
    return first, second


def module_text(module: Module, body: tuple[str, ...], wrapper: bool) -> str:
    """A file's text: its plain function and, when there is one, the issue's function."""
    blocks = ["\n".join(module.plain.lines)]
    if body:
        blocks.insert(1 if module.plain_first else 0, "\n".join(body))
    head = "from core import *\n" if wrapper else ""
    return head + "\n".join(blocks) + "\n"


def repository(world: World, index: int, fixed: bool = False) -> dict[str, str]:
    """The whole repository as it stands when issue ``index`` is filed: path -> text.

    Every earlier issue's fix is merged; ``fixed`` merges this issue's too.
    """
    current: dict[str, Issue] = {}
    for earlier in range(index + 1):
        issue = make_issue(world, earlier)
        current[issue.module.stem] = issue
    target = make_issue(world, index)
    files = dict(_static_files(world))
    for module in world.modules:
        issue = current.get(module.stem)
        merged = issue is not target or fixed
        draft = issue.draft if issue else None
        body = () if draft is None else draft.after if merged else draft.before
        wrapper = draft is not None and "wrapper" in draft.kinds
        files[f"{module.stem}.py"] = module_text(module, body, wrapper)
        files[f"tests/test_{module.stem}.py"] = visible_test(module, draft)
    history = [merge_message(world, issue) for issue in _issues_before(world, index)]
    files["HISTORY.md"] = "\n".join(["# History", *history]) + "\n"
    return files


def visible_test(module: Module, draft: Draft | None) -> str:
    """The visible test file of a module."""
    tests = [f"def test_{module.plain.name}():\n    {module.plain.test}\n"]
    tests += [f"def {name}():\n{body}\n" for name, body in (draft.visible if draft else ())]
    return f"from {module.stem} import *\n\n\n" + "\n\n".join(tests)


def hidden_test(issue: Issue) -> tuple[str, str]:
    """Path and text of the hidden test file of an issue; brought in only for grading."""
    stem = issue.module.stem
    tests = [
        f"def {name}():\n{body.replace('{module}', stem)}\n" for name, body in issue.draft.hidden
    ]
    text = f"import {stem}\nfrom {stem} import *\n\n\n" + "\n\n".join(tests)
    return f"tests/hidden_{stem}.py", text


def merge_message(world: World, issue: Issue) -> str:
    """The line that the merged upstream fix of an issue leaves in the history."""
    command = world.conventions.test_command
    return f"{issue.date} fixed {issue.text} (file {issue.path}, tested by {command})"


def _issues_before(world: World, index: int) -> Iterator[Issue]:
    return (make_issue(world, earlier) for earlier in range(index))


def _static_files(world: World) -> dict[str, str]:
    components = "\n".join(f"- {module.component}" for module in world.modules)
    wrapper = world.conventions.values["wrapper"]
    return {
        f"{world.conventions.script}.py": RUNNER,
        "core.py": f"def {wrapper}(top, bottom):\n    return top / bottom if bottom else 0\n",
        "README.md": f"# {world.name}\n\nComponents:\n{components}\n",
    }


def _plain(function: str, rng: random.Random) -> Plain:
    first, second = rng.sample(PARAMETERS, 2)
    sign = rng.choice("+-*")
    want = {"+": 9 + 4, "-": 9 - 4, "*": 9 * 4}[sign]
    lines = (f"def {function}({first}, {second}):", f"    return {first} {sign} {second}")
    return Plain(function, (first, second), lines, f"assert {function}(9, 4) == {want}")
