"""README's worked example: its file and its parameters, put into a copy of the house, run."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from stages.strategies.protocol import State, consolidate
from tests.strategies.tiny import TinyMeasures, make_examples, train_tiny

ROOT = Path(__file__).parents[2]
SECTION = (
    (ROOT / "README.md").read_text("utf-8").split("### Adding a strategy")[1].split("\n## ")[0]
)
NAME = re.findall(r"`(\w+)\.py`", SECTION)[0]
[CODE] = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
[ENTRY] = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)

RUN = """
import json, sys
from pathlib import Path
from stages.lab.streams import strategy_of
from stages.params import load_params
from stages.strategies.store import load_state
from stages.train_adapter import streams
from tests.small_stream import small_base, stream_lab, write_inputs

arm = sys.argv[1]
chosen = load_params().experiments["e02"].stream.arms[arm]
streams.run_jobs = lambda jobs, *_: [job() for job in jobs]
lab = stream_lab({arm: (chosen.strategy, {**chosen.settings, "size": 3})})
examples = write_inputs(lab, Path())
streams.train_streams(lab, small_base()).sweep()
root = Path("models/adapters/p1/streams")
states = [load_state(path) for path in sorted(root.glob("*/*/*/c????"))]
print(json.dumps({
    "strategy": type(strategy_of(lab, arm)).__name__,
    "kept": [len(state.examples) for state in states],
    "seen": [state.facts["seen"] for state in states],
    "tokens": [state.trained_tokens for state in states],
}))
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("example") / f"{NAME}.py"
    path.write_text(CODE)
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = made
    spec.loader.exec_module(made)
    return made


def kept_after(module: ModuleType, size: int, sessions: int, seed: int = 0) -> State:
    state = State(seed=seed)
    strategy = module.ReservoirReplay(size=size)
    for session in range(sessions):
        state = consolidate(strategy, state, make_examples(session), train_tiny, TinyMeasures())
    return state


def test_the_buffer_fills_and_then_keeps_its_size(module: ModuleType) -> None:
    assert len(kept_after(module, size=8, sessions=1).examples) == 6
    state = kept_after(module, size=8, sessions=3)
    assert len(state.examples) == 8 and state.facts["seen"] == 18
    assert len({example.example_id for example in state.examples}) == 8


def test_every_example_is_kept_as_often_as_any_other(module: ModuleType) -> None:
    """5 of 20 kept: 400 seeds give 100 each, with a standard deviation of 8.7."""
    examples = [example for session in range(4) for example in make_examples(session, 5)]
    strategy, counts = module.ReservoirReplay(size=5), Counter[str]()
    done = {"adapter": train_tiny(module.Training("adapter", tuple(examples[:1])), steps=1)}
    for seed in range(400):
        state = State(seed=seed)
        for at in range(0, 20, 5):
            now = strategy.absorb(state, examples[at : at + 5], done, TinyMeasures())
            state = State(seed=seed, examples=now.examples, facts=now.facts)
        counts.update(example.example_id for example in state.examples)
    assert len(counts) == 20
    assert all(60 < count < 140 for count in counts.values())


def test_in_a_copy_of_the_house_it_runs_as_an_arm(tmp_path: Path) -> None:
    without = shutil.ignore_patterns("__pycache__")
    for folder in ("stages", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=without)
    (tmp_path / f"stages/strategies/{NAME}.py").write_text(CODE)
    params = (ROOT / "params.yaml").read_text("utf-8")
    experiment = params.index("\n  e02:\n")
    at = params.index("      arms:\n", params.index("    stream:\n", experiment)) + 12
    (tmp_path / "params.yaml").write_text(params[:at] + ENTRY + params[at:])
    arm = ENTRY.split(":")[0].strip()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", RUN, arm],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    ran = json.loads(found.stdout.splitlines()[-1])
    assert ran["strategy"] == "ReservoirReplay"
    assert ran["kept"] == [3, 3, 3] and ran["seen"] == sorted(ran["seen"])
    assert ran["tokens"][0] < ran["tokens"][1] < ran["tokens"][2]
