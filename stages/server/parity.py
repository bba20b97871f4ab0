"""Whether two backends act alike: the same greedy actions on the same prompts, else stop."""

from __future__ import annotations

from collections.abc import Sequence

from stages.agent.actions import Action, ActionError, parse_action
from stages.agent.model import Completion, Model, Request
from stages.server.errors import ServerError

PROMPTS = 50


class ParityError(ServerError):
    """Two backends gave different actions."""

    stops = True


def require_parity(
    one: Model,
    other: Model,
    requests: Sequence[Request],
    names: tuple[str, str] = ("local", "server"),
    at_least: int = PROMPTS,
) -> int:
    """The number of prompts on which both backends act alike: all, else ParityError.

    Actions are compared, not texts: words before the action don't act. Two texts that hold no
    action are alike when they are the same. Raises ValueError for sampled requests and for fewer
    than ``at_least``: neither would prove anything.
    """
    if len(requests) < at_least:
        raise ValueError(f"{len(requests)} prompts prove no parity; give at least {at_least}.")
    if any(request.temperature > 0 for request in requests):
        raise ValueError("parity is of greedy answers: set each request's temperature to 0.")
    pairs = zip(one.complete(requests), other.complete(requests), strict=True)
    for number, (first, second) in enumerate(pairs, 1):
        _require_answers(number, names, (first, second))
        if _action(first.text) != _action(second.text):
            raise ParityError(
                f"the backends differ, first on prompt {number} of {len(requests)} "
                f"({requests[number - 1].key!r}): {names[0]} answers {first.text!r}, {names[1]} "
                f"answers {second.text!r}. Compare weights, number type, chat template "
                f"({first.input_tokens} and {second.input_tokens} prompt tokens) and decoding "
                "settings before using either (check 6)."
            )
    return len(requests)


def _require_answers(number: int, names: tuple[str, str], pair: tuple[Completion, ...]) -> None:
    for name, completion in zip(names, pair, strict=True):
        if error := getattr(completion, "error", ""):
            raise ParityError(f"{name} didn't answer prompt {number}: {error}")


def _action(text: str) -> Action | str:
    try:
        return parse_action(text)
    except ActionError:
        return text
