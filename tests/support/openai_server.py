"""A server that speaks OpenAI's API over real sockets, byte by byte, and can misbehave in every way that a model server has been seen to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

WORDS = ["Hel", "lo", ", ", "wor", "ld", "é"]
TEXT = "".join(WORDS)
USAGE = {"prompt_tokens": 11, "completion_tokens": 6, "total_tokens": 17}


NAMED = "named"


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class OpenAIServer:
    """The running server; ``mode`` decides how the next answers go; with ``NAMED``, each goes as the model that it asks for is called."""

    base_url: str = ""
    mode: str = "ok"
    requests: list[Request] = field(default_factory=list)
    asked: asyncio.Condition = field(default_factory=asyncio.Condition)
    """Notified at each request."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client left before the answer was finished."""


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "test-model-2026", "choices": [choice], **more}


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


ROLE = event(chunk({"role": "assistant", "content": ""}))
FIRST = event(chunk({"content": WORDS[0]}))
STOP = event(chunk({}, "stop"))
REPORT = event({**chunk({}), "choices": [], "usage": USAGE})
DONE = b"data: [DONE]\n\n"
BODY = [event(chunk({"content": word})) for word in WORDS]
LONG = "x" * 2_000_000
CALLS = [
    event(chunk({"tool_calls": [{"index": 0, "id": "call_a", "type": "function", "function": {"name": "get_weather", "arguments": ""}}]})),
    event(chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city"'}}]})),
    event(chunk({"tool_calls": [{"index": 1, "id": "call_b", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}]})),
    event(chunk({"tool_calls": [{"index": 0, "function": {"arguments": ': "Oslo"}'}}]})),
]

STREAMS: dict[str, list[bytes]] = {
    "ok": [ROLE, *BODY, STOP, REPORT, DONE],
    "crlf": [part.replace(b"\n", b"\r\n") for part in (ROLE, *BODY, STOP, REPORT, DONE)],
    "comments": [b": keep-alive\n\n", b"event: message\nid: 1\n" + FIRST, *BODY[1:], STOP, b"retry: 10\n\n", REPORT, DONE],
    "no_done": [ROLE, *BODY, STOP, REPORT],
    "double_done": [ROLE, *BODY, STOP, REPORT, DONE, DONE],
    "no_usage": [ROLE, *BODY, STOP, DONE],
    "empty_choices": [ROLE, event({**chunk({}), "choices": []}), *BODY, STOP, REPORT, DONE],
    "null_fields": [event(chunk({"role": "assistant", "content": None, "tool_calls": None})), *BODY, STOP, REPORT, DONE],
    "cut_json": [ROLE, FIRST, b'data: {"choices": [{"delta"'],
    "only_empty_choices": [event({**chunk({}), "choices": []}), DONE],
    "never_finished": [ROLE, FIRST, DONE],
    "nothing": [],
    "garbage": [ROLE, FIRST, b"data: <html>oops</html>\n\n", STOP, DONE],
    "garbage_first": [b"data: not json\n\n"],
    "no_object": [b"data: 42\n\n"],
    "wrong_types": [event({**chunk({}), "choices": [{"index": 0, "delta": "text"}]})],
    "choices_no_list": [event({**chunk({}), "choices": 7})],
    "negative_usage": [
        ROLE,
        *BODY,
        STOP,
        event({**chunk({}), "choices": [], "usage": {"prompt_tokens": -1, "completion_tokens": 2}}),
        DONE,
    ],
    "invalid_utf8": [ROLE, b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}\n\n', STOP, DONE],
    "lone_surrogate": [ROLE, b'data: {"choices":[{"index":0,"delta":{"content":"\\ud800"}}]}\n\n', STOP, DONE],
    "nul": [ROLE, b'data: {"choices":[{"index":0,"delta":{"content":"\\u0000"}}]}\n\n', STOP, DONE],
    "error_in_stream": [ROLE, FIRST, event({"error": {"message": "boom", "type": "server_error", "code": None}})],
    "error_first": [event({"error": {"message": "slow down", "type": "rate_limit_error", "code": 429}})],
    "huge_event": [ROLE, b"data: " + b"x" * 5_000_000],
    "huge_chunk": [ROLE, event(chunk({"content": LONG})), STOP, DONE],
    "tools": [ROLE, *CALLS, event(chunk({}, "tool_calls")), REPORT, DONE],
    "tools_cut": [ROLE, *CALLS[:2], event(chunk({}, "length")), REPORT, DONE],
    "tools_list": [
        ROLE,
        event(chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "[1]"}}]})),
        event(chunk({}, "tool_calls")),
        DONE,
    ],
}
"""Event streams, part by part."""

Status = tuple[int, dict[str, str], Any]
STATUSES: dict[str, Status] = {
    "401": (
        401,
        {},
        {"error": {"message": "Incorrect API key provided: sk-secret", "type": "invalid_request_error", "code": "invalid_api_key"}},
    ),
    "403": (403, {}, {"error": {"message": "no access"}}),
    "404": (404, {}, {"error": {"message": "The model does not exist", "code": "model_not_found"}}),
    "400": (400, {}, {"error": {"message": "context too long", "code": "context_length_exceeded"}}),
    "429": (429, {"Retry-After": "7"}, {"error": {"message": "Rate limit reached", "type": "requests"}}),
    "429_long": (429, {"Retry-After": "86400"}, {"error": {"message": "Rate limit reached"}}),
    "429_bad": (429, {"Retry-After": "soon"}, {"error": {"message": "Rate limit reached"}}),
    "quota": (
        429,
        {},
        {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}},
    ),
    "500": (500, {}, {"error": {"message": "The server had an error"}}),
    "500_html": (500, {"Content-Type": "text/html"}, "<html>\xe9 oops</html>"),
    "503": (503, {"Retry-After": "3"}, {"error": {"message": "overloaded"}}),
    "504": (504, {}, {"error": {"message": "gateway timeout"}}),
    "529": (529, {}, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "redirect": (302, {"Location": "http://127.0.0.1:1/"}, ""),
    "error_200": (200, {}, {"error": {"message": "model is loading", "type": "unavailable"}}),
    "error_200_text": (200, {}, {"error": "something"}),
    "html_200": (200, {"Content-Type": "text/html"}, "<html>login</html>"),
    "broken_json_200": (200, {}, '{"choices": [{'),
    "no_choices_200": (200, {}, {"id": "x", "choices": []}),
}
"""Answers that come at once: status, headers, body."""


def completion(body: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "test-model-2026", "choices": [choice], "usage": USAGE}


def embeddings(body: Any, mode: str) -> Any:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    size = body.get("dimensions", 4)
    data = [
        {"object": "embedding", "index": i, "embedding": [float(len(text) % 7 + 1), float(i + 1), *[0.5] * (size - 2)]}
        for i, text in enumerate(texts)
    ]
    answer: dict[str, Any] = {
        "object": "list",
        "data": data[::-1],
        "model": body["model"],
        "usage": {"prompt_tokens": 3 * len(texts), "total_tokens": 3},
    }
    if mode == "too_few":
        answer["data"] = data[1:]
    elif mode == "uneven":
        data[0]["embedding"] = [1.0]
    elif mode == "no_numbers":
        data[0]["embedding"] = ["a", "b", "c", "d"]
    elif mode == "null_numbers":
        data[0]["embedding"] = [None, 1.0, 1.0, 1.0]
    elif mode == "no_usage":
        del answer["usage"]
    elif mode == "no_data":
        answer = {"object": "list"}
    elif mode == "not_json":
        return "oops"
    return answer


@asynccontextmanager
async def openai_server() -> AsyncIterator[OpenAIServer]:
    """Run a server on a free loopback port."""
    state = OpenAIServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while await _one(state, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            state.gone.set()
        except asyncio.CancelledError:  # the test is over
            return
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**24)
    state.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield state
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _one(state: OpenAIServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = line.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in fields)}
    data = await reader.readexactly(int(headers.get("content-length", 0)))
    body = json.loads(data) if data else None
    async with state.asked:
        state.requests.append(Request(method, path, headers, body))
        state.asked.notify_all()
    mode = body["model"] if state.mode == NAMED else state.mode
    if path.endswith("/embeddings") and mode not in STATUSES:
        await _whole(writer, 200, {}, embeddings(body, mode))
    elif mode in STATUSES:
        await _whole(writer, *STATUSES[mode])
    elif not body.get("stream") or mode == "no_stream":
        await _whole(writer, 200, {}, completion(body))
    else:
        return await _stream(state, mode, reader, writer)
    return True


async def _whole(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: Any) -> None:
    data = body.encode("latin-1") if isinstance(body, str) else json.dumps(body).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
    writer.write(f"HTTP/1.1 {status} X\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in fields.items()).encode() + b"\r\n" + data)
    await writer.drain()


async def _stream(state: OpenAIServer, mode: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    send = _sender(writer)
    if mode == "silent":
        await _until_gone(state, reader)
        return False
    if mode == "reset":
        writer.transport.abort()
        return False
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n")
    if mode in {"stall", "drip", "cut"}:
        await send(ROLE)
        await send(FIRST)
        if mode == "drip":
            await _drip(state, reader, send)
        elif mode == "stall":
            await _until_gone(state, reader)
        else:
            writer.transport.close()
        return False
    parts = [bytes([byte]) for part in STREAMS["ok"] for byte in part] if mode == "bytes" else STREAMS[mode]
    for part in parts:
        await send(part)
    await send(b"")
    return True


def _sender(writer: asyncio.StreamWriter) -> Callable[[bytes], Awaitable[None]]:
    async def send(part: bytes) -> None:
        writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        await writer.drain()

    return send


async def _drip(state: OpenAIServer, reader: asyncio.StreamReader, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Send one byte of a comment every 20 ms: no single read ever times out."""
    gone = asyncio.create_task(_until_gone(state, reader))
    try:
        while not gone.done():
            await send(b":")
            await asyncio.wait([gone], timeout=0.02)
    finally:
        gone.cancel()


async def _until_gone(state: OpenAIServer, reader: asyncio.StreamReader) -> None:
    await reader.read(1)
    state.gone.set()
