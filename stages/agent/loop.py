"""The loop: many episodes advance together, one batch of queries at a time.

Nothing here depends on the clock: which episodes share a batch follows from the requests alone,
so the same seed gives the same trajectories.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from stages.agent.actions import Action
from stages.agent.episode import Episode
from stages.agent.model import Completion, Model, Request, Stream, StreamingModel
from stages.agent.spec import AgentConfig, EpisodeResult, EpisodeSpec
from stages.agent.tools import CommandRunner, Observation, needs_sandbox

TOOL_THREADS = 2
"""Commands that run side by side."""
RunnerOf = Callable[[EpisodeSpec], CommandRunner]
OVERLAP_POLLS = 4
"""A command's output is fetched this many polls after its start: it runs while others decode."""


def run_episodes(
    model: Model,
    specs: Sequence[EpisodeSpec],
    config: AgentConfig,
    runner: CommandRunner | RunnerOf,
    *,
    max_live: int = 64,
    tool_threads: int = TOOL_THREADS,
    root: Path | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> list[EpisodeResult]:
    """Run every episode to its end; results in the order of ``specs``.

    At most ``max_live`` episodes live at a time; one that ends makes room for the next. A model
    that streams gets each next query as soon as it is known; any other is asked once a round for
    all live episodes. ``runner`` runs the agents' commands; a function gives each episode its own.
    Workspaces are temporary folders in ``root``: by default the runner's own place for them
    (``runner.work``), else the system's.
    """
    _check_keys(specs)
    runner_of: RunnerOf = runner if callable(runner) else lambda _: runner
    with ThreadPoolExecutor(max_workers=max(1, tool_threads)) as pool:
        run = _Run(model, specs, config, runner_of, max_live, root, pool)
        run.count_tokens = count_tokens or _estimate_tokens
        try:
            return run.to_end()
        finally:
            run.clean()


def _check_keys(specs: Sequence[EpisodeSpec]) -> None:
    seen: set[Hashable] = set()
    for spec in specs:
        if spec.key in seen:
            raise ValueError(
                f"two episodes are the same in task, attempt, seed, condition and adapter: "
                f"{spec.key}. Give each attempt its own number."
            )
        seen.add(spec.key)


def _estimate_tokens(text: str) -> int:
    """Four characters a token, the usual rule of thumb, where no tokenizer is at hand."""
    return len(text) // 4 + 1


class _Lockstep:
    """Makes a model that answers batches look like one that streams."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._queued: list[tuple[int, Request]] = []

    def submit(self, requests: Sequence[tuple[int, Request]]) -> None:
        self._queued += requests

    def poll(self) -> list[tuple[int, Completion]]:
        queued, self._queued = sorted(self._queued, key=lambda item: item[0]), []
        completions = self._model.complete([request for _, request in queued])
        return [(tag, done) for (tag, _), done in zip(queued, completions, strict=True)]

    def forget(self, key: Hashable) -> None:
        del key


class _Run:
    """The state of one ``run_episodes``: who is live, who waits for a command."""

    count_tokens: Callable[[str], int] = staticmethod(_estimate_tokens)

    def __init__(
        self,
        model: Model,
        specs: Sequence[EpisodeSpec],
        config: AgentConfig,
        runner_of: RunnerOf,
        max_live: int,
        root: Path | None,
        pool: ThreadPoolExecutor,
    ) -> None:
        stream = model.stream() if isinstance(model, StreamingModel) else None
        self._delay = OVERLAP_POLLS if stream else 0
        self._stream: Stream = stream or _Lockstep(model)
        self._specs, self._config, self._runner_of = specs, config, runner_of
        self._max_live, self._root, self._pool = max_live, root, pool
        self._queue = deque(range(len(specs)))
        self._live: dict[int, Episode] = {}
        self._runners: dict[int, CommandRunner] = {}
        self._folders: set[Path] = set()
        self._asked = 0
        self._running: deque[tuple[int, int, Action, Future[tuple[Observation, float]]]] = deque()
        self._results: list[EpisodeResult | None] = [None] * len(specs)

    def to_end(self) -> list[EpisodeResult]:
        poll = 0
        self._refill()
        while self._live:
            if self._asked:
                for tag, completion in self._stream.poll():
                    self._asked -= 1
                    self._receive(tag, completion, poll)
            while self._running and (
                not self._asked or self._running[0][0] + self._delay <= poll or not self._delay
            ):
                self._fetch()
            self._refill()
            poll += 1
        return [result for result in self._results if result is not None]

    def _refill(self) -> None:
        while self._queue and len(self._live) < self._max_live:
            tag = self._queue.popleft()
            spec = self._specs[tag]
            self._runners[tag] = self._runner_of(spec)
            root = self._root or getattr(self._runners[tag], "work", None)
            workspace = Path(tempfile.mkdtemp(prefix="episode-", dir=root))
            self._folders.add(workspace)
            self._live[tag] = Episode(spec, self._config, workspace, self.count_tokens)
            self._ask(tag)

    def _ask(self, tag: int) -> None:
        self._stream.submit([(tag, self._live[tag].request())])
        self._asked += 1

    def _receive(self, tag: int, completion: Completion, poll: int) -> None:
        episode = self._live[tag]
        if completion.error:
            episode.fail(completion.error)
            self._next(tag)
            return
        action = episode.receive(completion)
        if action is None:
            self._next(tag)
        elif needs_sandbox(action):
            future = self._pool.submit(episode.act, action, self._runners[tag])
            self._running.append((poll, tag, action, future))
        else:
            episode.observe(action, *episode.act(action, self._runners[tag]))
            self._next(tag)

    def _fetch(self) -> None:
        _, tag, action, future = self._running.popleft()
        episode = self._live[tag]
        try:
            episode.observe(action, *future.result())
        except OSError as error:
            episode.fail(str(error))
        self._next(tag)

    def _next(self, tag: int) -> None:
        """Ask for the episode's next turn, or end it."""
        episode = self._live[tag]
        if not episode.done:
            self._ask(tag)
            return
        self._results[tag] = episode.result()
        del self._live[tag], self._runners[tag]
        self._stream.forget(episode.spec.key)
        self._remove(episode.workspace)

    def clean(self) -> None:
        """Remove what workspaces an error left behind."""
        for folder in list(self._folders):
            self._remove(folder)

    def _remove(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._folders.discard(folder)
