"""One process at a time in one stage of one experiment.

A run that was killed may leave its stage behind: the kill reaches the process that was named, not
the one that it had started. Two of them in one folder would mix their files. The lock is the
kernel's, held for as long as the process or a worker forked from it lives, however they end.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from stages.lab.cells import STORE


@contextmanager
def alone(stage: str, experiment: str) -> Iterator[None]:
    """Hold the stage of this experiment; waits for another process that does, and says so."""
    path = STORE / "at-work" / f"{stage}-{experiment}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            print(
                f"{stage}: process {holder} is still at work on {experiment}, perhaps left over "
                f"from a run that was killed. Waiting for it to end; to end it now: kill {holder}",
                file=sys.stderr,
                flush=True,
            )
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
