"""An HTTP transport into an application of this process, with answers that stream.

httpx has one of its own, which hands an answer over only when it is complete: an event stream would arrive at its end.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import httpx

Message = MutableMapping[str, Any]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class AsgiTransport(httpx.AsyncBaseTransport):
    """Sends requests to an ASGI application without a socket."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Run one request; returns as soon as the application has sent its status and headers."""
        exchange = _Exchange(await request.aread())
        task = asyncio.create_task(_run(self._app, _scope(request), exchange))
        try:
            status, headers = await exchange.head()
        except BaseException:
            task.cancel()
            raise
        return httpx.Response(status, headers=headers, stream=_Body(exchange, task), request=request)


async def _run(app: Application, scope: Message, exchange: "_Exchange") -> None:
    try:
        await app(scope, exchange.receive, exchange.send)
    except Exception as error:  # noqa: BLE001 - handed to the reader, who raises it
        exchange.fail(error)
    else:
        exchange.finish()


class _Exchange:
    """What passes between one request and the application."""

    def __init__(self, body: bytes) -> None:
        self._request: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = asyncio.get_running_loop().create_future()
        self._chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(maxsize=64)
        self._closed = asyncio.Event()

    async def receive(self) -> Message:
        if self._request is not None:
            message, self._request = self._request, None
            return message
        await self._closed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head.set_result((message["status"], list(message.get("headers", ()))))
        elif message["type"] == "http.response.body":
            if message.get("body"):
                await self._chunks.put(message["body"])
            if not message.get("more_body", False):
                await self._chunks.put(None)

    def fail(self, error: Exception) -> None:
        if not self._head.done():
            self._head.set_exception(error)
        elif not self._closed.is_set():
            self._end(error)

    def finish(self) -> None:
        if not self._head.done():
            self._head.set_exception(RuntimeError("the application did not answer"))

    def _end(self, last: Exception | None) -> None:
        while self._chunks.full():
            self._chunks.get_nowait()
        self._chunks.put_nowait(last)

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        return await self._head

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def close(self) -> None:
        self._closed.set()


class _Body(httpx.AsyncByteStream):
    def __init__(self, exchange: _Exchange, task: asyncio.Task[None]) -> None:
        self._exchange = exchange
        self._task = task

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._exchange.chunks()

    async def aclose(self) -> None:
        # The reader has gone: tell the application as a server would, then end what still waits.
        self._exchange.close()
        self._task.cancel()
        await asyncio.wait({self._task})


def _scope(request: httpx.Request) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
        "state": {},
    }
