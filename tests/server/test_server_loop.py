"""Whole episodes against a server that fails one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.agent.loop import run_episodes
from stages.agent.model import Completion
from stages.agent.spec import AgentConfig, EpisodeSpec
from stages.records import Outcome
from stages.server.config import Prices
from stages.server.errors import SpendingLimitError
from stages.server.model import ServerModel
from tests.server.misbehaving import Endpoint, chat, status

Make = Callable[..., ServerModel]
FILES = {"ledger.py": "def total(entries):\n    return max(entries)\n"}
GOLD = ("open ledger.py", "edit ledger.py\n<<<\nmax(entries)\n===\nsum(entries)\n>>>", "submit")
WIRED = "error" in {field.name for field in dataclasses.fields(Completion)}


class NoCommands:
    def run_command(self, command: str, workspace: Path) -> Any:
        raise AssertionError(f"no episode here runs {command} in {workspace}")


def specs(count: int = 4) -> list[EpisodeSpec]:
    return [
        EpisodeSpec(f"oak-{n}", FILES, ({"role": "user", "content": f"issue {n}"},))
        for n in range(count)
    ]


def solve(handler: Any, body: dict[str, Any]) -> None:
    """The gold actions, turn by turn; issue 2 breaks at its second turn, every time."""
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    if turn == 1 and body["messages"][0]["content"] == "issue 2":
        status(500, "out of memory")(handler, body)
    else:
        handler.reply(200, chat(GOLD[turn], body["model"]))


@pytest.mark.skipif(not WIRED, reason="the loop doesn't tell failed turns from answers yet")
def test_a_server_error_is_a_harness_error_of_its_episode_alone(
    endpoint: Endpoint, client_for: Make
) -> None:
    endpoint.always = solve
    results = run_episodes(client_for(), specs(), AgentConfig(), NoCommands())
    assert [result.outcome for result in results] == [None, None, Outcome.HARNESS_ERROR, None]
    assert all(result.submission for n, result in enumerate(results) if n != 2)
    failed = results[2]
    assert failed.exit_status.startswith("harness: ServerFaultError: ")
    assert "500 (out of memory)" in failed.exit_status
    assert len(failed.steps) == 1, "the turn that failed is no step of the agent's"


def test_two_runs_give_the_same_trajectories_whoever_answers_first(
    endpoint: Endpoint, client_for: Make
) -> None:
    endpoint.always = lambda handler, body: solve(
        handler, {**body, "messages": [{"role": "user", "content": ""}, *body["messages"]]}
    )
    one, other = (
        run_episodes(client_for(concurrency=n), specs(), AgentConfig(), NoCommands())
        for n in (4, 1)
    )
    assert [(r.messages, r.submission) for r in one] == [(r.messages, r.submission) for r in other]
    assert all(result.exit_status == "submitted" for result in one)


def test_the_spending_limit_stops_the_run_instead_of_failing_episodes(
    endpoint: Endpoint, client_for: Make
) -> None:
    endpoint.always = solve
    prices = Prices(output_per_million=1e6, limit=7.0)
    model = client_for(prices=prices, concurrency=1)
    with pytest.raises(SpendingLimitError, match="Finished cells are kept"):
        run_episodes(model, specs(), AgentConfig(), NoCommands())
    assert len(endpoint.seen) == 3
