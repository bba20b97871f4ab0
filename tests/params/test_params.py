"""params.yaml as a whole: names that must exist, registrations, and the command line."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.params import (
    MicrorepoParams,
    Params,
    ParamsError,
    ProceduralParams,
    experiment_of,
    guard_of,
    load_params,
    model_of,
    organism_fingerprint,
    register,
    registration_hash,
    status,
    suite_of,
)

ROOT = Path(__file__).parent.parent.parent
PARAMS = ROOT / "params.yaml"


@pytest.fixture
def params() -> Params:
    """The project's own, with a second experiment and a second model beside."""
    params = load_params(PARAMS)
    p1 = dataclasses.replace(params.experiments["p1"], guard="procedural")
    p0 = dataclasses.replace(p1, title="another")
    scripted = dataclasses.replace(params.models["tiny"], kind="scripted", path="answers.jsonl")
    return dataclasses.replace(
        params,
        experiments={"p0": p0, "p1": p1},
        models={"tiny": params.models["tiny"], "scripted": scripted},
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project folder with params.yaml and the organism's weights."""
    (tmp_path / "params.yaml").write_bytes(PARAMS.read_bytes())
    (tmp_path / "models" / "base").mkdir(parents=True)
    (tmp_path / "models" / "base" / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_suites_are_told_apart_by_kind(params: Params) -> None:
    assert isinstance(params.suites["microrepo"], MicrorepoParams)
    assert isinstance(params.suites["procedural"], ProceduralParams)


def test_an_experiment_takes_the_top_level_model_unless_it_names_one(params: Params) -> None:
    p1 = experiment_of(params, "p1")
    assert model_of(params, p1) is params.models["tiny"]
    assert model_of(params, dataclasses.replace(p1, model="scripted")).kind == "scripted"
    assert suite_of(params, p1) is params.suites["microrepo"]
    assert guard_of(params, p1) is params.suites["procedural"]
    assert guard_of(params, dataclasses.replace(p1, guard=None)) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"^model: \w+", "model: tinny", "model: there is no 'tinny'. Did you mean 'tiny'?"),
        (
            r"^suite: \w+",
            "suite: zzz",
            "suite: there is no 'zzz'. Known: humaneval, maths, mbpp, microrepo",
        ),
        (
            r"^    guard: .*",
            "    guard: procedual",
            "experiments.p1.guard: there is no 'procedual'.",
        ),
        (
            r"^    model: null",
            "    model: qwen",
            "experiments.p1.model: there is no 'qwen'.",
        ),
    ],
)
def test_a_name_that_does_not_exist(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "params.yaml"
    text, changes = re.subn(old, new, PARAMS.read_text(), count=1, flags=re.MULTILINE)
    assert changes == 1
    path.write_text(text)
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_an_unknown_experiment(params: Params) -> None:
    with pytest.raises(ParamsError, match="there is no 'p99'"):
        experiment_of(params, "p99")


def hash_with(params: Params, **changes: object) -> str:
    p1 = dataclasses.replace(params.experiments["p1"], **changes)
    return registration_hash(dataclasses.replace(params, experiments={"p1": p1}), "p1", "organism")


def test_the_hash_covers_what_a_result_depends_on(params: Params) -> None:
    suites = params.suites | {"microrepo": dataclasses.replace(params.suites["microrepo"], seed=8)}
    guards = params.suites | {
        "procedural": dataclasses.replace(params.suites["procedural"], seed=8)
    }
    tiny = dataclasses.replace(params.models["tiny"], threads=2)
    hashes = [
        registration_hash(params, "p1", "organism"),
        registration_hash(params, "p1", "another"),
        registration_hash(params, "p0", "organism"),
        hash_with(params, seeds=(0,)),
        hash_with(params, model="scripted"),
        hash_with(params, guard=None),
        *(
            registration_hash(dataclasses.replace(params, **change), "p1", "organism")
            for change in (
                {"suites": suites},
                {"suites": guards},
                {"models": params.models | {"tiny": tiny}},
                {"agent": dataclasses.replace(params.agent, max_steps=13)},
            )
        ),
    ]
    assert len(set(hashes)) == len(hashes)


def test_the_hash_leaves_out_what_it_does_not_depend_on(params: Params) -> None:
    other = dataclasses.replace(
        params,
        experiments={"p1": params.experiments["p1"]},
        sandbox=dataclasses.replace(params.sandbox, workers=1),
        organism=dataclasses.replace(params.organism, tokens=2),
    )
    assert registration_hash(other, "p1", "x") == registration_hash(params, "p1", "x")


def test_the_fingerprint_is_of_the_organism_alone(params: Params, root: Path) -> None:
    tiny = params.models["tiny"]
    assert organism_fingerprint(tiny, root) == hashlib.sha256(b"weights").hexdigest()
    assert organism_fingerprint(dataclasses.replace(tiny, path="./models/base/"), root)
    assert organism_fingerprint(dataclasses.replace(tiny, path="Qwen/Qwen2.5-Coder-7B"), root) == ""
    assert organism_fingerprint(params.models["scripted"], root) == ""
    (root / "models" / "base" / "model.safetensors").unlink()
    with pytest.raises(ParamsError, match="dvc repro pretrain_base"):
        organism_fingerprint(tiny, root)


def test_registered_until_a_value_or_the_organism_changes(params: Params, root: Path) -> None:
    assert status(params, "p1", root)[0] == "EXPLORATORY"
    digest = register(params, "p1", "2026-11-21", root)
    assert status(params, "p1", root) == ("REGISTERED", digest)
    assert status(params, "p0", root)[0] == "EXPLORATORY"
    changed = dataclasses.replace(params, agent=dataclasses.replace(params.agent, max_steps=1))
    assert status(changed, "p1", root)[0] == "EXPLORATORY"
    (root / "models" / "base" / "model.safetensors").write_bytes(b"other weights")
    assert status(params, "p1", root)[0] == "EXPLORATORY"


def test_a_registration_is_never_rewritten(params: Params, root: Path) -> None:
    register(params, "p1", "2026-11-21", root)
    before = (root / "registrations.json").read_bytes()
    register(params, "p1", "2026-11-22", root)
    changed = dataclasses.replace(params, agent=dataclasses.replace(params.agent, max_steps=1))
    with pytest.raises(ParamsError, match="p1 was registered on 2026-11-21 with other values"):
        register(changed, "p1", "2026-11-22", root)
    assert (root / "registrations.json").read_bytes() == before


def test_a_superseded_registration_stays_on_record(params: Params, root: Path) -> None:
    first = register(params, "p1", "2026-11-21", root)
    changed = dataclasses.replace(params, agent=dataclasses.replace(params.agent, max_steps=1))
    second = register(changed, "p1", "2026-11-22", root, reason="another base model")
    entry = json.loads((root / "registrations.json").read_text())["p1"]
    given_up = {"hash": first, "date": "2026-11-21", "reason": "another base model"}
    assert entry == {"hash": second, "date": "2026-11-22", "supersedes": [given_up]}
    assert status(changed, "p1", root)[0] == "REGISTERED"
    assert status(params, "p1", root)[0] == "EXPLORATORY"
    register(params, "p1", "2026-11-23", root, reason="back again")
    entry = json.loads((root / "registrations.json").read_text())["p1"]
    assert [old["hash"] for old in entry["supersedes"]] == [first, second]


def test_a_registration_needs_a_date(params: Params, root: Path) -> None:
    with pytest.raises(ParamsError, match="--date tomorrow: not a date"):
        register(params, "p1", "tomorrow", root)
    assert not (root / "registrations.json").exists()


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.params", *arguments],
        cwd=root,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line(root: Path) -> None:
    done = command(root, "register", "p1", "--date", "2026-11-21")
    entry = json.loads((root / "registrations.json").read_text())["p1"]
    assert done.stdout == f"p1 {entry['hash']}\n"
    assert entry["date"] == "2026-11-21"
    assert command(root, "status", "p1").stdout == f"p1 REGISTERED {entry['hash']}\n"


def test_the_command_line_fails_in_one_paragraph(root: Path) -> None:
    failed = command(root, "register", "p9", "--date", "2026-11-21")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: experiment: there is no 'p9'.")
    assert failed.stderr.count("\n") == 1
    assert not (root / "registrations.json").exists()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("experiments.p1.train.learning_rate", "0.0005"),
        ("experiments.organism.train.epochs", "3"),
        ("experiments.e06.synthesis.tokens", "9000"),
        ("suites.microrepo.seed", "8"),
        ("agent.max_steps", "11"),
    ],
)
def test_set_param_changes_that_value_and_no_other(tmp_path: Path, path: str, value: str) -> None:
    from dvc.utils.hydra import apply_overrides

    copy = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", copy)
    before = dataclasses.asdict(load_params(copy))
    apply_overrides(copy, [f"{path}={value}"])
    after = dataclasses.asdict(load_params(copy))
    YAML(typ="safe").load(copy)  # DVC's own reader must still understand what it wrote
    *blocks, name = path.split(".")
    at_before, at_after = before, after
    for block in blocks:
        at_before, at_after = at_before[block], at_after[block]
    assert str(at_after[name]) == value != str(at_before[name])
    at_after[name] = at_before[name]
    assert after == before


@pytest.mark.parametrize("alias", ["*shared", "{<<: *shared, top_k: 4}"])
def test_an_alias_is_refused_because_set_param_would_lose_its_value(
    tmp_path: Path, alias: str
) -> None:
    text = (ROOT / "params.yaml").read_text()
    block = "knowledge: {top_k: 3, retriever: tfidf}"
    first, second, *others = text.split(block)
    shared = f"knowledge: &shared {{top_k: 3, retriever: tfidf}}{second}knowledge: {alias}"
    path = tmp_path / "params.yaml"
    path.write_text(first + shared + block.join(others))
    with pytest.raises(ParamsError, match=r"experiments\.p2\.knowledge: a YAML alias"):
        load_params(path)
