"""One episode: query, act, observe, until the agent submits or a limit is reached."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stages.agent.actions import Action, ActionError, format_action, parse_action
from stages.agent.chat import Message
from stages.agent.diff import changed_files, unified_diff
from stages.agent.example import WORKED_EXAMPLE
from stages.agent.model import Completion, Request
from stages.agent.spec import AgentConfig, EpisodeResult, EpisodeSpec
from stages.agent.tools import CommandRunner, Observation, execute
from stages.agent.workspace import WorkspaceError, materialise, read_tree, tree_hash_of_files
from stages.records import Outcome, Pathology, Step

REPEATS = 3
PRUNED = "[pruned]"


class Episode:
    """The state of one running episode. ``request`` → ``receive`` → ``act`` → … → ``result``."""

    def __init__(
        self,
        spec: EpisodeSpec,
        config: AgentConfig,
        workspace: Path,
        count_tokens: Callable[[str], int],
    ) -> None:
        self.spec, self.config, self.workspace = spec, config, workspace
        self.exit_status = ""
        self._options = config.tool_options()
        self._count_tokens = count_tokens
        self._messages = _opening(spec.messages, config.worked_example)
        self._steps: list[Step] = []
        self._actions: list[str] = []
        self._tools: list[str] = []
        self._reads: dict[str, int] = {}
        self._pending: Completion | None = None
        self._tokens = 0
        self._seconds = 0.0
        self._invalid = 0
        self._unparsed = 0
        self._wrote = False
        self._tree_hash = tree_hash_of_files(spec.files)
        if spec.tree_hash and spec.tree_hash != self._tree_hash:
            raise WorkspaceError(
                f"{spec.instance_id}: the workspace's tree hash is {self._tree_hash[:12]}…, its "
                f"task recorded {spec.tree_hash[:12]}…. Generate the suite again (`dvc repro`)."
            )
        materialise(workspace, spec.files)

    @property
    def done(self) -> bool:
        return bool(self.exit_status)

    def request(self) -> Request:
        """The next query. Each turn draws from its own seed."""
        room = self.config.max_tokens - self._tokens
        return Request(
            tuple(self._messages),
            self.spec.adapter,
            self.config.temperature,
            max(1, min(self.config.max_new_tokens, room)),
            self.spec.seed * 1_000_003 + len(self._steps),
            self.spec.key,
        )

    def receive(self, completion: Completion) -> Action | None:
        """Take the model's answer; the action to run, or None when there is none to run."""
        self._tokens = completion.input_tokens + completion.output_tokens
        self._pending = completion
        if completion.output_tokens == 0 and completion.finish == "length":
            self.exit_status = "max_tokens"
            return None
        self._messages.append({"role": "assistant", "content": completion.text})
        try:
            action = parse_action(completion.text)
        except ActionError as error:
            self._invalid += 1
            self._record(None, Observation(str(error), ok=False), 0.0)
            return None
        if action.tool == "submit":
            self._record(action, Observation("", ok=True), 0.0)
            return None
        return action

    def act(self, action: Action, runner: CommandRunner) -> tuple[Observation, float]:
        """Run the action; what was observed and how many seconds it took. Safe in a thread.

        A remembered result counts with the time of its run: an experiment's latency must not hang
        on which condition ran a command first.
        """
        start = time.perf_counter()
        observation = execute(action, self.workspace, runner, self._options)
        return observation, time.perf_counter() - start + observation.saved_seconds

    def observe(self, action: Action, observation: Observation, seconds: float) -> None:
        """Tell the agent what its action did."""
        self._record(action, self._warned(action, observation), seconds)

    def fail(self, message: str) -> None:
        """End the episode for a fault of the harness, not of the agent."""
        self.exit_status = f"harness: {message}"

    def result(self) -> EpisodeResult:
        """Compute the submission and say how the episode ended."""
        after = read_tree(self.workspace)
        before = self.spec.files
        submission = unified_diff(before, after)
        return EpisodeResult(
            self.spec,
            tuple(self._messages),
            tuple(self._steps),
            self.exit_status,
            self._outcome(bool(submission)),
            self._pathology(bool(submission)),
            submission,
            changed_files(before, after),
            self._tree_hash,
            self._invalid,
            self._unparsed,
        )

    def _record(self, action: Action | None, observation: Observation, seconds: float) -> None:
        completion = self._pending
        assert completion is not None, "receive() comes before observe()"
        text = format_action(action) if action else completion.text
        self._actions.append(text)
        self._tools.append(action.tool if action else "")
        self._wrote |= observation.wrote
        self._unparsed += observation.unparsed
        self._seconds += completion.seconds + seconds
        self._steps.append(
            Step(
                text,
                observation.text,
                observation.ok,
                completion.input_tokens,
                completion.output_tokens,
                completion.cached_tokens,
                completion.seconds + seconds,
            )
        )
        if action is not None and action.tool == "submit":
            self.exit_status = "submitted"
            return
        self._messages.append({"role": "tool", "content": observation.text})
        self._prune()
        self._check_limits()

    def _check_limits(self) -> None:
        if len(self._steps) >= self.config.max_steps:
            self.exit_status = "max_steps"
        elif self._tokens >= self.config.max_tokens:
            self.exit_status = "max_tokens"
        elif self._seconds >= self.config.max_seconds:
            self.exit_status = "max_seconds"

    def _warned(self, action: Action, observation: Observation) -> Observation:
        if observation.wrote:
            self._reads.clear()
        if action.tool != "open" or not observation.ok or not self.config.loop_warning:
            return observation
        name = action.argument.split()[0]
        self._reads[name] = self._reads.get(name, 0) + 1
        if self._reads[name] < REPEATS:
            return observation
        joint = "" if observation.text.endswith("\n") else "\n"
        warning = f"{joint}warning: {name} read {self._reads[name]} times without an edit"
        return dataclasses.replace(observation, text=observation.text + warning)

    def _prune(self) -> None:
        """Blank the oldest tool outputs over the budget; the newest always stays."""
        budget = self.config.prune_tool_tokens
        if not budget:
            return
        places = [n for n, message in enumerate(self._messages) if message["role"] == "tool"]
        used = 0
        for order, place in enumerate(reversed(places)):
            content = self._messages[place]["content"]
            used += self._count_tokens(content)
            if order and used > budget and content != PRUNED:
                self._messages[place] = {"role": "tool", "content": PRUNED}

    def _outcome(self, patched: bool) -> Outcome | None:
        if self.exit_status.startswith("harness"):
            return Outcome.HARNESS_ERROR
        if patched:
            return None
        if self.exit_status == "max_seconds":
            return Outcome.TIMEOUT
        return Outcome.EMPTY_PATCH if any(self._tools) else Outcome.AGENT_ERROR

    def _pathology(self, patched: bool) -> Pathology:
        if repeats(self._actions):
            return Pathology.REPEATED_ACTION
        if not self._wrote and not patched:
            return Pathology.NEVER_WROTE
        if self.exit_status == "submitted" or not patched:
            return Pathology.NONE
        return Pathology.NEVER_SUBMITTED if "test" in self._tools else Pathology.PATCH_AT_LIMIT


def repeats(actions: Sequence[str], times: int = REPEATS) -> bool:
    """Whether some action stands ``times`` times in a row."""
    return any(len(set(actions[at : at + times])) == 1 for at in range(len(actions) - times + 1))


def _opening(messages: Sequence[Message], worked_example: bool) -> list[Message]:
    opening = [dict(message) for message in messages]
    if not worked_example:
        return opening
    if opening and opening[0]["role"] == "system":
        opening[0]["content"] = f"{opening[0]['content']}\n{WORKED_EXAMPLE}"
        return opening
    return [{"role": "system", "content": WORKED_EXAMPLE}, *opening]
