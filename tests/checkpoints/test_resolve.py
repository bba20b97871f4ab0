"""Finding a checkpoint, fetching it and keeping to its commit, with a hub that lies in a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import constants, errors

from stages.checkpoints import fetch as fetching
from stages.checkpoints.__main__ import main
from stages.checkpoints.fetch import fetch
from stages.checkpoints.identity import checkpoint_sha256
from stages.checkpoints.resolve import find_checkpoint, is_hub_id
from stages.checkpoints.revisions import FILE, recorded_commit
from stages.lab.models import load_base
from stages.params import ParamsError
from tests.checkpoints.conftest import entry
from tests.small_lab import ROOT

OLD, NEW = "a" * 40, "b" * 40
MODEL = entry(parameters_b=7.6)


class FolderHub:
    """A hub with one model, whose main stands at ``commit``."""

    def __init__(self, cache: Path, source: Path, commit: str = OLD) -> None:
        self.cache, self.source, self.commit = cache, source, commit

    def files(self, name, revision):
        return self.commit, {p.name: p.stat().st_size for p in self.source.iterdir()}

    def download(self, name, commit, patterns):
        top = self.cache / f"models--{name.replace('/', '--')}"
        folder = top / "snapshots" / commit
        for pattern in patterns:
            for path in self.source.glob(pattern):
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder)
        (top / "refs").mkdir(exist_ok=True)
        (top / "refs" / "main").write_text(commit)
        return folder


@pytest.fixture
def hub(tmp_path, monkeypatch, checkpoint):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return FolderHub(tmp_path / "cache", checkpoint)


def test_a_fetched_model_is_found_at_its_recorded_commit_and_loads(hub):
    folder = fetch(MODEL, hub=hub)
    assert recorded_commit(MODEL) == OLD
    assert json.loads(FILE.read_text()) == {"owner/name@main": OLD}
    assert find_checkpoint(MODEL) == folder
    model, tokenizer = load_base(MODEL)
    assert model.config.model_type == "qwen2"
    assert tokenizer("fix")["input_ids"]


def test_what_was_never_fetched_says_what_to_run_and_how_much_room_it_takes(hub):
    with pytest.raises(ParamsError) as raised:
        find_checkpoint(MODEL)
    text = str(raised.value)
    assert "about 15 GB on disk" in text
    assert "`HF_HUB_OFFLINE=0 python -m stages.checkpoints fetch owner/name`" in text


def test_a_branch_that_moved_stops_until_it_is_accepted(hub):
    fetch(MODEL, hub=hub)
    hub.commit = NEW
    with pytest.raises(ParamsError, match=f"recorded as commit {OLD}, and is {NEW} now.*accept"):
        fetch(MODEL, hub=hub)
    hub.download("owner/name", NEW, ("*.json",))  # someone else's download moves the cache's branch
    with pytest.raises(ParamsError, match=r"is .* now: the owner changed the model"):
        find_checkpoint(MODEL)
    fetch(MODEL, accept=True, hub=hub)
    assert recorded_commit(MODEL) == NEW
    assert find_checkpoint(MODEL).name == NEW


def test_a_commit_can_be_named_to_stay_with_it(hub):
    pinned = entry(revision=OLD)
    fetch(pinned, hub=hub)
    hub.commit = NEW
    hub.download("owner/name", NEW, ("*",))
    assert find_checkpoint(pinned).name == OLD


def test_config_alone_is_not_enough_to_load(hub):
    fetch(MODEL, weights=False, hub=hub)
    with pytest.raises(ParamsError, match=r"1 weight files are missing.*fetch owner/name"):
        find_checkpoint(MODEL)


def test_a_full_disk_is_told_before_the_download(hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(ParamsError, match=r"takes 0\.0 GB in .*cache, where 0\.0 GB are free"):
        fetch(MODEL, hub=hub)
    assert not FILE.exists()


def test_pickles_are_refused_on_the_hub_and_in_a_folder(hub, tmp_path, checkpoint):
    source = tmp_path / "pickled"
    source.mkdir()
    shutil.copy(checkpoint / "config.json", source)
    (source / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ParamsError, match="no safetensors on the hub"):
        fetch(MODEL, hub=FolderHub(hub.cache, source))
    with pytest.raises(ParamsError, match="pickle files, which can run code"):
        find_checkpoint(entry(path=str(source)))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.OfflineModeIsEnabled("no"), "can't be used from here"),
        (ConnectionError("no route"), "can't be used from here"),
    ],
)
def test_a_dead_network_is_one_paragraph(hub, monkeypatch, error, text):
    def refuse(name, revision):
        raise error

    monkeypatch.setattr(hub, "files", refuse)
    with pytest.raises(ParamsError, match=text) as raised:
        fetch(MODEL, hub=hub)
    assert "\n" not in str(raised.value)
    assert "-S model=<folder>" in str(raised.value)


def test_unknown_revisions_models_and_licences_are_told_apart(hub, monkeypatch):
    for kind, text in (
        (errors.RevisionNotFoundError, "knows no such revision"),
        (errors.RepositoryNotFoundError, "knows no such model"),
        (errors.GatedRepoError, "licence accepted"),
    ):
        answer = httpx2.Response(404, request=httpx2.Request("GET", "https://hub.example"))

        def refuse(name, revision, kind=kind, answer=answer):
            raise kind("no", response=answer)

        monkeypatch.setattr(hub, "files", refuse)
        with pytest.raises(ParamsError, match=text):
            fetch(MODEL, hub=hub)


def test_a_missing_shard_is_named(tmp_path, checkpoint):
    folder = tmp_path / "sharded"
    shutil.copytree(checkpoint, folder)
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ParamsError, match=r"missing, the first model-2\.safetensors"):
        find_checkpoint(entry(path=str(folder)))


def test_what_is_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert is_hub_id("Qwen/Qwen2.5-Coder-7B-Instruct")
    for folder in ("models/base", "here/name", "./owner/name", "/x/y", "owner", "../owner/name"):
        assert not is_hub_id(folder)


def test_the_identity_follows_contents_and_commit(hub, tmp_path, checkpoint):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    model = entry(path=str(folder))
    before = checkpoint_sha256(model)
    assert checkpoint_sha256(model) == before
    weights = folder / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(bytes(changed))
    assert checkpoint_sha256(model) != before
    unfetched = checkpoint_sha256(MODEL)
    fetch(MODEL, hub=hub)
    assert checkpoint_sha256(MODEL) != unfetched


def test_the_command_fetches_by_name_or_id_and_shows_sizes(hub, monkeypatch, capsys, tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.setattr(fetching, "HuggingFace", lambda: hub)
    main(["fetch", "qwen-coder-7b", "--config-only"])
    main(["show", "Qwen/Qwen2.5-Coder-7B-Instruct"])
    shown = capsys.readouterr().out
    assert f"snapshots/{OLD}" in shown
    assert "training an adapter" in shown
    hub.commit = NEW
    with pytest.raises(SystemExit, match=r"checkpoints: .*accept Qwen/Qwen2\.5-Coder-7B-Instruct"):
        main(["fetch", "qwen-coder-7b"])
    main(["accept", "qwen-coder-7b"])
    assert NEW in capsys.readouterr().out
