"""Server-sent events: many frames in one write, a sign of life in silence, and an end when the reader has gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import structlog
from prometheus_client import Gauge
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

log = structlog.get_logger(__name__)

READERS = Gauge("agentflow_sse_readers", "Readers of event streams that are connected.")

KEEP_ALIVE_S = 15.0
MAX_BUFFERED_BYTES = 256 * 1024
"""What may wait for a slow reader before the source is asked to wait too."""


def frame(event: str, data: bytes, event_id: int | None = None) -> bytes:
    """Return one event; ``data`` must be JSON on one line."""
    name = event.encode()
    return b"event: %b\ndata: %b\n\n" % (name, data) if event_id is None else b"id: %d\nevent: %b\ndata: %b\n\n" % (event_id, name, data)


class EventStream(Response):
    """Sends ``frames`` as they come.

    Args:
        frames: encoded events; closed when the reader leaves.
        stopping: set when the server shuts down; the stream ends then and the reader resumes elsewhere.
        refused: returns when the reader is not let in any more; the stream ends then.
    """

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncIterator[bytes], stopping: asyncio.Event, refused: Awaitable[object] | None = None) -> None:
        super().__init__(None, 200, {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames
        self._stopping = stopping
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the stream to its end, or until its reader has gone."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        buffer = _Buffer()
        READERS.inc()
        helpers = [
            asyncio.create_task(buffer.fill(self._frames)),
            asyncio.create_task(buffer.end_with(_gone(receive))),
            asyncio.create_task(buffer.end_with(self._stopping.wait())),
        ]
        if self._refused is not None:
            helpers.append(asyncio.create_task(buffer.end_with(self._refused)))
        try:
            while (chunk := await buffer.take()) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            READERS.dec()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)


async def _gone(receive: Receive) -> bool:
    while (await receive())["type"] != "http.disconnect":
        pass
    return True


class _Buffer:
    """What waits between the source and the socket."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._has_ended = False
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def fill(self, frames: AsyncIterator[bytes]) -> None:
        try:
            async for item in frames:
                await self._has_room.wait()
                self._parts.append(item)
                self._size += len(item)
                if self._size >= MAX_BUFFERED_BYTES:
                    self._has_room.clear()
                self._changed.set()
        except Exception as error:  # noqa: BLE001 - the answer has begun; the reader resumes from the last id it saw
            log.warning("event stream broken", error=str(error))
        self._end()

    async def end_with(self, signal: Awaitable[object]) -> None:
        await signal
        self._parts.clear()
        self._end()

    def _end(self) -> None:
        self._has_ended = True
        self._changed.set()

    async def take(self) -> bytes | None:
        """Return everything that waits, a comment after a long silence, or None at the end."""
        if not self._parts and not self._has_ended:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    await self._changed.wait()
            except TimeoutError:
                return b": keep-alive\n\n"
        self._changed.clear()
        if self._has_ended and not self._parts:
            return None
        chunk = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        self._has_room.set()
        return chunk
