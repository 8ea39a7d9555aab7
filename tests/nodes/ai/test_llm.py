"""The llm node, over the gateway and a real socket."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError

from agentflow.errors import NodeError
from agentflow.llm.gateway import LLMGateway
from agentflow.nodes.ai.embedding import EmbeddingConfig, EmbeddingNode
from agentflow.nodes.ai.llm import LlmConfig, LlmNode
from agentflow.nodes.context import ResolvedSource
from agentflow.sources.http.client import GuardedHttpClient
from tests.nodes.context import FakeContext
from tests.support import openai_server as fake
from tests.support.openai_server import OpenAIServer

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with fake.openai_server() as running:
        yield running


@pytest.fixture
async def context(server: OpenAIServer) -> AsyncIterator[FakeContext]:
    http = GuardedHttpClient({"127.0.0.1"})
    gateway = LLMGateway(http.transport)
    config = {
        "provider": "openai_compatible",
        "base_url": server.base_url,
        "model": "m",
        "input_usd_per_million": 1,
        "output_usd_per_million": 1,
    }
    yield FakeContext(models=gateway, source=ResolvedSource("chat", "llm", config))
    await gateway.aclose()
    await http.aclose()


async def run(context: FakeContext, **config: Any) -> dict[str, Any]:
    return (await LlmNode().run(context, LlmConfig(**config))).model_dump(mode="json", by_alias=True)


def answer(server: OpenAIServer, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [fake.event(fake.chunk({"content": text})), fake.STOP, fake.REPORT, fake.DONE]
    monkeypatch.setitem(fake.STREAMS, "given", parts)
    server.mode = "given"


async def test_answers_and_streams(context: FakeContext) -> None:
    """Text is shown while it comes; the output says text, usage, model, cost and why it ended."""
    output = await run(context, prompt="Hi", system="Be brief.")
    assert context.tokens == fake.WORDS
    assert output == {
        "text": fake.TEXT,
        "json": None,
        "tool_calls": [],
        "usage": {"input_tokens": 11, "output_tokens": 6, "total_tokens": 17, "estimated": False},
        "model": "test-model-2026",
        "cost_usd": 0.000017,
        "finish_reason": "stop",
    }
    assert [(usage.input_tokens, usage.output_tokens) for usage in context.usages] == [(11, 6)]


async def test_streaming_can_be_switched_off(context: FakeContext) -> None:
    """With stream false nothing is shown before the end."""
    assert (await run(context, prompt="Hi", stream=False))["text"] == fake.TEXT
    assert context.tokens == []


async def test_messages_are_passed_on(context: FakeContext, server: OpenAIServer) -> None:
    """A whole chat with a tool's answer reaches the server in OpenAI's shape, system first."""
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_calls": [{"id": "c", "name": "get_weather", "arguments": {"city": "Oslo"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "Rain"},
    ]
    await run(context, messages=messages, system="Be brief.")
    assert server.requests[0].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}],
        },
        {"role": "tool", "content": "Rain", "tool_call_id": "c"},
    ]


async def test_images_become_parts(context: FakeContext, server: OpenAIServer) -> None:
    """URLs pass as they are, base64 becomes a data URL of the right type, anything else is refused."""
    await run(context, prompt="What is it?", images=["https://example.org/a.png", PNG])
    text, first, second = server.requests[0].body["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert first["image_url"]["url"] == "https://example.org/a.png"
    assert second["image_url"]["url"] == f"data:image/png;base64,{PNG}"
    for bad in ("file:///etc/passwd", "aGVsbG8=", "%%%"):
        with pytest.raises(NodeError) as caught:
            await run(context, prompt="x", images=[bad])
        assert caught.value.error_code == "INVALID_CONFIG"


@pytest.mark.parametrize("text", ['{"name": "Ada"}', '```json\n{"name": "Ada"}\n```', ' \n{"name": "Ada"}\n'])
async def test_json_is_parsed(context: FakeContext, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """With a schema the answer comes out as a value, also from a Markdown fence."""
    answer(server, text, monkeypatch)
    assert (await run(context, prompt="x", json_schema=PERSON))["json"] == {"name": "Ada"}


@pytest.mark.parametrize(
    "text", ["Ada", '{"name": 3}', '{"name": "Ada"', "[]", '{"name": "Ada", "age": 1}', "[" * 5000, "NaN", '"\\ud800"']
)
async def test_answers_that_do_not_fit_are_typed(
    context: FakeContext, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """S153: an answer that is no JSON or breaks the schema is a retryable error, and its tokens are counted."""
    answer(server, text, monkeypatch)
    with pytest.raises(NodeError) as caught:
        await run(context, prompt="x", json_schema=PERSON)
    assert (caught.value.error_code, caught.value.retryable) == ("MODEL_OUTPUT_INVALID", True)
    assert context.usages[0].output_tokens == 6


async def test_tool_calls_come_out(context: FakeContext, server: OpenAIServer) -> None:
    """The calls that the model asks for are part of the output."""
    server.mode = "tools"
    output = await run(context, prompt="x", tools=[{"name": "get_weather"}, {"name": "get_time"}], tool_choice="auto")
    assert output["tool_calls"][0] == {"id": "call_a", "name": "get_weather", "arguments": {"city": "Oslo"}}
    assert output["finish_reason"] == "tool_calls"


async def test_server_faults_fail_the_node(context: FakeContext, server: OpenAIServer) -> None:
    """What the server does wrong reaches the run as it was typed."""
    server.mode = "429"
    with pytest.raises(NodeError) as caught:
        await run(context, prompt="x")
    assert (caught.value.error_code, caught.value.retry_after_s) == ("MODEL_RATE_LIMITED", 7.0)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"prompt": "a", "messages": [{"role": "user", "content": "b"}]},
        {"messages": []},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x"}], "images": ["https://x/y.png"]},
        {"prompt": "x", "temperature": 3},
        {"prompt": "x", "top_p": 0},
        {"prompt": "x", "max_tokens": 0},
        {"prompt": "x", "stop": [""]},
        {"prompt": "x", "tools": [{"name": "has space"}]},
        {"prompt": "x", "tools": [{"name": "f", "parameters": {"type": "nonsense"}}]},
        {"prompt": "x", "tools": [{"name": "f"}], "tool_choice": "g"},
        {"prompt": "x", "tools": [{"name": "f"}], "json_schema": PERSON},
        {"prompt": "x", "json_schema": {"$ref": "http://127.0.0.1:1/schema"}},
        {"prompt": "x", "json_schema": {"type": "nonsense"}},
        {"prompt": "x", "surprise": 1},
    ],
)
def test_bad_configs_are_refused(config: dict[str, Any]) -> None:
    """Every config that makes no sense is refused when it is written, not when it runs; no schema is ever fetched."""
    assert LlmNode().check_config(config)
    with pytest.raises(ValidationError):
        LlmConfig(**config)


def test_output_schema_knows_the_json() -> None:
    """References into json can be checked against the schema that the config gives; a schema with references promises nothing."""
    node = LlmNode()
    assert node.output_schema({"prompt": "x", "json_schema": PERSON})["properties"]["json"] == PERSON
    assert node.output_schema({"prompt": "x", "json_schema": {"$ref": "#/$defs/a"}})["properties"]["json"] == {}
    assert {"text", "json", "tool_calls", "usage", "model", "cost_usd", "finish_reason"} == set(node.output_schema({})["properties"])


async def test_embedding_node_makes_vectors(context: FakeContext) -> None:
    """One vector a text, with model and dimension, counted as use."""
    output = await EmbeddingNode().run(context, EmbeddingConfig(texts=["a", "b"]))
    assert ([len(vector) for vector in output.vectors], output.dimension, output.model) == ([4, 4], 4, "m")
    assert context.usages[0].input_tokens == 6
    empty = await EmbeddingNode().run(context, EmbeddingConfig(texts=[]))
    assert (empty.vectors, empty.dimension) == ([], 0)
