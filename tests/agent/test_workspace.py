from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.agent.diff import changed_files, unified_diff
from stages.agent.edits import replace_once
from stages.agent.workspace import (
    WorkspaceError,
    materialise,
    read_tree,
    tree_hash,
    tree_hash_of_files,
)

FILES = {"a.py": "x = 1\n", "lib/b.py": "y = 2\r\n", "empty.txt": "", "z": "no end"}


def test_tree_hash_of_a_workspace_is_that_of_its_files(tmp_path: Path) -> None:
    materialise(tmp_path / "w", FILES)
    assert read_tree(tmp_path / "w") == FILES
    first = tree_hash(tmp_path / "w")
    assert first == tree_hash_of_files(FILES)
    (tmp_path / "w/__pycache__").mkdir()
    (tmp_path / "w/__pycache__/a.pyc").write_bytes(b"1")
    assert tree_hash(tmp_path / "w") == first


@pytest.mark.parametrize("change", ["text", "name", "mode", "link", "new"])
def test_tree_hash_sees_every_change(change: str, tmp_path: Path) -> None:
    materialise(tmp_path, FILES)
    before = tree_hash(tmp_path)
    path = tmp_path / "a.py"
    if change == "text":
        path.write_text("x = 2\n")
    elif change == "name":
        path.rename(tmp_path / "c.py")
    elif change == "mode":
        path.chmod(0o755)
    elif change == "link":
        path.unlink()
        path.symlink_to("lib/b.py")
    else:
        (tmp_path / "lib/new.py").write_text("")
    assert tree_hash(tmp_path) != before


@pytest.mark.parametrize("name", ["/tmp/x", "../x", "a/../../x"])
def test_materialise_refuses_to_leave_the_workspace(name: str, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="inside the workspace"):
        materialise(tmp_path, {name: ""})


LINES = st.lists(st.sampled_from(["a\n", "b\n", "  c\n", "\x0c\n", "d\r\n", "\n"]), max_size=12)
TEXT = st.builds(lambda lines, end: "".join(lines) + end, LINES, st.sampled_from(["", "last"]))
TREE = st.dictionaries(st.sampled_from(["a.py", "lib/b.py", "c.txt"]), TEXT, min_size=1)


def test_git_applies_the_diff(tmp_path: Path) -> None:
    number = 0

    @given(before=TREE, after=TREE)
    def check(before: dict[str, str], after: dict[str, str]) -> None:
        nonlocal number
        number += 1
        patch = unified_diff(before, after)
        if not patch:
            assert before == after
            return
        folder = tmp_path / str(number)
        materialise(folder, before)
        command = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"]
        subprocess.run(command, cwd=folder, input=patch.encode(), check=True)
        assert read_tree(folder) == after

    check()


def test_changed_files() -> None:
    assert changed_files({"a": "1", "b": "2", "c": "3"}, {"b": "2", "c": "4", "d": "5"}) == {
        "a": None,
        "c": "4",
        "d": "5",
    }
    assert unified_diff(FILES, FILES) == ""


@given(text=TEXT, at=st.integers(0, 40), size=st.integers(1, 12), new=TEXT)
def test_an_exact_unique_match_is_cut_out_and_nothing_else(
    text: str, at: int, size: int, new: str
) -> None:
    plain = text.replace("\r\n", "\n")
    find = plain[at : at + size]
    if not find or plain.count(find) != 1:
        return
    done = replace_once(text, find, new, 0.9)
    expected = plain.replace(find, new.replace("\r\n", "\n"))
    assert done.replace("\r\n", "\n") == expected
