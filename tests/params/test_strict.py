"""The strict loader: each way a parameter can be wrong is planted, and the error must name it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest

from stages.params import ParamsError, build
from stages.params.strict import read_yaml, read_yaml_quickly


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    count: int
    flag: bool = False
    mode: Literal["fast", "slow"] = "fast"
    maybe: int | None = None
    inner: Inner
    table: dict[str, Inner] = dataclasses.field(default_factory=dict)


def test_builds_nested_blocks() -> None:
    mapping = {
        "count": 2,
        "maybe": None,
        "inner": {"rate": 1, "names": ["a", "b"]},
        "table": {"x": {"rate": 0.5}},
    }
    built = build(Outer, mapping)
    assert built == Outer(
        count=2, inner=Inner(rate=1.0, names=("a", "b")), table={"x": Inner(rate=0.5)}
    )
    assert isinstance(built.inner.rate, float)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": "2"}, "count must be a whole number, but is '2'"),
        ({"count": 2.0}, "count must be a whole number, but is 2.0"),
        ({"count": True}, "count must be a whole number, but is True"),
        ({"count": None}, "count must be a whole number, but is nothing"),
        ({"flag": 1}, "flag must be true or false, but is 1"),
        ({"mode": "quick"}, "mode is 'quick'. Known: fast, slow"),
        ({"mode": "fas"}, "Did you mean 'fast'?"),
        ({"maybe": "x"}, "maybe must be a whole number"),
        ({"inner": 3}, "inner must be a mapping of keys, but is 3"),
        ({"inner": {"rate": "high"}}, "inner.rate must be a number, but is 'high'"),
        ({"inner": {"rate": float("nan")}}, "inner.rate must be a finite number"),
        ({"inner": {"rate": 1, "names": "a"}}, "inner.names must be a list, each item text"),
        ({"inner": {"rate": 1, "names": ["a", 2]}}, "inner.names.1 must be text, but is 2"),
        ({"inner": {}}, "inner: the key 'rate' is missing. Add it: a number."),
        (
            {"inner": {"rate": 1, "nmes": []}},
            "inner.nmes: unknown key 'nmes'. Did you mean 'names'?",
        ),
        ({"table": {"x": {"rate": []}}}, "table.x.rate must be a number"),
        ({"table": [1]}, "table must be a mapping of keys"),
        ({"zzz": 1}, "zzz: unknown key 'zzz'. Known: count, flag"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(ParamsError) as caught:
        build(Outer, {"count": 1, "inner": {"rate": 1}, **change}, "my.yaml")
    assert str(caught.value).startswith("my.yaml: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Square:
    kind: Literal["square"]
    side: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Circle:
    kind: Literal["circle"]
    radius: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    title: str
    shapes: dict[str, Square | Circle]
    outer: Outer


DRAWING = """\
title: A drawing

shapes:
  one: &one {kind: square, side: 2}
  two:
    kind: circle
    radius: 3e-1  # a number in YAML 1.2, as DVC reads it; text in YAML 1.1
  three:
    <<: *one
    side: 4
outer:
  count: 1
  inner:
    rate: 0.5
    names:
      - x
      - y
"""


def read_drawing(folder: Path, text: str) -> Drawing:
    (folder / "my.yaml").write_text(text)
    return build(Drawing, read_yaml(folder / "my.yaml"), "my.yaml")


def test_a_union_is_told_apart_by_kind(tmp_path: Path) -> None:
    drawing = read_drawing(tmp_path, DRAWING)
    assert drawing.shapes == {
        "one": Square(kind="square", side=2),
        "two": Circle(kind="circle", radius=0.3),
        "three": Square(kind="square", side=4),
    }
    assert type(drawing.shapes["two"].kind) is str


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("title: A", "titel: A", 1, "titel: unknown key 'titel'. Did you mean 'title'?"),
        ("title: A drawing", "title: 0", 1, "title must be text, but is 0."),
        ("side: 2", "sode: 2", 4, "shapes.one.sode: unknown key 'sode'. Did you mean 'side'?"),
        ("kind: circle", "kind: circel", 6, "shapes.two.kind is 'circel'. Did you mean 'circle'?"),
        ("    kind: circle\n", "", 5, "shapes.two: the key 'kind' is missing."),
        ("3e-1", "wide", 7, "shapes.two.radius must be a number, but is 'wide'."),
        ("side: 4", "side: .inf", 10, "shapes.three.side must be a finite number"),
        ("  count: 1\n", "", 11, "outer: the key 'count' is missing. Add it: a whole number."),
        ("rate: 0.5", "rate:", 14, "outer.inner.rate must be a number, but is nothing."),
        ("- y", "- 2", 17, "outer.inner.names.1 must be text, but is 2."),
    ],
)
def test_the_line_in_the_file_is_named(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        read_drawing(tmp_path, DRAWING.replace(old, new))
    assert str(caught.value).startswith(f"my.yaml, line {line}: {said}")


def test_a_merged_value_is_named_where_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("defaults: &d\n  rate: high\n\nx:\n  <<: *d\n  names: []\n")
    with pytest.raises(ParamsError, match=r"line 2: rate must be a number"):
        build(Inner, read_yaml(path)["x"], f"{path}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1, 2\n", "line 3: "),
        ("a: 1\na: 2\n", "line 2: found duplicate key"),
        ("a: *nowhere\n", "line 1: found undefined alias"),
        ("", "holds no keys"),
        ("- 1\n", "holds no keys"),
    ],
)
def test_bad_yaml_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError) as caught:
        read_yaml(tmp_path / "params.yaml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml: no such file"):
        read_yaml(tmp_path / "params.yaml")


def test_the_quick_reading_gives_the_same_values(tmp_path: Path) -> None:
    whole = read_yaml(Path("params.yaml"))
    quick = read_yaml_quickly(Path("params.yaml"))
    assert json.dumps(quick) == json.dumps(whole)
    for text in ("a: &x {b: 1}\nc: *x\n", "a: {b: 1\n"):  # an alias; no YAML
        (tmp_path / "p.yaml").write_text(text)
        assert read_yaml_quickly(tmp_path / "p.yaml") is None
    assert read_yaml_quickly(tmp_path / "none.yaml") is None
