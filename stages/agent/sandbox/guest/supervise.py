"""The zygote's watch over one run: output, deadline, memory, and the end of all it started."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import Any

from . import confine, grading, wire

TICK_S = 0.05
FLOOD = 64  # a run that writes this many times what is kept is stopped
PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """One forked run. Its process is number 1 of a pid namespace: with it, all it started ends."""

    def __init__(self, pid: int, pipe: int, proc: int, settings: dict[str, Any]) -> None:
        self.pid, self.pipe, self.proc, self.settings = pid, pipe, proc, settings
        self.started = time.monotonic()
        self.deadline = self.started + settings["wall_seconds"]
        self.next_check = self.started + TICK_S
        self.killed_by: str | None = None
        self.free = free_memory(settings)
        self.pidfd = os.pidfd_open(pid)
        self.poller = select.poll()
        self.poller.register(pipe, select.POLLIN)
        self.poller.register(self.pidfd, select.POLLIN)

    def output(self) -> dict[str, Any]:
        """Collect output until the run has ended; the reply of a command or program."""
        kept, seen, limit = [], 0, self.settings["output_bytes"]
        while (chunk := self._next()) is not None:
            if seen < limit:
                kept.append(chunk[: limit - seen])
            seen += len(chunk)
            if seen > FLOOD * limit:
                self.kill("output")
                break
        code = self._finish()
        return {
            "exit_code": code,
            "output": b"".join(kept).decode("utf-8", "replace"),
            "timed_out": self.killed_by == "wall",
            "killed_by": self.killed_by,
            "seconds": time.monotonic() - self.started,
        }

    def grade(self, token: bytes, tests: bytes, control: int) -> dict[str, Any]:
        """Tests and a fresh secret after the token; verdicts count only behind that secret."""
        secret = os.urandom(16)
        reply = self._message()
        if reply == token:
            os.set_blocking(control, False)
            self._send(control, wire.frame(secret) + wire.frame(tests))
            reply = self._message()
            if reply is not None and reply[:16] == secret:
                self.kill("")
                self._finish()
                return {"verdicts": wire.unpack(reply[16:])}
        early = reply.decode("utf-8", "replace")[:500] if reply else None
        early = early and "".join(c if c.isprintable() else "?" for c in early)
        if self.killed_by is None and reply is not None:
            self.kill("")
        code = self._finish()
        return {"failed": self._why(code, early)}

    def kill(self, reason: str) -> None:
        """End the run and everything in its pid namespace."""
        self.killed_by = self.killed_by or reason or None
        os.kill(self.pid, signal.SIGKILL)

    def _why(self, code: int, early: str | None) -> str:
        if self.killed_by in ("wall", "cpu"):
            return f"timed out ({self.killed_by} limit)"
        if early is not None:
            return early
        if self.killed_by:
            return f"ended by {self.killed_by} before its tests did"
        if code == grading.TAMPERED:
            return "the program reached for the grader (tracing, frames, gc, ctypes or audit hooks)"
        return f"ended with code {code} before its tests did"

    def _next(self) -> bytes | None:
        """The next bytes of the pipe; None once the run is over and the pipe is drained."""
        while True:
            now = time.monotonic()
            left = self.deadline - now
            if now > self.next_check:
                self._check_memory()
                self._check_files()
                self.next_check = now + TICK_S
            if left <= 0 and self.killed_by is None:
                self.kill("wall")
            events = dict(self.poller.poll(max(1.0, min(left, TICK_S) * 1000)))
            if self.pipe in events:
                chunk = os.read(self.pipe, 65536)
                if chunk:
                    return chunk
                self.poller.unregister(self.pipe)  # closed its output, still running
            elif self.pidfd in events:
                return None

    def _message(self) -> bytes | None:
        """One frame from the candidate's process; None when it ended first."""
        data = b""
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            chunk = self._next()
            if chunk is None or len(data) > 1 << 22:
                return None
            data += chunk
        return data[4:]

    def _send(self, fd: int, data: bytes) -> None:
        """Write to a process that may refuse to read, until it ends or its time is up."""
        poller = select.poll()
        poller.register(fd, select.POLLOUT)
        poller.register(self.pidfd, select.POLLIN)
        while data and time.monotonic() < self.deadline:
            events = dict(poller.poll(TICK_S * 1000))
            if self.pidfd in events or events.get(fd, 0) & select.POLLERR:
                return
            if fd in events:
                data = data[os.write(fd, data) :]

    def _check_memory(self) -> None:
        """Stop a run whose processes together hold more than the limit, each below its own."""
        resident = 0
        for name in os.listdir(self.proc):  # noqa: PTH208
            if not name.isdigit() or int(name) in (os.getpid(), os.getppid()):
                continue
            try:
                fd = os.open(f"{name}/statm", os.O_RDONLY, dir_fd=self.proc)
                pages = os.read(fd, 200).split()
                os.close(fd)
            except OSError:  # ended meanwhile
                continue
            resident += (int(pages[1]) - int(pages[2])) * PAGE
        if resident > self.settings["memory_mb"] * 1024 * 1024:
            self.kill("memory")

    def _check_files(self) -> None:
        """Where workspaces lie in memory, stop a run that fills it, or one that finds it full."""
        if self.free is None:
            return
        free = free_memory(self.settings) or 0
        grown, grown_by_all = self.free - free, self.settings["memory_free"] - free
        limit = self.settings["memory_mb"] * 1024 * 1024
        if grown > limit or grown_by_all > self.settings["memory_room"]:
            self.kill("files")

    def _finish(self) -> int:
        """Reap the run; its exit code as a shell would give it."""
        os.close(self.pidfd)
        os.close(self.pipe)
        _, status, usage = os.wait4(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            return code
        if self.killed_by is None:
            spent = usage.ru_utime + usage.ru_stime
            by_limit = (
                -code == signal.SIGKILL and spent >= self.settings["cpu_seconds"] / 2
            )  # the limit counts ticks
            self.killed_by = "cpu" if by_limit else f"signal {-code}"
        return 128 - code


def free_memory(settings: dict[str, Any]) -> int | None:
    """Bytes free where workspaces lie, if that is memory and this worker has workspaces."""
    if settings["memory_room"] is None or settings["stripped"]:
        return None
    state = os.statvfs(confine.WORK)
    return state.f_bavail * state.f_frsize
