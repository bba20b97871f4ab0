"""Which tokenizer a checkpoint gets, and models by entry, folder and hub id."""

from __future__ import annotations

import json
import shutil

import pytest
from tokenizers import Tokenizer

from stages.checkpoints.load import PROBE, read_tokenizer, require_template
from stages.checkpoints.quantised import quantisation_config
from stages.lab.models import load_base, load_tokenizer
from stages.params import ParamsError, load_params, named_model
from tests.checkpoints.conftest import entry
from tests.small_lab import ROOT


def copied(checkpoint, folder, **tokenizer_config):
    shutil.copytree(checkpoint, folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **tokenizer_config}))
    return folder


@pytest.mark.parametrize("name", ["TokenizersBackend", "PreTrainedTokenizerFast", "Qwen2Tokenizer"])
def test_the_ids_are_those_of_tokenizer_json_whatever_the_class(checkpoint, tmp_path, name):
    """AutoTokenizer rebuilds Qwen2's own pre-tokenizer: words come back as letters."""
    folder = copied(checkpoint, tmp_path / "copy", tokenizer_class=name)
    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer = read_tokenizer(folder)
    for text in (PROBE, "fix name1 in part1.py"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ids == own.encode(text, add_special_tokens=False).ids
    assert tokenizer.chat_template == load_tokenizer(entry(path=str(checkpoint))).chat_template


def test_a_base_model_without_a_chat_template_is_refused(checkpoint, tmp_path):
    folder = copied(checkpoint, tmp_path / "copy", chat_template=None)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(ParamsError, match="no chat template"):
        load_base(entry(path=str(folder)))
    with pytest.raises(ParamsError, match="Instruct or Chat"):
        require_template(object(), folder)


def test_code_of_the_checkpoint_is_never_run(checkpoint, tmp_path):
    folder = copied(checkpoint, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ParamsError, match="architecture 'own' is code that comes with it"):
        load_base(entry(path=str(folder)))
    assert not (tmp_path / "ran").exists()


def test_bitsandbytes_that_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ParamsError, match=r"needs bitsandbytes.*requirements-real\.lock"):
        quantisation_config(entry(quantisation="4bit"))


def test_nf4_is_doubly_quantised_and_computes_in_the_models_type():
    pytest.importorskip("bitsandbytes", reason="bitsandbytes isn't installed (extra: real)")
    config = quantisation_config(entry(quantisation="4bit", dtype="bfloat16"))
    assert (config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == ("nf4", True)
    assert str(config.bnb_4bit_compute_dtype) == "torch.bfloat16"


def test_a_folder_or_hub_id_takes_the_custom_entry():
    params = load_params(ROOT / "params.yaml")
    for path in ("./mine/checkpoint", "owner/name"):
        model = named_model(params, path)
        assert model.path == path
        assert model.adapter == params.models["custom"].adapter
    with pytest.raises(ParamsError, match="there is no 'qwen'"):
        named_model(params, "qwen")


def test_every_real_model_is_told_how_to_be_fetched():
    models = load_params(ROOT / "params.yaml").models
    real = {n: m for n, m in models.items() if m.parameters_b}
    assert len(real) == 6
    for model in real.values():
        assert (model.revision, model.dtype, model.device) == ("main", "bfloat16", "cuda:0")
        assert model.adapter is not None and model.adapter.gradient_checkpointing
