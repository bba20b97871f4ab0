from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from stages.agent.loop import run_episodes
from stages.agent.model import Completion, Request, Stream
from stages.agent.scripted import ScriptedModel, ScriptError
from stages.agent.spec import AgentConfig, EpisodeResult, EpisodeSpec
from stages.agent.workspace import WorkspaceError
from stages.records import Outcome, Pathology, Trajectory

FILES = {"ledger.py": "def total(entries):\n    return max(entries)\n"}
MESSAGES = (
    {"role": "system", "content": "repository oak"},
    {"role": "user", "content": "total is wrong"},
)
FIX = "edit ledger.py\n<<<\nmax(entries)\n===\nsum(entries)\n>>>"
GOLD = ["search total", "open ledger.py", FIX, "test python check.py", "submit"]


@dataclasses.dataclass
class Result:
    exit_code: int = 0
    output: str = "passed\n"
    timed_out: bool = False


class Runner:
    def run_command(self, command: str, workspace: Path) -> Result:
        if command == "break":
            raise OSError("the sandbox is gone")
        return Result(output=f"{command} in {(workspace / 'ledger.py').exists()}\n")


class Streamed(ScriptedModel):
    """The scripted model, one turn a poll, newest first."""

    def stream(self) -> Stream:
        self.queued: list[tuple[int, Request]] = []
        self.forgotten: list[object] = []
        return self

    def submit(self, requests: Sequence[tuple[int, Request]]) -> None:
        self.queued += requests

    def poll(self) -> list[tuple[int, Completion]]:
        tag, request = self.queued.pop()
        return [(tag, self.complete([request])[0])]

    def forget(self, key: object) -> None:
        self.forgotten.append(key)


def spec(name: str = "oak-1", **fields: object) -> EpisodeSpec:
    return EpisodeSpec(name, FILES, MESSAGES, **fields)  # type: ignore[arg-type]


def play(answers: list[str], **fields: object) -> EpisodeResult:
    config = AgentConfig(max_steps=6, **fields)  # type: ignore[arg-type]
    return run_episodes(ScriptedModel({"oak-1": answers}), [spec()], config, Runner())[0]


def test_a_gold_episode() -> None:
    result = play(GOLD)
    assert (result.outcome, result.pathology) == (None, Pathology.NONE)
    assert result.exit_status == "submitted"
    assert [step.observation for step in result.steps] == [
        "found: ledger.py line 1",
        FILES["ledger.py"].removesuffix("\n"),
        "edited",
        "python check.py in True",
        "",
    ]
    assert [message["role"] for message in result.messages[2:]] == ["assistant", "tool"] * 4 + [
        "assistant"
    ]
    assert result.changes == {"ledger.py": "def total(entries):\n    return sum(entries)\n"}
    assert "-    return max(entries)\n+    return sum(entries)\n" in result.submission
    record = result.trajectory(Outcome.RESOLVED)
    assert isinstance(record, Trajectory)
    assert record.info["outcome"] == "resolved"
    assert record.info["n_steps"] == 5
    with pytest.raises(ValueError, match="grade the patch first"):
        result.trajectory()


@pytest.mark.parametrize(
    ("answers", "status", "outcome", "pathology"),
    [
        (["submit"], "submitted", Outcome.EMPTY_PATCH, Pathology.NEVER_WROTE),
        (["hm", "what", "so"] * 2, "max_steps", Outcome.AGENT_ERROR, Pathology.NEVER_WROTE),
        (["open ledger.py"] * 6, "max_steps", Outcome.EMPTY_PATCH, Pathology.REPEATED_ACTION),
        ([FIX, "test a", *["search a", "search b"] * 2], "max_steps", None, "never_submitted"),
        ([FIX, *["search a", "search b"] * 3], "max_steps", None, "patch_at_limit"),
        (["bash break"], "harness: the sandbox is gone", Outcome.HARNESS_ERROR, "never_wrote"),
    ],
)
def test_outcomes_and_pathologies(
    answers: list[str], status: str, outcome: Outcome | None, pathology: str
) -> None:
    result = play(answers)
    assert (result.exit_status, result.outcome, result.pathology) == (status, outcome, pathology)


def test_an_invalid_action_is_told_and_counted() -> None:
    result = play(["let me think", "open", *GOLD])
    assert result.invalid_actions == 2
    assert result.steps[0].observation.startswith("no action: begin a line with one of open")
    assert result.steps[1].observation == "open needs an argument"
    assert not result.steps[0].ok


def test_limits_on_tokens_and_seconds() -> None:
    assert play(GOLD, max_tokens=8).exit_status == "max_tokens"
    late = play(GOLD[:1], max_seconds=0.0)
    assert (late.exit_status, late.outcome) == ("max_seconds", Outcome.TIMEOUT)


def test_loop_warning_after_the_third_reading() -> None:
    reads = ["open ledger.py", "search a", "open ledger.py 1 2", "search b", "open ledger.py"]
    told = play(reads, loop_warning=True).steps[4].observation
    assert told == FILES["ledger.py"] + "warning: ledger.py read 3 times without an edit"
    fixed = ["open ledger.py", "open ledger.py", FIX, "open ledger.py"]
    assert "warning" not in play(fixed, loop_warning=True).steps[3].observation
    assert "warning" not in play(reads).steps[4].observation


def test_pruning_drops_the_oldest_outputs() -> None:
    result = play(GOLD, prune_tool_tokens=10)
    outputs = [message["content"] for message in result.messages if message["role"] == "tool"]
    assert outputs == ["[pruned]", "[pruned]", "edited", "python check.py in True"]


def test_worked_example_is_a_switch() -> None:
    assert "Example of a session" in play(GOLD, worked_example=True).messages[0]["content"]
    assert play(GOLD).messages[0] == MESSAGES[0]


def many() -> tuple[dict[str, list[str]], list[EpisodeSpec]]:
    answers = {f"t{n}": GOLD[n % 3 :] for n in range(20)}
    return answers, [spec(name) for name in answers]


def test_all_live_episodes_advance_together(tmp_path: Path) -> None:
    answers, specs = many()
    model = ScriptedModel(answers)
    results = run_episodes(model, specs, AgentConfig(), Runner(), max_live=8, root=tmp_path)
    assert [result.spec.instance_id for result in results] == list(answers)
    assert model.rounds[0] == 8
    assert max(model.rounds) == 8
    assert sum(model.rounds) == sum(map(len, answers.values()))
    assert list(tmp_path.iterdir()) == []


def without_seconds(result: EpisodeResult) -> EpisodeResult:
    steps = tuple(dataclasses.replace(step, seconds=0.0) for step in result.steps)
    return dataclasses.replace(result, steps=steps)


def test_a_stream_gives_the_same_episodes() -> None:
    answers, specs = many()
    plain = run_episodes(ScriptedModel(answers), specs, AgentConfig(), Runner(), max_live=3)
    model = Streamed(answers)
    streamed = run_episodes(model, specs, AgentConfig(), Runner(), max_live=3)
    assert list(map(without_seconds, streamed)) == list(map(without_seconds, plain))
    assert set(model.forgotten) == {spec.key for spec in specs}


def test_a_changed_workspace_is_refused() -> None:
    with pytest.raises(WorkspaceError, match="task recorded 0123"):
        run_episodes(
            ScriptedModel({"oak-1": GOLD}), [spec(tree_hash="0123")], AgentConfig(), Runner()
        )


def test_two_episodes_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="oak-1"):
        run_episodes(ScriptedModel({"oak-1": GOLD}), [spec(), spec()], AgentConfig(), Runner())


def test_a_script_without_the_task_says_so() -> None:
    with pytest.raises(ScriptError, match="oak-1"):
        run_episodes(ScriptedModel({}), [spec()], AgentConfig(), Runner())


def test_each_turn_has_its_own_seed() -> None:
    seeds: list[int] = []

    class Spy(ScriptedModel):
        def complete(self, requests: Sequence[Request]) -> list[Completion]:
            seeds.extend(request.seed for request in requests)
            return super().complete(requests)

    specs = [spec(seed=seed, attempt=seed) for seed in range(3)]
    run_episodes(Spy({"oak-1": GOLD}), specs, AgentConfig(temperature=1.0), Runner())
    assert len(set(seeds)) == len(seeds) == 15
