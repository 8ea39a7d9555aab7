"""Choosing a model by source, and what it costs."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from agentflow.errors import NodeError
from agentflow.llm.gateway import LLMGateway
from agentflow.sources.chat_models.base import ChatRequest, ChatResult
from agentflow.sources.http.client import GuardedHttpClient
from tests.support.openai_server import OpenAIServer, openai_server

HELLO = ChatRequest(messages=[{"role": "user", "content": "Hi"}], max_tokens=5)


@dataclass
class Source:
    """A source as the runtime resolves it."""

    config: dict[str, Any]
    id: str = "chat"
    kind: str = field(default="llm")


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as running:
        yield running


@pytest.fixture
async def gateway() -> AsyncIterator[LLMGateway]:
    http = GuardedHttpClient({"127.0.0.1"})
    gateway = LLMGateway(http.transport)
    yield gateway
    await gateway.aclose()
    await http.aclose()


async def chat(gateway: LLMGateway, source: Source | None, request: ChatRequest = HELLO) -> ChatResult:
    async with aclosing(gateway.chat(source, request)) as deltas:
        finals = [delta.final async for delta in deltas if delta.final]
    return finals[0]


def remote(server: OpenAIServer, **config: Any) -> Source:
    return Source({"provider": "openai_compatible", "base_url": server.base_url, "model": "m", **config})


async def test_without_source_the_local_model_answers_for_free(gateway: LLMGateway) -> None:
    """No source means the local model, which costs nothing."""
    result = await chat(gateway, None)
    assert result.model.startswith("SmolLM2")
    assert result.usage.cost_usd == 0


async def test_server_answers_through_the_guard(gateway: LLMGateway, server: OpenAIServer) -> None:
    """A named server is asked with its key; without prices the cost is unknown."""
    result = await chat(gateway, remote(server, api_key="sk-1"))
    assert server.requests[0].headers["authorization"] == "Bearer sk-1"
    assert result.usage.cost_usd is None


async def test_prices_give_the_cost(gateway: LLMGateway, server: OpenAIServer) -> None:
    """Eleven tokens in and six out at the source's prices, exactly."""
    result = await chat(gateway, remote(server, input_usd_per_million="0.15", output_usd_per_million=0.6))
    assert result.usage.cost_usd == Decimal("0.00000525")
    half = await chat(gateway, remote(server, input_usd_per_million=1))
    assert half.usage.cost_usd is None


async def test_openai_itself_is_spoken_to_in_its_newer_words(gateway: LLMGateway, server: OpenAIServer) -> None:
    """The provider openai bounds answers by max_completion_tokens; other servers know max_tokens."""
    await chat(gateway, Source({"provider": "openai", "base_url": server.base_url, "api_key": "k", "model": "m"}))
    await chat(gateway, remote(server))
    assert [("max_completion_tokens" in request.body, "max_tokens" in request.body) for request in server.requests] == [
        (True, False),
        (False, True),
    ]


async def test_private_addresses_are_guarded(server: OpenAIServer) -> None:
    """S65: a model server on this machine is out of reach unless the settings allow its host."""
    http = GuardedHttpClient()
    gateway = LLMGateway(http.transport)
    with pytest.raises(NodeError) as caught:
        await chat(gateway, remote(server))
    await gateway.aclose()
    await http.aclose()
    assert caught.value.error_code == "SSRF_BLOCKED"
    assert server.requests == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "provider"),
        ({"provider": "nobody"}, "nobody"),
        ({"provider": ["x"]}, "provider"),
        ({"provider": "openai"}, "api_key"),
        ({"provider": "openai_compatible"}, "base_url"),
        ({"provider": "openai_compatible", "base_url": "ftp://x"}, "base_url"),
        ({"provider": "openai_compatible", "base_url": "http://user:pw@host/v1"}, "credentials"),
        ({"provider": "openai_compatible", "base_url": "http://h/v1", "api_key": "a\nb"}, "api_key"),
        ({"provider": "openai_compatible", "base_url": "http://h/v1", "headers": {"X": "é"}}, "headers"),
        ({"provider": "local", "input_usd_per_million": -1}, "input_usd_per_million"),
        ({"provider": "local", "surprise": 1}, "surprise"),
    ],
)
async def test_unusable_sources_say_what_is_wrong(gateway: LLMGateway, config: dict[str, Any], says: str) -> None:
    """Every mistake in a source's config is an INVALID_SOURCE that names it."""
    with pytest.raises(NodeError, match=says) as caught:
        await chat(gateway, Source(config))
    assert caught.value.error_code == "INVALID_SOURCE"
    assert "pw@" not in caught.value.message


async def test_embeddings_by_source(gateway: LLMGateway, server: OpenAIServer) -> None:
    """Vectors come from the local model without a source, else from the source's."""
    local, used = await gateway.embed(None, ["a", "b"])
    assert ([len(vector) for vector in local], used.model, used.cost_usd) == ([384, 384], "all-MiniLM-L6-v2", 0)
    hashed, used = await gateway.embed(Source({"provider": "local", "model": "hashing-384"}), ["a"])
    assert (len(hashed[0]), used.model) == (384, "hashing-384")
    there, used = await gateway.embed(remote(server, input_usd_per_million=2), ["a"])
    assert (len(there[0]), used.input_tokens, used.cost_usd) == (4, 3, Decimal("0.000006"))


@pytest.mark.parametrize(
    "config", [{"provider": "local", "model": "gpt-9"}, {"provider": "openai_compatible", "base_url": "http://127.0.0.1:1/v1"}]
)
async def test_sources_without_embedding_model_are_refused(gateway: LLMGateway, config: dict[str, Any]) -> None:
    """A source that names no embedding model says so."""
    with pytest.raises(NodeError) as caught:
        await gateway.embed(Source(config), ["a"])
    assert caught.value.error_code == "INVALID_SOURCE"
