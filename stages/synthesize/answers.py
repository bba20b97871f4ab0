"""A teacher's answers, kept by content: each is paid for once, whatever happens to the run.

The key hashes the prompt, the model's identity and the settings, so a rerun asks for nothing (the
model isn't even opened) and a killed run goes on with what it lacks. At temperature 0 weights in
process answer the same each time, up to how requests fall into batches; a server promises nothing
of the kind, so there the kept answer is the only record of what was said.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.agent.model import Completion, Model, Request, StreamingModel
from stages.records import (
    RecordError,
    UserError,
    canonical_json,
    from_dict,
    sha256_text,
    write_json,
)


class TeacherError(UserError):
    """The teacher can't go on; the message says what is kept and how to continue."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """One kept answer; tokens in tokens."""

    asked: dict[str, Any]
    """The chat and its settings, as hashed into the key."""
    text: str
    finish: str
    """``stop``, or ``length`` when the answer was cut or the prompt had no room."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclasses.dataclass(frozen=True)
class Limits:
    """Most that may be spent on all answers of one model in one folder, earlier runs included."""

    tokens: int | None = None
    """Prompts and answers together, tokens; None: no limit."""
    usd: float | None = None
    """Money at the server's prices, USD; None: no limit."""


Cost = Callable[[int, int, int], float]
"""USD for prompt tokens, those of them that the server had cached, and written tokens."""


class Answers:
    """Asks for what isn't kept yet, ``at_once`` requests at a time, within the limits."""

    def __init__(
        self,
        folder: Path,
        identity: str,
        open_model: Callable[[], Model],
        limits: Limits,
        cost: Cost,
        at_once: int,
    ) -> None:
        """``identity`` is all that decides the answers beside the request; its hash names the
        folder below ``folder``. ``open_model`` is called when the first answer is missing."""
        self._identity = sha256_text(identity)
        self.folder = folder / self._identity[:16]
        self._open, self._model = open_model, None
        self._limits, self._cost, self._at_once = limits, cost, at_once
        self._kept: dict[Path, Answer] = {}

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """Every request's answer, in their order.

        TeacherError when the budget runs out or a request stays unanswered, RecordError for a
        kept answer that can't be read. What was answered until then is kept.
        """
        paths = {self._path(request): request for request in requests}
        waiting = [path for path in paths if not path.exists()]
        failed = ""
        for start in range(0, len(waiting), self._at_once):
            self._require_budget(len(waiting) - start)
            chunk = waiting[start : start + self._at_once]
            failed = self._ask_and_keep({path: paths[path] for path in chunk}) or failed
        lacking = sum(not path.exists() for path in paths)
        if lacking:
            raise TeacherError(
                f"{lacking} of {len(paths)} requests to the teacher stayed unanswered ({failed}). "
                f"The other answers are kept in {self.folder}: mend the cause and run the same "
                "command again, which asks for the missing ones only."
            )
        return [self._read(self._path(request)) for request in requests]

    def cost(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """What the answers took: their number, tokens in and out, and USD at today's prices."""
        tokens = [
            sum(getattr(answer, name) for answer in answers)
            for name in ("input_tokens", "cached_tokens", "output_tokens")
        ]
        names = ("answers", "input_tokens", "cached_tokens", "output_tokens", "usd")
        usd = round(self._cost(*tokens), 6)
        return dict(zip(names, (len(answers), *tokens, usd), strict=True))

    def _require_budget(self, missing: int) -> None:
        spent = self.cost([self._read(path) for path in sorted(self.folder.glob("*.json"))])
        tokens = spent["input_tokens"] + spent["output_tokens"]
        limits = self._limits
        if limits.tokens is not None and tokens >= limits.tokens:
            over = f"{tokens} tokens are spent, `budget_tokens` is {limits.tokens}"
        elif limits.usd is not None and spent["usd"] >= limits.usd:
            over = f"{spent['usd']:g} USD are spent, `budget_usd` is {limits.usd:g}"
        else:
            return
        raise TeacherError(
            f"the teacher's budget has run out: {over} ({spent['answers']} answers, "
            f"{spent['input_tokens']} tokens read, {spent['output_tokens']} written), and "
            f"{missing} requests are still to be asked. Every answer is kept in {self.folder}: "
            "raise the budget under `synthesis.teacher` and run the same command again, which asks "
            "for the missing ones only; or take fewer formats."
        )

    def _ask_and_keep(self, chunk: dict[Path, Request]) -> str:
        """Keep each answer as it comes; gives the last error of the harness, or nothing."""
        self._model = self._model or self._open()
        failed = ""
        paths = list(chunk)
        for number, done in _completions(self._model, list(chunk.values())):
            if done.error:
                failed = done.error
                continue
            answer = Answer(
                self._asked(chunk[paths[number]]),
                done.text,
                done.finish,
                done.input_tokens,
                done.cached_tokens,
                done.output_tokens,
            )
            write_json(paths[number], dataclasses.asdict(answer))
        return failed

    def _asked(self, request: Request) -> dict[str, Any]:
        return {
            "model": self._identity,
            "messages": list(request.messages),
            "temperature": request.temperature,
            "max_new_tokens": request.max_new_tokens,
            "seed": request.seed,
        }

    def _path(self, request: Request) -> Path:
        return self.folder / f"{sha256_text(canonical_json(self._asked(request)))}.json"

    def _read(self, path: Path) -> Answer:
        if path not in self._kept:
            self._kept[path] = self._read_file(path)
        return self._kept[path]

    def _read_file(self, path: Path) -> Answer:
        remedy = "Restore the file, or delete it to ask (and pay) for that answer again."
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise RecordError(f"{path}: not a kept answer of a teacher. {remedy}")
        answer = from_dict(Answer, row, str(path), remedy)
        if sha256_text(canonical_json(answer.asked)) != path.stem:
            raise RecordError(f"{path}: the answer to another request. {remedy}")
        return answer


def _completions(model: Model, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
    """Number and answer, each as it ends where the model can, so that a kill loses little."""
    stream = model.stream() if isinstance(model, StreamingModel) else None
    if stream is None:
        yield from enumerate(model.complete(requests))
        return
    stream.submit(list(enumerate(requests)))
    done = 0
    while done < len(requests):
        finished = stream.poll()
        done += len(finished)
        yield from finished
        for number, _ in finished:
            stream.forget(requests[number].key)
