"""A full disk is a harness error with its own remedy, before, in and after a run."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError
from stages.suites.swe_bench_cl.gold import gold_check
from stages.suites.swe_bench_cl.local import LocalExecutor
from stages.suites.swe_bench_cl.room import REMEDY, remedy, with_room
from tests.suites.swe_bench_cl.conftest import Shop


class Usage(NamedTuple):
    free: int


def shrinking(*free_mb: int) -> Iterator[Usage]:
    yield from (Usage(mb << 20) for mb in free_mb)


@pytest.mark.parametrize(("free", "when"), [((100,), "before"), ((9999, 100), "after")])
def test_too_little_room(
    free: tuple[int, ...], when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = shrinking(*free)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: next(left))
    told = rf"100 MiB are free {when} a run.*same command again"
    with pytest.raises(HarnessError, match=told), with_room(tmp_path):
        pass


def test_a_write_that_fails(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="the disk is full"), with_room(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), with_room(tmp_path):
        raise PermissionError(errno.EACCES, "no")


def test_a_failure_for_want_of_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = shrinking(9999, 100, 9999, 9999)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: next(left))
    with pytest.raises(HarnessError, match="100 MiB are free"), with_room(tmp_path):
        raise SweBenchError("pip failed")
    with pytest.raises(SweBenchError, match="pip failed"), with_room(tmp_path):
        raise SweBenchError("pip failed")


def test_what_programs_say() -> None:
    assert remedy("fatal: write error: No space left on device", "Go online.") == REMEDY
    assert remedy("fatal: bad object", "Go online.") == "Go online."


def test_a_full_disk_is_never_taken_for_a_failing_test(
    executor: LocalExecutor, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("swebench", reason="the swebench package isn't installed")
    left = shrinking(9999, 3)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda folder: next(left))
        with pytest.raises(HarnessError, match="may have failed for that"):
            gold_check(executor, shop.task, 1, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert gold_check(executor, shop.task, 1, tmp_path).sound
