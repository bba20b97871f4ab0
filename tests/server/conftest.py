from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from stages.server.config import ServerConfig
from stages.server.model import ServerModel
from tests.server.misbehaving import Endpoint, serving


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as opened:
        yield opened


@pytest.fixture
def client_for(endpoint: Endpoint) -> Iterator[Callable[..., ServerModel]]:
    """Makes models on the endpoint with quick waits; they are closed before the server is."""
    with ExitStack() as stack:

        def make(
            url: str = "",
            model: str = "organism",
            *,
            host: Any = None,
            tokenizer: Any = None,
            **values: Any,
        ) -> ServerModel:
            quick: dict[str, Any] = {"backoff_s": 0.01, "attempts": 3, "timeout_s": 5.0}
            config = ServerConfig(url=url or endpoint.url, model=model, **{**quick, **values})
            return stack.enter_context(ServerModel(config, tokenizer, host))

        yield make
