"""Runs inside the sandbox, on the environment's own Python (3.8 or later): pytest, watched.

The candidate is imported by a child process. This one is the child's parent: what it holds (the
word that its answer begins with, the sandbox's output) the child can't reach, since it isn't
dumpable, and its files are gone before the child starts. The child's own output goes nowhere, so
printed results count for nothing. Reports come through a pipe, each behind a token; a session must
end in order, each phase of a test be reported once, and every canary, a test that can't pass, fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

WORKSPACE = "/workspace"
PHASES = ("setup", "call", "teardown")
PR_SET_DUMPABLE = 4
CHILD = """
import sys
sys.path[:] = [path for path in sys.path if path]  # not the workspace: no json.py of its
import json, os, pytest

def reporter(token, fd, write=os.write, dumps=json.dumps, plain=hasattr):
    def send(*values):
        write(fd, (token + dumps(values) + "\\n").encode())

    class Reporter:
        def pytest_runtest_logreport(self, report):
            outcome = "xfail" if plain(report, "wasxfail") else report.outcome
            send("test", report.nodeid, report.when, outcome, str(report.longrepr or "")[-300:])

        def pytest_collectreport(self, report):
            if report.failed:
                send("collect", report.nodeid, str(report.longrepr)[-300:])

        def pytest_sessionfinish(self, session, exitstatus):
            send("end", int(exitstatus))

    return Reporter()

def main():
    job = json.loads(sys.stdin.readline())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    plugin = reporter(job.pop("token"), job["fd"])
    installed = [n for n, path in enumerate(sys.path) if path.endswith("-packages")]
    at = installed[0] if installed else len(sys.path)
    sys.path[at:at] = job["path"]  # behind Python's own modules, before installed ones
    return pytest.main(job["arguments"], plugins=[plugin])

sys.exit(main())
"""


def main() -> None:
    """Print the job's word and, as JSON, what became of each test."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    with open(os.path.join(here, "job.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
        job = json.load(file)
    for name in os.listdir(here):  # noqa: PTH208
        os.unlink(os.path.join(here, name))  # noqa: PTH108, PTH118
    os.rmdir(here)  # noqa: PTH106
    hide()
    lines, token = run_child(job)
    print(job["word"] + json.dumps(judged(lines, token, job["canaries"])), flush=True)


def hide() -> None:
    """Keep the child, which has the same user, from opening this process's memory and files."""
    import ctypes

    if ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        sys.exit("this process can't be hidden from the tests")


def run_child(job: dict) -> tuple[list[bytes], bytes]:
    """Every line that came through the pipe until the child ended, and the token of true ones."""
    out, into = os.pipe()
    token = os.urandom(16).hex()
    child = subprocess.Popen(
        [sys.executable, "-s", "-B", "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[into],
        cwd=WORKSPACE,
        env={**os.environ, "PYTHONHASHSEED": "0", "HOME": "/tmp"},
    )
    os.close(into)
    told = {"token": token, "fd": into, "path": job["path"], "arguments": job["arguments"]}
    assert child.stdin is not None
    try:
        child.stdin.write(f"{json.dumps(told)}\n".encode())
        child.stdin.close()
    except BrokenPipeError:  # it ended at once: there will be no report
        pass
    with os.fdopen(out, "rb") as pipe:
        lines = pipe.read().split(b"\n")
    child.wait()
    return lines, token.encode()


def judged(lines: list[bytes], token: bytes, canaries: list[str]) -> dict:
    """``tests``: name -> whether it passed; ``why``: name -> what failed; ``failed``: why nothing
    counts, empty when all is in order."""
    events = [json.loads(line[len(token) :]) for line in lines if line.startswith(token)]
    ended = [n for n, event in enumerate(events) if event[0] == "end"]
    if len(ended) != 1 or ended[0] != len(events) - 1:
        return {"failed": "pytest didn't come to its end", "tests": {}, "why": {}}
    phases: dict = {}
    why = {event[1]: event[2] for event in events if event[0] == "collect"}
    for _, name, when, outcome, text in (event for event in events if event[0] == "test"):
        phases.setdefault(name, []).append((when, outcome))
        if outcome == "failed" and name not in canaries:
            why[name] = text
    passed = {n: found == [(p, "passed") for p in PHASES] for n, found in phases.items()}
    failed = {name for name, found in phases.items() if any(o == "failed" for _, o in found)}
    for canary in canaries:
        file = canary.partition("::")[0] + "::"
        seen = canary in phases or any(p for n, p in passed.items() if n.startswith(file))
        if seen and canary not in failed:
            return {"failed": "a test made to fail didn't fail", "tests": {}, "why": {}}
    tests = {name: found for name, found in passed.items() if name not in canaries}
    return {"failed": "", "tests": tests, "why": why}


if __name__ == "__main__":
    main()
