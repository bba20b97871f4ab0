"""A local server that answers well, or badly in the way a test plans."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Plan = Callable[["Handler", dict[str, Any]], None]


def chat(text: str, model: str, prompt: int = 7, written: int = 3, **usage: Any) -> dict[str, Any]:
    """A well-formed answer."""
    return {
        "id": "1",
        "object": "chat.completion",
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": written, **usage},
    }


def good(handler: Handler, body: dict[str, Any]) -> None:
    """Answers with the last message's text behind "echo "."""
    handler.reply(200, chat(f"echo {body['messages'][-1]['content']}", body["model"]))


def status(code: int, said: object = "no", **headers: str) -> Plan:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, _: handler.reply(code, said, named)


def changed(change: Callable[[dict[str, Any]], Any]) -> Plan:
    """A good answer after ``change``, which may also return another one."""

    def plan(handler: Handler, body: dict[str, Any]) -> None:
        answer = chat("submit", body["model"])
        handler.reply(200, change(answer) or answer)

    return plan


def cut(handler: Handler, body: dict[str, Any]) -> None:
    handler.reply(200, json.dumps(chat("submit", body["model"]))[:40])


def hang(handler: Handler, body: dict[str, Any]) -> None:
    del body
    handler.server.released.wait(5)  # type: ignore[attr-defined]


def hang_up(handler: Handler, body: dict[str, Any]) -> None:
    del body
    handler.close_connection = True


def trickle(handler: Handler, body: dict[str, Any]) -> None:
    """A byte now and then: each read succeeds, the whole never comes."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(json.dumps(chat("submit", body["model"])))))
    handler.end_headers()
    for byte in json.dumps(chat("submit", body["model"])).encode():
        if handler.server.released.wait(0.05):  # type: ignore[attr-defined]
            return
        try:
            handler.wfile.write(bytes([byte]))
        except OSError:
            return


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server: Any = self.server
        server.endpoint.take(self, body)

    def do_GET(self) -> None:
        server: Any = self.server
        server.endpoint.take(self, {})

    def reply(self, code: int, value: object, headers: dict[str, str] | None = None) -> None:
        data = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(code)
        for name, content in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, content)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class Endpoint:
    """What happened at the server, and what it does next: ``plans`` first, then ``always``."""

    def __init__(self) -> None:
        self.plans: deque[Plan] = deque()
        self.always: Plan = good
        self.seen: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        """Path, headers and body of each request."""
        self.in_flight, self.most = 0, 0
        self._lock = threading.Lock()
        self.url = ""

    def take(self, handler: Handler, body: dict[str, Any]) -> None:
        with self._lock:
            self.seen.append((handler.path, dict(handler.headers), body))
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            plan = self.plans.popleft() if self.plans else self.always
        try:
            plan(handler, body)
        finally:
            with self._lock:
                self.in_flight -= 1

    def slow(self, seconds: float) -> Plan:
        def plan(handler: Handler, body: dict[str, Any]) -> None:
            time.sleep(seconds)
            good(handler, body)

        return plan


class Server(ThreadingHTTPServer):
    daemon_threads = False  # joined at the end, so that no socket is left open

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet where the client hung up, as it should after a deadline."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving() -> Iterator[Endpoint]:
    server: Any = Server(("127.0.0.1", 0), Handler)
    server.released = threading.Event()
    server.endpoint = endpoint = Endpoint()
    endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
