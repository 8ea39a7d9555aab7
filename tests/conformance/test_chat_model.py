"""What every chat model must do, whoever serves it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest

from agentflow.sources.chat_models.base import ChatModel, ChatRequest, ChatResult
from agentflow.sources.chat_models.local import LocalChatModel
from agentflow.sources.chat_models.openai_compatible import OpenAICompatibleChatModel
from tests.support.openai_server import openai_server

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.fixture(params=["local", "openai_compatible"])
async def model(request: pytest.FixtureRequest) -> AsyncIterator[ChatModel]:
    if request.param == "local":
        yield LocalChatModel()
        return
    async with openai_server() as server, httpx.AsyncClient() as client:
        yield OpenAICompatibleChatModel(client, base_url=server.base_url, api_key=None, model="test")


def ask(text: str = "Say hello.", **options: object) -> ChatRequest:
    return ChatRequest(messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}], max_tokens=12, **options)


async def collect(model: ChatModel, request: ChatRequest) -> tuple[list[str], list[ChatResult]]:
    texts, finals = [], []
    async with aclosing(model.stream(request)) as deltas:
        async for delta in deltas:
            texts += [delta.text] if delta.text else []
            finals += [delta.final] if delta.final else []
    return texts, finals


async def test_streams_pieces_that_make_up_the_text(model: ChatModel) -> None:
    """The pieces that are shown, put together, are the final text."""
    texts, finals = await collect(model, ask())
    assert len(texts) > 1
    assert "".join(texts) == finals[0].text


async def test_ends_with_exactly_one_result(model: ChatModel) -> None:
    """One final result says the model, why it ended, and what was used."""
    _, finals = await collect(model, ask())
    assert len(finals) == 1
    result = finals[0]
    assert result.model
    assert result.finish_reason in {"stop", "length"}
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0
    assert not result.usage.estimated


async def test_answers_many_at_once(model: ChatModel) -> None:
    """More requests than the model has places all get their answer."""
    answers = await asyncio.gather(*(collect(model, ask(f"Say {word}.")) for word in ("one", "two", "three", "four", "five", "six")))
    assert all(finals[0].text for _, finals in answers)


async def test_can_be_left_early(model: ChatModel) -> None:
    """A consumer that leaves after the first piece is not waited for."""
    async with aclosing(model.stream(ask("Write a very long story."))) as deltas:
        assert (await anext(deltas)).text
    began = time.monotonic()
    _, finals = await collect(model, ask())
    assert finals
    assert time.monotonic() - began < 5


async def test_cancellation_is_passed_on(model: ChatModel) -> None:
    """Cancelling the task ends the stream at once."""
    begun = asyncio.Event()

    async def consume() -> None:
        async with aclosing(model.stream(ask("Write a very long story."))) as deltas:
            async for _ in deltas:
                begun.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(consume())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_local_answer_is_valid_json_for_a_schema() -> None:
    """A JSON schema is held to by the real model, not hoped for."""
    request = ChatRequest(messages=[{"role": "user", "content": "Invent a person."}], json_schema=SCHEMA, max_tokens=100)
    _, finals = await collect(LocalChatModel(), request)
    assert isinstance(json.loads(finals[0].text)["name"], str)
