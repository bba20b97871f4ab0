"""Loading the base model: what it says, and what it doesn't."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from transformers.utils import logging as bars

from stages.lab.models import load_base, quiet_libraries, require_recorded_ids
from stages.params import ParamsError
from tests.small_lab import small_lab
from tests.train_adapter.conftest import make_model, make_tokenizer

LOAD = """
from stages.lab.models import local_model
from stages.params import ModelParams
local_model(ModelParams(**{values!r}))
"""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    tokenizer = make_tokenizer()
    make_model(len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_stage_that_loads_a_model_says_nothing(checkpoint: Path) -> None:
    """In a process of its own: what is said at a first import is said once."""
    values = {**dataclasses.asdict(small_lab().model), "path": str(checkpoint)}
    code = LOAD.format(values=values)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_bars_come_back_and_errors_are_still_heard() -> None:
    shown = bars.is_progress_bar_enabled()
    with quiet_libraries():
        assert not bars.is_progress_bar_enabled()
    assert bars.is_progress_bar_enabled() == shown
    assert logging.getLogger("bitsandbytes.backends.cpu.ops").isEnabledFor(logging.ERROR)


def test_a_missing_checkpoint_and_other_token_ids_are_named(checkpoint: Path) -> None:
    missing = dataclasses.replace(small_lab().model, path=str(checkpoint / "none"))
    with pytest.raises(ParamsError, match=r"none: no checkpoint there.*dvc repro pretrain_base"):
        load_base(missing)
    check = {"text": "open part1.py", "ids": [0]}
    (checkpoint / "tokenizer_check.json").write_text(json.dumps(check))
    with pytest.raises(ParamsError, match=r"tokenizer_check\.json: the tokenizer gives other ids"):
        require_recorded_ids(make_tokenizer(), checkpoint)
