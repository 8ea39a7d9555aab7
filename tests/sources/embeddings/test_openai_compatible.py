"""Embeddings of OpenAI-compatible servers."""

from collections.abc import AsyncIterator

import httpx
import pytest

from agentflow.errors import NodeError
from agentflow.sources.embeddings.openai_compatible import OpenAICompatibleEmbeddings
from tests.support.openai_server import OpenAIServer, openai_server


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as running:
        yield running


@pytest.fixture
async def model(server: OpenAIServer) -> AsyncIterator[OpenAICompatibleEmbeddings]:
    async with httpx.AsyncClient() as client:
        yield OpenAICompatibleEmbeddings(client, base_url=server.base_url, api_key="sk-secret", model="e", dimensions=8)


async def test_request_has_openais_shape(server: OpenAIServer, model: OpenAICompatibleEmbeddings) -> None:
    """Model, texts, dimensions and credential go where OpenAI's API has them."""
    made = await model.embed(["a", "b"])
    assert server.requests[0].body == {"model": "e", "input": ["a", "b"], "encoding_format": "float", "dimensions": 8}
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret"
    assert made.vectors.shape == (2, 8)
    assert (made.input_tokens, made.estimated) == (6, False)


async def test_many_texts_go_in_batches(server: OpenAIServer, model: OpenAICompatibleEmbeddings) -> None:
    """More texts than a server takes at once are sent in several requests and come back in order."""
    made = await model.embed([str(number) for number in range(300)])
    assert [len(request.body["input"]) for request in server.requests] == [256, 44]
    assert len(made.vectors) == 300


async def test_missing_usage_is_estimated(server: OpenAIServer, model: OpenAICompatibleEmbeddings) -> None:
    """A server that reports no tokens leads to a marked estimate."""
    server.mode = "no_usage"
    made = await model.embed(["eight ch"])
    assert (made.input_tokens, made.estimated) == (2, True)


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("too_few", "MODEL_PROTOCOL"),
        ("uneven", "MODEL_PROTOCOL"),
        ("no_numbers", "MODEL_PROTOCOL"),
        ("null_numbers", "MODEL_PROTOCOL"),
        ("no_data", "MODEL_PROTOCOL"),
        ("not_json", "MODEL_PROTOCOL"),
        ("401", "MODEL_AUTH"),
        ("429", "MODEL_RATE_LIMITED"),
        ("500", "MODEL_UNAVAILABLE"),
        ("error_200", "MODEL_UNAVAILABLE"),
    ],
)
async def test_every_fault_is_a_typed_error(server: OpenAIServer, model: OpenAICompatibleEmbeddings, mode: str, code: str) -> None:
    """Whatever a server answers, no wrong vector gets through and the cause has a code."""
    server.mode = mode
    with pytest.raises(NodeError) as caught:
        await model.embed(["a", "b"])
    assert caught.value.error_code == code
    assert "sk-secret" not in caught.value.message
