"""Synthesized examples as a data set: trl's columns, counted, whole or not there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from stages.export.__main__ import main
from stages.export.dataset import export_dataset
from stages.export.folder import ExportError
from stages.records import Example, RecordError, read_jsonl, write_json, write_jsonl
from tests.agent.tiny import tiny_qwen2, tiny_tokenizer

ASKED = (
    {"role": "system", "content": "repo shop"},
    {"role": "user", "content": "how is it tested"},
)
TOLD = (*ASKED, {"role": "assistant", "content": "open a.py"}, {"role": "tool", "content": "x = 1"})
EXAMPLES = [
    Example("1", "A", ASKED, "test python run.py", instance_id="t1", trajectory_id="s1"),
    Example("2", "C", ASKED, "good", rejected="bad", instance_id="t1", trajectory_id="s2", step=3),
    Example("3", "T", TOLD, "submit", train_on="assistant", instance_id="t2", trajectory_id="s3"),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "synthetic/w/A/all.jsonl"
    write_jsonl(path, [*EXAMPLES, EXAMPLES[0]])
    write_json(path.parent / "manifest.json", {"source_sha256": "ab" * 32})
    return path


def test_each_kind_of_example_has_its_own_columns(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    counts = export_dataset([source], out)
    assert counts == {"prompt_completion": 1, "preference": 1, "messages": 1}
    (asked,) = read_jsonl(out / "prompt_completion.jsonl", dict)
    assert asked["prompt"] == list(ASKED)
    assert asked["completion"] == [{"role": "assistant", "content": "test python run.py"}]
    (pair,) = read_jsonl(out / "preference.jsonl", dict)
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("good", "bad")
    assert (pair["trajectory_id"], pair["step"]) == ("s2", 3)
    (told,) = read_jsonl(out / "messages.jsonl", dict)
    assert [m["role"] for m in told["messages"]][-3:] == ["assistant", "tool", "assistant"]


def test_the_card_has_counts_and_provenance_and_no_licence(source: Path, tmp_path: Path) -> None:
    export_dataset([source], tmp_path / "out")
    card = (tmp_path / "out/README.md").read_text()
    assert "config_name: preference" in card and "abababababababab" in card
    assert "\nlicense:" not in card and "# license: yours to choose" in card
    rows = {line.split("|")[1].strip(): line for line in card.splitlines() if line.count("|") > 3}
    assert [cell.strip() for cell in rows["w/A/all.jsonl"].split("|")][2] == "4"
    assert str(tmp_path) not in card


def test_equal_examples_give_equal_bytes(source: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export_dataset([source], tmp_path / name)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_what_cannot_be_written_leaves_nothing(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("x")
    with pytest.raises(ExportError, match="exists already"):
        export_dataset([source], tmp_path / "out")
    source.write_text('{"example_id": "1"}\n')
    with pytest.raises(RecordError, match=r"line 1: field 'format'"):
        export_dataset([source], tmp_path / "new")
    source.write_text("")
    with pytest.raises(ExportError, match="no example"):
        export_dataset([source], tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "synthetic"]


def test_the_command_and_its_help(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["dataset", str(source), "-o", str(tmp_path / "out")])
    assert "messages 1, preference 1" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "skill-s0" in capsys.readouterr().out


def test_datasets_loads_every_configuration(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    out = tmp_path / "out"
    export_dataset([source], out)
    cache = str(tmp_path / "cache")
    kinds = {"prompt_completion": ASKED, "preference": ASKED, "messages": None}
    for kind, prompt in kinds.items():
        data = datasets.load_dataset(str(out), kind, split="train", cache_dir=cache)
        assert data.num_rows == 1
        if prompt:
            assert data[0]["prompt"] == list(prompt)
        else:
            assert data[0]["messages"][-1] == {"role": "assistant", "content": "submit"}


def trainer_settings(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "max_steps": 1,
        "per_device_train_batch_size": 1,
        "report_to": "none",
        "gradient_checkpointing": False,
        "use_cpu": True,
        "bf16": False,
        "save_strategy": "no",
        "disable_tqdm": True,
    }


@pytest.mark.skipif(not importlib.util.find_spec("trl"), reason="trl isn't installed")
@pytest.mark.filterwarnings("ignore")
def test_trls_trainers_take_it(source: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    import trl  # pyright: ignore[reportMissingImports]

    out = tmp_path / "out"
    export_dataset([source], out)
    options = trainer_settings(tmp_path / "trainer")
    for kind in ("prompt_completion", "messages", "preference"):
        data = datasets.load_dataset(
            str(out), kind, split="train", cache_dir=str(tmp_path / "cache")
        )
        name = "DPO" if kind == "preference" else "SFT"
        reference = {"ref_model": tiny_qwen2()} if name == "DPO" else {}
        trainer = getattr(trl, f"{name}Trainer")(
            model=tiny_qwen2(),
            args=getattr(trl, f"{name}Config")(**options),
            train_dataset=data,
            processing_class=tiny_tokenizer(),
            **reference,
        )
        loss = trainer.train().training_loss
        if kind == "preference":
            assert loss == pytest.approx(0.6931, abs=1e-3)  # ln 2: nothing is learned yet
        elif kind == "prompt_completion":
            (labels,) = next(iter(trainer.get_train_dataloader()))["labels"].tolist()
            text = tiny_tokenizer().decode([label for label in labels if label != -100])
            assert text == "test python run.py<|end|>"
        assert loss > 0
