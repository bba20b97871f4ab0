"""What each repository and version needs to run: Python, packages, test command, log parser.

The published SWE-bench specifications (package swebench 4.1, constants/python.py, MIT) as far as
SWE-Bench-CL's eight repositories need them. Where an image installs with conda or apt, the pins
are the same and the rest is what pip resolves; the gold check says whether that is enough.
"""

from __future__ import annotations

import dataclasses
import re

from stages.records import Task
from stages.suites.swe_bench_cl.errors import SweBenchError

DATA_FILES = (".json", ".png", "csv", ".txt", ".md", ".jpg", ".jpeg", ".pkl", ".yml", ".yaml")
TARGET = re.compile(r"^diff --git a/.* b/(.*)$", re.MULTILINE)
PIP_INSTALL = (
    "python -m pip install --no-deps --no-build-isolation --no-index --prefix {prefix} -e ."
)


@dataclasses.dataclass(frozen=True)
class Spec:
    """How the tests of one repository and version are run."""

    python: str
    """major.minor of the interpreter"""
    requirements: tuple[str, ...]
    """what pip installs, with its pins"""
    test_command: str
    """run in the repository's root; the test files of the task's test patch follow"""
    log_parser: str
    """name of a parser of the swebench package"""
    container_command: str = ""
    """test command in the published image, where it is another one"""
    project: str | None = None
    """the project's own dependencies are installed too, with these extras, e.g. [test]"""
    requirement_files: tuple[str, ...] = ()
    """requirement files of the repository; a line that can't be built is left out and recorded"""
    install: str = PIP_INSTALL
    """makes the project importable from its folder, without a network; {prefix} is writable"""
    compiled: bool = False
    """whether a patch may need the project built anew"""
    variables: tuple[tuple[str, str], ...] = ()
    """environment variables of every command"""
    no_local: str = ""
    """why the local executor can't run it; empty when it can"""


def spec_of(task: Task) -> Spec:
    """The specification of the task's repository and version; SweBenchError when there is none."""
    version = str(task.meta.get("version", ""))
    for versions, spec in TABLE.get(task.repo, ()):
        if version in versions.split():
            return spec
    known = " ".join(versions for versions, _ in TABLE.get(task.repo, ()))
    raise SweBenchError(
        f"{task.instance_id}: no specification for {task.repo} at version {version!r} (there are: "
        f"{known or 'none for this repository'}). Correct field 'version' of its row, or add the "
        "version to stages/suites/swe_bench_cl/specs.py."
    )


def test_targets(task: Task) -> list[str]:
    """What follows the test command: files of the test patch, as modules for Django."""
    files = [name for name in TARGET.findall(task.test_patch) if not name.endswith(DATA_FILES)]
    if task.repo != "django/django":
        return files
    return [name.removeprefix("tests/").removesuffix(".py").replace("/", ".") for name in files]


def image_of(task: Task) -> str:
    """The published image of a task: named in its row, else by SWE-bench's rule."""
    name = task.instance_id.lower().replace("__", "_1776_")
    return task.meta.get("image") or f"swebench/sweb.eval.x86_64.{name}:latest"


def _pytest(*pins: str) -> Spec:
    build = ("setuptools==68.0.0", "setuptools-scm==7.1.0", "wheel==0.41.2")
    names = {re.split("[=<>]", pin)[0] for pin in pins}
    return Spec(
        "3.9",
        pins + tuple(b for b in build if b.split("==")[0] not in names),
        "pytest -rA",
        "parse_log_pytest",
        project="",  # the pins leave out what a version in development already asks for
    )


def _django(python: str) -> Spec:
    return Spec(
        python,
        ("setuptools<69", "wheel"),
        "./tests/runtests.py --verbosity 2 --settings=test_sqlite --parallel 1",
        "parse_log_django",
        project="",
        requirement_files=("tests/requirements/py3.txt",),
        variables=(("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("PYTHONIOENCODING", "utf8")),
    )


def _sphinx(python: str, *pins: str) -> Spec:
    build = ("setuptools==68.0.0", "wheel", "flit-core")
    return Spec(
        python,
        (*build, *pins),
        "python -X dev -m pytest -rA --durations 25",
        "parse_log_sphinx",
        container_command="tox --current-env -epy39 -v --",
        project="[test]",
    )


_ATTRS = ("attrs==23.1.0", "packaging==23.1", "py==1.11.0")
_MORE = "more-itertools==10.1.0"
_ASTROPY = (
    "attrs==23.1.0 exceptiongroup==1.1.3 execnet==2.0.2 hypothesis==6.82.6 iniconfig==2.0.0 "
    "numpy==1.25.2 packaging==23.1 pluggy==1.3.0 psutil==5.9.5 pyerfa==2.0.0.3 "
    "pytest-arraydiff==0.5.0 pytest-astropy-header==0.2.2 pytest-astropy==0.10.0 "
    "pytest-cov==4.1.0 pytest-doctestplus==1.0.0 pytest-filter-subpackage==0.1.2 "
    "pytest-mock==3.11.1 pytest-openfiles==0.5.0 pytest-remotedata==0.4.0 pytest-xdist==3.3.1 "
    "pytest==7.4.0 PyYAML==6.0.1 setuptools==68.0.0 sortedcontainers==2.4.0 tomli==2.0.1 "
    "wheel cython==0.29.36 extension-helpers==1.1.0 setuptools-scm==7.1.0 jinja2"
)
_ASTROPY_OLD = (
    "setuptools==38.2.4 attrs==17.3.0 execnet==1.5.0 hypothesis==3.44.2 cython==0.27.3 "
    "jinja2==2.10 MarkupSafe==1.0 numpy==1.16.0 packaging==16.8 pluggy==0.6.0 psutil==5.4.2 "
    "pyerfa==1.7.0 pytest-arraydiff==0.1 pytest-astropy-header==0.1 pytest-astropy==0.2.1 "
    "pytest-cov==2.5.1 pytest-doctestplus==0.1.2 pytest-filter-subpackage==0.1 "
    "pytest-forked==0.2 pytest-mock==1.6.3 pytest-openfiles==0.2.0 pytest-remotedata==0.2.0 "
    "pytest-xdist==1.20.1 pytest==3.3.1 PyYAML==3.12 sortedcontainers==1.5.9"
)
_SPHINX_3 = (
    "Jinja2<3.0",
    "markupsafe<=2.0.1",
    "alabaster>=0.7,<0.7.12",
    "sphinxcontrib-applehelp<=1.0.7",
    "sphinxcontrib-devhelp<=1.0.5",
    "sphinxcontrib-qthelp<=1.0.6",
    "sphinxcontrib-htmlhelp<=2.0.4",
    "sphinxcontrib-serializinghtml<=1.1.9",
)
_XARRAY = (
    "numpy==1.23.0 packaging==23.1 pandas==1.5.3 pytest==7.4.0 python-dateutil==2.8.2 "
    "pytz==2023.3 six==1.16.0 scipy==1.11.1 setuptools==68.0.0 dask==2022.8.1 wheel "
    "setuptools-scm==7.1.0"
)
_SKLEARN = "numpy==1.19.2 scipy==1.5.2 pytest joblib threadpoolctl wheel "
TABLE: dict[str, tuple[tuple[str, Spec], ...]] = {
    "django/django": (
        ("3.0 3.1 3.2", _django("3.6")),
        ("4.0", _django("3.8")),
        ("4.1 4.2", _django("3.9")),
        ("5.0 5.1 5.2", _django("3.11")),
    ),
    "sympy/sympy": (
        (
            "0.7 1.0 1.1 1.2 1.4 1.5 1.6 1.7 1.8 1.9 1.10 1.11 1.12 1.13 1.14",
            Spec(
                "3.9",
                ("mpmath==1.3.0", "setuptools==68.0.0", "wheel==0.41.2"),
                "PYTHONWARNINGS='ignore::UserWarning,ignore::SyntaxWarning' bin/test -C --verbose",
                "parse_log_sympy",
            ),
        ),
    ),
    "sphinx-doc/sphinx": (
        ("3.0 3.1 3.2 3.3 3.4 3.5 4.0 4.1 4.2 4.3 4.4", _sphinx("3.9", *_SPHINX_3)),
        ("2.0 2.1 2.2 2.3 2.4 4.5 5.0 5.1 5.2 5.3 6.0 6.2", _sphinx("3.9", "Jinja2==3.0.3")),
        ("7.0 7.1 7.2 7.3 7.4", _sphinx("3.9", "Jinja2==3.0.3")),
    ),
    "matplotlib/matplotlib": (
        (
            "3.4 3.5 3.6 3.7",
            Spec(
                "3.11",
                (),
                "pytest -rA",
                "parse_log_matplotlib",
                no_local="its build downloads FreeType and Qhull, and its tests need TeX",
            ),
        ),
    ),
    "scikit-learn/scikit-learn": (
        (
            "0.20 0.21 0.22",
            Spec(
                "3.6",
                (*_SKLEARN.split(), "cython<3", "pandas", "setuptools<60"),
                "pytest -rA",
                "parse_log_scikit",
                compiled=True,
            ),
        ),
        (
            "1.3 1.4 1.5 1.6",
            Spec(
                "3.9",
                (*_SKLEARN.split(), "cython==3.0.10", "pandas<2.0.0", "setuptools<66"),
                "pytest -rA",
                "parse_log_scikit",
                compiled=True,
            ),
        ),
    ),
    "astropy/astropy": (
        (
            "0.1 0.2 0.3 0.4 1.1 1.2 1.3",
            Spec(
                "3.6",
                tuple(_ASTROPY_OLD.split()),
                "pytest -rA -vv -o console_output_style=classic --tb=no",
                "parse_log_astropy",
                compiled=True,
            ),
        ),
        (
            "3.0 3.1 3.2 4.1 4.2 4.3 5.0 5.1 5.2",
            Spec(
                "3.9",
                tuple(_ASTROPY.split()),
                "pytest -rA",
                "parse_log_astropy",
                compiled=True,
            ),
        ),
    ),
    "pydata/xarray": (
        (
            "0.12 0.18 0.19 0.20 2022.03 2022.06 2022.09 2023.07 2024.05",
            Spec("3.10", tuple(_XARRAY.split()), "pytest -rA", "parse_log_xarray", project=""),
        ),
    ),
    "pytest-dev/pytest": (
        (
            "4.4",
            _pytest("atomicwrites==1.4.1", *_ATTRS[::2], _MORE, "pluggy==0.13.1", "six==1.16.0"),
        ),
        (
            "4.5",
            _pytest(
                "atomicwrites==1.4.1",
                *_ATTRS[::2],
                _MORE,
                "pluggy==0.11.0",
                "six==1.16.0",
                "wcwidth==0.2.6",
            ),
        ),
        (
            "4.6",
            _pytest(
                "atomicwrites==1.4.1",
                *_ATTRS,
                _MORE,
                "pluggy==0.13.1",
                "six==1.16.0",
                "wcwidth==0.2.6",
            ),
        ),
        (
            "5.0 5.1 5.2",
            _pytest("atomicwrites==1.4.1", *_ATTRS, _MORE, "pluggy==0.13.1", "wcwidth==0.2.6"),
        ),
        ("5.3", _pytest(*_ATTRS, _MORE, "pluggy==0.13.1", "wcwidth==0.2.6")),
        ("5.4", _pytest(*_ATTRS, _MORE, "pluggy==0.13.1")),
        ("6.0", _pytest(*_ATTRS, _MORE, "iniconfig==2.0.0", "pluggy==0.13.1", "toml==0.10.2")),
        ("6.2 6.3", _pytest(*_ATTRS, "iniconfig==2.0.0", "pluggy==0.13.1", "toml==0.10.2")),
        ("7.0", _pytest(*_ATTRS, "iniconfig==2.0.0", "pluggy==0.13.1")),
        ("7.1 7.2", _pytest(*_ATTRS, "iniconfig==2.0.0", "pluggy==0.13.1", "tomli==2.0.1")),
        (
            "7.4 8.0 8.1 8.2 8.3 8.4",
            _pytest(
                "iniconfig==2.0.0",
                "packaging==23.1",
                "pluggy==1.3.0",
                "exceptiongroup==1.1.3",
                "tomli==2.0.1",
            ),
        ),
    ),
}
