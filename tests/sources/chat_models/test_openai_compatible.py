"""The client of OpenAI-compatible servers, against a server that misbehaves over real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import openai
import pytest

from agentflow.errors import NodeError
from agentflow.sources.chat_models.base import ChatRequest, ChatResult
from agentflow.sources.chat_models.openai_compatible import OpenAICompatibleChatModel
from agentflow.sources.chat_models.openai_errors import MAX_RETRY_AFTER_S, retry_after_s
from tests.support.openai_server import LONG, STATUSES, STREAMS, TEXT, OpenAIServer, openai_server

KEY = "sk-secret"
USER = {"role": "user", "content": "Hi there"}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as running:
        yield running


@pytest.fixture
async def model(server: OpenAIServer) -> AsyncIterator[OpenAICompatibleChatModel]:
    async with httpx.AsyncClient() as client:
        yield OpenAICompatibleChatModel(client, base_url=server.base_url, api_key=KEY, model="test", headers={"X-Team": "a"})


async def ask(model: OpenAICompatibleChatModel, /, **options: object) -> tuple[list[str], ChatResult]:
    texts, final = [], None
    async with aclosing(model.stream(ChatRequest(**{"messages": [USER], "timeout_s": 5.0, **options}))) as deltas:
        async for delta in deltas:
            texts += [delta.text] if delta.text else []
            final = delta.final or final
    assert final is not None
    return texts, final


async def failure(model: OpenAICompatibleChatModel, /, **options: object) -> NodeError:
    with pytest.raises(NodeError) as caught:
        await ask(model, **options)
    assert KEY not in caught.value.message
    return caught.value


@pytest.mark.parametrize("mode", ["ok", "crlf", "comments", "no_done", "double_done", "empty_choices", "null_fields", "bytes", "no_stream"])
async def test_odd_but_lawful_streams_are_read(server: OpenAIServer, model: OpenAICompatibleChatModel, mode: str) -> None:
    """Line ends, comments, empty choices, missing or doubled [DONE], single bytes and unstreamed answers all give the whole text and usage."""
    server.mode = mode
    texts, result = await ask(model)
    assert "".join(texts) == result.text == TEXT
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.estimated) == (11, 6, False)
    assert (result.finish_reason, result.model) == ("stop", "test-model-2026")


async def test_missing_usage_is_estimated_and_marked(server: OpenAIServer, model: OpenAICompatibleChatModel) -> None:
    """A server that reports no tokens leads to an estimate that says it is one."""
    server.mode = "no_usage"
    _, result = await ask(model)
    assert result.usage.estimated
    assert (result.usage.input_tokens, result.usage.output_tokens) == (2, 4)


async def test_large_chunk_is_read(server: OpenAIServer, model: OpenAICompatibleChatModel) -> None:
    """A single chunk of two million characters is still an answer."""
    server.mode = "huge_chunk"
    assert (await ask(model))[1].text == LONG


async def test_tool_calls_are_put_together(server: OpenAIServer, model: OpenAICompatibleChatModel) -> None:
    """Interleaved pieces of several calls become whole calls with parsed arguments."""
    server.mode = "tools"
    _, result = await ask(model, tools=[{"name": "get_weather"}])
    assert result.finish_reason == "tool_calls"
    assert result.tool_calls == [
        {"id": "call_a", "name": "get_weather", "arguments": {"city": "Oslo"}},
        {"id": "call_b", "name": "get_time", "arguments": {}},
    ]


@pytest.mark.parametrize("mode", ["tools_cut", "tools_list"])
async def test_unusable_tool_arguments_are_typed(server: OpenAIServer, model: OpenAICompatibleChatModel, mode: str) -> None:
    """Arguments that were cut off or are no object are the model's fault and may be asked for again."""
    server.mode = mode
    error = await failure(model, tools=[{"name": "get_weather"}])
    assert (error.error_code, error.retryable) == ("MODEL_OUTPUT_INVALID", True)


@pytest.mark.parametrize(
    ("mode", "code", "retryable", "wait_s"),
    [
        ("401", "MODEL_AUTH", False, None),
        ("403", "MODEL_AUTH", False, None),
        ("404", "MODEL_REJECTED", False, None),
        ("400", "MODEL_REJECTED", False, None),
        ("429", "MODEL_RATE_LIMITED", True, 7.0),
        ("429_long", "MODEL_RATE_LIMITED", True, MAX_RETRY_AFTER_S),
        ("429_bad", "MODEL_RATE_LIMITED", True, None),
        ("quota", "MODEL_RATE_LIMITED", False, None),
        ("500", "MODEL_UNAVAILABLE", True, None),
        ("500_html", "MODEL_UNAVAILABLE", True, None),
        ("503", "MODEL_UNAVAILABLE", True, 3.0),
        ("504", "MODEL_TIMEOUT", True, None),
        ("529", "MODEL_UNAVAILABLE", True, None),
        ("redirect", "MODEL_PROTOCOL", False, None),
        ("error_200", "MODEL_UNAVAILABLE", True, None),
        ("error_200_text", "MODEL_UNAVAILABLE", True, None),
        ("html_200", "MODEL_PROTOCOL", True, None),
        ("broken_json_200", "MODEL_PROTOCOL", True, None),
        ("no_choices_200", "MODEL_PROTOCOL", True, None),
        ("reset", "MODEL_PROTOCOL", True, None),
        ("error_first", "MODEL_RATE_LIMITED", True, None),
        ("garbage_first", "MODEL_PROTOCOL", True, None),
        ("no_object", "MODEL_PROTOCOL", True, None),
        ("nothing", "MODEL_PROTOCOL", True, None),
        ("only_empty_choices", "MODEL_PROTOCOL", True, None),
        ("wrong_types", "MODEL_PROTOCOL", True, None),
        ("choices_no_list", "MODEL_PROTOCOL", True, None),
        ("invalid_utf8", "MODEL_PROTOCOL", True, None),
        ("lone_surrogate", "MODEL_PROTOCOL", True, None),
        ("nul", "MODEL_PROTOCOL", True, None),
        ("huge_event", "MODEL_PROTOCOL", True, None),
        ("cut", "MODEL_PROTOCOL", False, None),
        ("cut_json", "MODEL_PROTOCOL", False, None),
        ("garbage", "MODEL_PROTOCOL", False, None),
        ("never_finished", "MODEL_PROTOCOL", False, None),
        ("negative_usage", "MODEL_PROTOCOL", False, None),
        ("error_in_stream", "MODEL_UNAVAILABLE", False, None),
    ],
)
async def test_every_fault_is_a_typed_error(
    server: OpenAIServer, model: OpenAICompatibleChatModel, mode: str, code: str, retryable: bool, wait_s: float | None
) -> None:
    """Whatever a server does, the node fails with a code, and may be repeated only while no text was shown."""
    assert mode in STREAMS or mode in STATUSES or mode in {"cut", "reset"}
    server.mode = mode
    error = await failure(model)
    assert (error.error_code, error.retryable, error.retry_after_s) == (code, retryable, wait_s)
    assert error.hint


@pytest.mark.parametrize(("mode", "retryable"), [("silent", True), ("stall", False), ("drip", False)])
async def test_slow_servers_time_out(server: OpenAIServer, model: OpenAICompatibleChatModel, mode: str, retryable: bool) -> None:
    """Silence, a stall and a drip of single bytes all end at the request's own deadline."""
    server.mode = mode
    began = time.monotonic()
    error = await failure(model, timeout_s=0.3)
    assert (error.error_code, error.retryable) == ("MODEL_TIMEOUT", retryable)
    assert time.monotonic() - began < 3


async def test_leaving_early_hangs_up(server: OpenAIServer, model: OpenAICompatibleChatModel) -> None:
    """S168: when nobody reads any more the connection is closed, so that the server stops generating."""
    server.mode = "stall"
    async with aclosing(model.stream(ChatRequest(messages=[USER]))) as deltas:
        await anext(deltas)
    async with asyncio.timeout(5):
        await server.gone.wait()


async def test_unreachable_server_is_named() -> None:
    """A server that is not there is an error that names it and may be tried again."""
    async with httpx.AsyncClient() as client:
        error = await failure(OpenAICompatibleChatModel(client, base_url="http://127.0.0.1:1/v1", api_key=KEY, model="m"))
    assert (error.error_code, error.retryable) == ("MODEL_UNAVAILABLE", True)
    assert "127.0.0.1:1" in error.message


async def test_a_model_must_be_named(server: OpenAIServer) -> None:
    """Without a model in node or source nothing is sent."""
    async with httpx.AsyncClient() as client:
        error = await failure(OpenAICompatibleChatModel(client, base_url=server.base_url, api_key=None, model=None))
    assert error.error_code == "MODEL_REJECTED"
    assert server.requests == []


async def test_request_has_openais_shape(server: OpenAIServer, model: OpenAICompatibleChatModel) -> None:
    """Options, tools, schema and credentials go where OpenAI's API has them, and nothing that was left open is sent."""
    schema = {"type": "object"}
    await ask(
        model,
        model="other",
        temperature=0.5,
        max_tokens=9,
        top_p=0.9,
        seed=3,
        stop=["x"],
        json_schema=schema,
        tools=[{"name": "f", "description": "d", "parameters": {"type": "object"}}],
        tool_choice="f",
    )
    await ask(model)
    full, bare = server.requests
    assert full.path == "/v1/chat/completions"
    assert full.headers["authorization"] == f"Bearer {KEY}"
    assert full.headers["x-team"] == "a"
    assert full.body == {
        "model": "other",
        "messages": [USER],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 9,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["x"],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
    }
    assert set(bare.body) == {"model", "messages", "stream", "stream_options"}


def test_retry_after_reads_dates() -> None:
    """A date in the past means at once, one far ahead is capped, nonsense is ignored."""
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after_s("Wed, 21 Oct 2099 07:28:00 GMT") == MAX_RETRY_AFTER_S
    assert retry_after_s("1.5") == 1.5
    assert retry_after_s("-3") is None
    assert retry_after_s("nan") is None


async def test_the_real_sdk_reads_the_same_server(server: OpenAIServer) -> None:
    """OpenAI's own client gets text, usage, tool calls and vectors from our test server: it is faithful."""
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client:
        whole = await client.chat.completions.create(model="m", messages=[USER])  # type: ignore[list-item]
        assert whole.choices[0].message.content == TEXT
        stream = await client.chat.completions.create(model="m", messages=[USER], stream=True, stream_options={"include_usage": True})  # type: ignore[list-item]
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 6
        made = await client.embeddings.create(model="e", input=["a", "bb"], encoding_format="float")
        assert [len(item.embedding) for item in made.data] == [4, 4]
        server.mode = "429"
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model="m", messages=[USER])  # type: ignore[list-item]
