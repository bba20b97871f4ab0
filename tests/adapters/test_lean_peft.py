"""peft and transformers without what one process on a CPU doesn't use."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ATTACHED = """
import sys
from stages.adapters.lora import LoraSettings, attached
import stages.agent.local, stages.lab.forcing
from tests.train_adapter.conftest import make_model
with attached(make_model(), LoraSettings(rank=2, alpha=4)):
    assert not {"bitsandbytes", "scipy.optimize"} & set(sys.modules)
from stages.adapters.lean_peft import allow_bitsandbytes
allow_bitsandbytes()
import torch
from transformers.utils import import_utils as asked
assert torch.distributed.is_available() and asked.is_scipy_available()
assert asked.is_accelerate_available()
from peft import helpers, import_utils
assert import_utils.is_bnb_4bit_available() and helpers.bnb is sys.modules["bitsandbytes"]
"""


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes isn't installed"
)
def test_it_is_imported_for_a_quantised_base_only() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ATTACHED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_nobody_imports_peft_another_way() -> None:
    found = []
    for path in sorted((ROOT / "stages").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            if any(name.partition(".")[0] == "peft" for name in names):
                found.append(path.name)
    assert set(found) == {"lean_peft.py"}
