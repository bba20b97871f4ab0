"""The strict loader: each way a parameter can be wrong is planted, and the error must name it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import pytest

from stages.params import ParamsError, build, load_params
from stages.params.strict import read_yaml

GOOD = (Path(__file__).parent.parent / "data" / "params.yaml").read_text()


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


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "max_steps: 12",
            "max_step: 12",
            "agent.max_step: unknown key 'max_step'. Did you mean 'max_steps'?",
        ),
        (
            "rank: 8",
            "rank: eight",
            "experiments.p1.train.rank must be a whole number, but is 'eight'",
        ),
        ("epochs: 8", "epochs: 8.5", "experiments.p2.train.epochs must be a whole number"),
        ("device: cpu", "device: 0", "models.tiny.device must be text, but is 0"),
        (
            "kind: procedural",
            "kind: procedura",
            "suites.procedural.kind is 'procedura'. Did you mean 'procedural'?",
        ),
        ("seed: 7\n  proc", "seed: x\n  proc", "suites.microrepo.seed must be a whole number"),
        (
            "comparator: '>'",
            "comparator: '=>'",
            "experiments.p1.criteria.transfer.comparator is '=>'.",
        ),
    ],
)
def test_the_line_in_the_file_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "params.yaml"
    text = GOOD.replace(old, new)
    path.write_text(text)
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert str(caught.value).startswith(f"{path}, line {line_of(text, new)}: {said}")


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
