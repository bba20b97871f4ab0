"""The shell's variables don't reach the arithmetic."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
import stages
import hashlib, os
import numpy as np
import torch

rng = np.random.default_rng(0)
keys, query = (rng.standard_normal(shape).astype(np.float32) for shape in ((203, 64), (64,)))
found = hashlib.sha256((keys @ query).tobytes() + ((keys @ query) @ keys).tobytes())
x, w = torch.from_numpy(keys), torch.from_numpy(keys[:131])
found.update((x @ w.T).numpy().tobytes() + torch.exp(x).numpy().tobytes())
print(found.hexdigest())
"""
BARE = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
CHANGES = [
    {"OPENBLAS_CORETYPE": "Prescott"},
    {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"},
    {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"},
    {"ONEDNN_MAX_CPU_ISA": "SSE41", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX2"},
]


def digest(script: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**BARE, "PYTHONPATH": str(Path.cwd()), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_shell_does_not_change_a_bit() -> None:
    bare = digest(SCRIPT)
    assert [digest(SCRIPT, **change) for change in CHANGES] == [bare] * len(CHANGES)


def test_it_would_change_bits_if_the_variables_stayed() -> None:
    """The planted mistake: numpy before ``stages``; else the test above proves nothing."""
    if "openblas" not in str(np.show_config(mode="dicts")).lower():
        pytest.skip("numpy's linear algebra isn't OpenBLAS here, so its variables do nothing")
    late = SCRIPT.replace("import stages\n", "import numpy\nimport stages\n")
    assert digest(late) != digest(late, OPENBLAS_CORETYPE="Prescott")
