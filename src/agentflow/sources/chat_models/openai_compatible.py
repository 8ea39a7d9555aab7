"""Any server that speaks OpenAI's chat completions API, by its base URL."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import httpx

from agentflow.errors import NodeError
from agentflow.sources.chat_models.base import ChatDelta, ChatRequest
from agentflow.sources.chat_models.openai_assembly import MAX_ANSWER_CHARACTERS, Assembly
from agentflow.sources.chat_models.openai_errors import ServerErrors
from agentflow.sources.chat_models.sse import InvalidEventStream, event_data

CONNECT_TIMEOUT_S = 10.0
MAX_ERROR_BYTES = 65_536


class OpenAICompatibleChatModel:
    """One model of one server.

    Args:
        client: sends the requests; its transport is the SSRF guard. Stays the caller's to close.
        base_url: root of the API, such as ``https://api.openai.com/v1``.
        api_key: sent as a bearer token; None for servers that want none.
        model: used by requests that name no model.
        headers: sent with every request besides.
        max_tokens_field: what the server calls the bound on the answer; OpenAI's own newer models want ``max_completion_tokens``.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        base_url: str,
        api_key: str | None,
        model: str | None,
        headers: Mapping[str, str] | None = None,
        max_tokens_field: str = "max_tokens",
    ) -> None:
        self._client = client
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model = model
        self._max_tokens_field = max_tokens_field
        self._headers = {**(headers or {}), "Accept": "text/event-stream"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        self._errors = ServerErrors(server_name(base_url), api_key)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a completion; see ``ChatModel.stream``. Leaving early closes the connection, which stops the server."""
        model = request.model or self._model
        if not model:
            raise NodeError(
                "Neither the node nor its source names a model.", error_code="MODEL_REJECTED", hint="Set model in the source's config."
            )
        answer = Assembly(request, model, self._errors)
        # The loop must not time out while the consumer works: the deadline is checked around each read only.
        async with aclosing(self._events(request, model, answer)) as events:
            deadline = asyncio.get_running_loop().time() + request.timeout_s
            while (text := await self._before(deadline, anext(events, None), answer, request.timeout_s)) is not None:
                if text:
                    yield ChatDelta(text)
        yield ChatDelta(final=answer.result())

    async def _before(self, deadline: float, step: Any, answer: Assembly, timeout_s: float) -> str | None:
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                text: str | None = await step
                return text
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise self._errors.make(f"did not finish within {timeout_s:g} s.", "MODEL_TIMEOUT", retryable=not answer.begun) from error

    async def _events(self, request: ChatRequest, model: str, answer: Assembly) -> AsyncGenerator[str, None]:
        """Send the request; yield each piece of text as it comes."""
        limits = httpx.Timeout(request.timeout_s, connect=min(CONNECT_TIMEOUT_S, request.timeout_s))
        body = request_body(request, model, self._max_tokens_field)
        try:
            async with self._client.stream(
                "POST", self._url, json=body, headers=self._headers, timeout=limits, follow_redirects=False
            ) as response:
                if not response.is_success:
                    raise self._errors.of_status(response.status_code, response.headers, await read_body(response, MAX_ERROR_BYTES))
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                if kind == "application/json":
                    yield self._whole(await read_body(response, 2 * MAX_ANSWER_CHARACTERS), answer)
                    return
                if kind != "text/event-stream":
                    raise self._errors.protocol(f"its content type is {kind or 'missing'}", begun=False)
                async with aclosing(self._texts(response, answer)) as texts:
                    async for text in texts:
                        yield text
        except httpx.HTTPError as error:
            raise self._errors.of_transport(error, begun=answer.begun) from error
        except (httpx.InvalidURL, httpx.StreamError) as error:
            raise self._errors.make(f"cannot be asked: {error}.", "MODEL_UNAVAILABLE") from error

    async def _texts(self, response: httpx.Response, answer: Assembly) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(event_data(response.aiter_bytes())) as events:
                async for data in events:
                    if data.strip() == "[DONE]":
                        break
                    yield answer.add(data)
        except InvalidEventStream as error:
            raise self._errors.protocol(str(error), begun=answer.begun) from error
        if answer.finish_reason is None:
            raise self._errors.protocol("it ended before the model had finished", begun=answer.begun)

    def _whole(self, body: bytes, answer: Assembly) -> str:
        """Read a completion that came at once: some servers do not stream."""
        completion = answer.parse(body)
        text = answer.add_chunk(completion, part="message")
        if not completion.get("choices"):
            raise self._errors.protocol("it has no choices", begun=False)
        return text


def server_name(base_url: str) -> str:
    """Return how errors name the server of a URL: host and port, never credentials or path."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        return "(invalid base_url)"
    return f"{url.host}:{url.port}" if url.port else url.host


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """Return the body, cut off at ``limit`` bytes."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body[:limit])


def request_body(request: ChatRequest, model: str, max_tokens_field: str) -> dict[str, Any]:
    """Return the JSON body of a chat completion request; what the caller left open is left to the server."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [dict(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    optional = {"temperature": request.temperature, max_tokens_field: request.max_tokens, "top_p": request.top_p, "seed": request.seed}
    body |= {name: value for name, value in optional.items() if value is not None}
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = [{"type": "function", "function": dict(tool)} for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.json_schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(request.json_schema)}}
    return body


def _tool_choice(choice: str | Mapping[str, Any]) -> Any:
    if isinstance(choice, str) and choice not in {"auto", "none", "required"}:
        return {"type": "function", "function": {"name": choice}}
    return choice
