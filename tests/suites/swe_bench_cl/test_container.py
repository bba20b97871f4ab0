"""The container executor against a small Docker API, over HTTP on a Unix socket."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socketserver
import struct
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from stages.records import Outcome, Task
from stages.suites.swe_bench_cl.container import ContainerExecutor
from stages.suites.swe_bench_cl.errors import SweBenchError
from stages.suites.swe_bench_cl.executor import END, START
from stages.suites.swe_bench_cl.grading import Report, grade
from tests.suites.swe_bench_cl.conftest import params

pytest.importorskip("swebench", reason="the swebench package isn't installed")

IMAGE = "swebench/sweb.eval.x86_64.pydata_1776_xarray-1:latest"
TASK = Task(
    instance_id="pydata__xarray-1",
    suite="swe_bench_cl",
    repo="pydata/xarray",
    problem_statement="Wrong.",
    created_at="2020-01-01T00:00:00Z",
    difficulty="easy",
    patch="diff --git a/x.py b/x.py\n",
    test_patch="diff --git a/test_x.py b/test_x.py\n",
    FAIL_TO_PASS=("test_x.py::test_a",),
    meta={"version": "0.12", "base_commit": "a" * 40, "modified_files": ["x.py"]},
)


@dataclass
class Engine:
    """What the fake engine holds, how it misbehaves, and what it was asked."""

    images: set[str] = field(default_factory=lambda: {IMAGE})
    history: str = "c" * 40
    tests: str = f"{START}\nPASSED test_x.py::test_a\n{END}\n>>>>> Test Exit Code: 0\n"
    tests_exit: int = 0
    broken: str = ""
    asked: list[str] = field(default_factory=list)
    bodies: list[tuple[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    def output(self, command: str) -> tuple[int, str]:
        if "git init" in command:
            return 0, f"{self.history}\n"
        if "tests.sh" in command and "git" not in command:
            return self.tests_exit, self.tests
        return 0, "d" * 40


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(self, status: int, value: object = None) -> None:
        data = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer(self) -> None:
        engine = self.engine
        path = re.sub(r"^/v[\d.]+", "", self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self.chunks()
        engine.asked.append(f"{self.command} {path.split('?')[0]}")
        if engine.broken and engine.broken in path:
            return self.reply(500, {"message": "the engine is broken"})
        if path.startswith("/_ping"):
            return self.reply(200, "OK")
        if path.startswith("/version"):
            return self.reply(200, {"ApiVersion": "1.43", "MinAPIVersion": "1.24"})
        if path.startswith("/images/create"):
            engine.images.add(IMAGE)
            return self.reply(200, {"status": "Pulled"})
        if path.startswith("/images/"):
            known = any(name in path for name in engine.images) or "sha256:" in path
            return (
                self.reply(200, {"Id": "sha256:1"}) if known else self.reply(404, {"message": "no"})
            )
        if path.startswith("/containers/create"):
            engine.bodies.append(("create", json.loads(body)))
            return self.reply(201, {"Id": "box"})
        if path.startswith("/exec/") and path.endswith("/start"):
            return self.stream(engine.output(engine.commands[int(path.split("/")[2])])[1])
        if path.startswith("/exec/"):
            status = engine.output(engine.commands[int(path.split("/")[2])])[0]
            return self.reply(200, {"ExitCode": status, "Running": False})
        if path.endswith("/exec"):
            engine.commands.append(json.loads(body)["Cmd"][-1])
            return self.reply(201, {"Id": str(len(engine.commands) - 1)})
        if "/archive" in path:
            with tarfile.open(fileobj=io.BytesIO(body)) as tar:
                for entry in tar:
                    held = tar.extractfile(entry)
                    engine.files[entry.name] = held.read().decode() if held else ""
            return self.reply(200)
        if path.endswith("/json"):
            return self.reply(200, {"Id": "box", "Config": {}, "State": {"Status": "running"}})
        return self.reply(204)

    def chunks(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def stream(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        time.sleep(0.1)  # the client reads what follows from the bare socket
        data = text.encode()
        self.wfile.write(struct.pack(">BxxxL", 1, len(data)) + data)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        return super().get_request()[0], ("unix", 0)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[Engine, str]]:
    state = Engine()
    handler = type("Bound", (Handler,), {"engine": state})
    path = str(tmp_path / "docker.sock")
    with Server(path, handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield state, f"unix://{path}"
        server.shutdown()
        thread.join()


def report_of(socket: str, folder: Path, **changed: object) -> Report:
    chosen = ContainerExecutor(params(folder, folder, socket=socket, **changed))
    with contextlib.closing(chosen.client):
        return grade(chosen, TASK, TASK.patch)


def test_request_sequence(engine: tuple[Engine, str], tmp_path: Path) -> None:
    state, socket = engine
    report = report_of(socket, tmp_path)
    assert (report.outcome, report.detail) == (Outcome.RESOLVED, "")
    steps = [re.sub(r"/\d+/", "/N/", line) for line in state.asked if "_ping" not in line]
    wanted = [
        f"GET /images/{IMAGE}/json",
        "POST /containers/create",
        "POST /containers/box/start",
        "POST /exec/N/start",
        "PUT /containers/box/archive",
        "DELETE /containers/box",
    ]
    places = [steps.index(step) for step in wanted]
    assert places == sorted(places)
    assert steps[-1] == "DELETE /containers/box"
    assert state.files["carryover/model.patch"] == TASK.patch
    assert state.files["carryover/test.patch"] == TASK.test_patch
    assert "pytest -rA test_x.py" in state.files["carryover/tests.sh"]
    told = [re.search(r"git init|git apply|tests.sh", command) for command in state.commands]
    order = [match[0] for match in told if match]
    assert order == ["git init", "git apply", "git apply", "tests.sh"]


def test_the_container_is_shut_in(engine: tuple[Engine, str], tmp_path: Path) -> None:
    state, socket = engine
    report_of(socket, tmp_path)
    host = state.bodies[0][1]["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["CapDrop"] == ["ALL"]
    assert host["Memory"] == 1024 * 1024 * 1024
    assert host["PidsLimit"] == 64


def test_outcomes(engine: tuple[Engine, str], tmp_path: Path) -> None:
    state, socket = engine
    state.tests = state.tests.replace("PASSED", "FAILED")
    assert report_of(socket, tmp_path).outcome is Outcome.UNRESOLVED
    state.tests_exit = 124
    assert report_of(socket, tmp_path).outcome is Outcome.TIMEOUT


@pytest.mark.parametrize("where", ["/containers/create", "/start", "/archive", "/exec"])
def test_a_broken_engine_is_a_harness_error(
    engine: tuple[Engine, str], tmp_path: Path, where: str
) -> None:
    state, socket = engine
    state.broken = where
    report = report_of(socket, tmp_path)
    assert report.outcome is Outcome.HARNESS_ERROR
    assert "the engine is broken" in report.detail
    if where != "/containers/create":
        assert state.asked[-1] == "DELETE /containers/box"


def test_a_history_that_stays_is_a_harness_error(
    engine: tuple[Engine, str], tmp_path: Path
) -> None:
    state, socket = engine
    state.history = f"refs/tags/v2\n{'c' * 40}"
    report = report_of(socket, tmp_path)
    assert report.outcome is Outcome.HARNESS_ERROR
    assert "can't be replaced by one commit" in report.detail


def test_images_are_pulled_only_when_allowed(engine: tuple[Engine, str], tmp_path: Path) -> None:
    state, socket = engine
    state.images.clear()
    report = report_of(socket, tmp_path)
    assert report.outcome is Outcome.HARNESS_ERROR
    assert f"docker pull {IMAGE}" in report.detail
    assert report_of(socket, tmp_path, pull=True).outcome is Outcome.RESOLVED
    assert "POST /images/create" in state.asked


def test_no_engine_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SweBenchError, match=r"no container engine answers.*podman.socket.*local"):
        ContainerExecutor(params(tmp_path, tmp_path, socket=f"unix://{tmp_path}/none.sock"))
