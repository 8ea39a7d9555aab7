"""Reading a response body within a budget: what counts is the size after decompression."""

import zlib
from collections.abc import AsyncIterator

import httpx

from agentflow.errors import NodeError

ACCEPTED_ENCODINGS = "gzip, deflate"
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


async def read(response: httpx.Response, max_bytes: int) -> bytes:
    """Return the decoded body of a streamed response.

    Raises:
        NodeError: ``HTTP_TOO_LARGE`` once it passes ``max_bytes``, however small it came; ``HTTP_PROTOCOL`` when it is broken.
    """
    parts: list[bytes] = []
    size = 0
    async for part in _decoded(response, max_bytes):
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        parts.append(part)
    return b"".join(parts)


async def _decoded(response: httpx.Response, max_bytes: int) -> AsyncIterator[bytes]:
    encodings = [name for name in map(str.strip, response.headers.get("content-encoding", "").lower().split(",")) if name]
    names = [name for name in encodings if name != "identity"]
    if not names:
        async for part in response.aiter_raw():
            yield part
        return
    if len(names) > 1 or names[0] not in {"gzip", "x-gzip", "deflate"}:
        raise _broken(f"its content encoding {', '.join(names)} was not asked for")
    inflater = _Inflater(max_bytes)
    async for part in response.aiter_raw():
        yield inflater.feed(part)
    inflater.finish()


class _Inflater:
    """Undoes gzip or deflate, never producing more than one byte over the budget from one piece."""

    def __init__(self, max_bytes: int) -> None:
        self._budget = max_bytes + 1
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._fresh = True
        self._empty = True

    def feed(self, data: bytes) -> bytes:
        """Return what a piece of the body decodes to."""
        out = bytearray()
        self._empty = self._empty and not data
        while data:
            if self._stream.eof:  # gzip files may follow one another
                self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
            out += self._inflate(data)
            if len(out) >= self._budget:
                break
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        self._budget -= len(out)
        return bytes(out)

    def _inflate(self, data: bytes) -> bytes:
        fresh, self._fresh = self._fresh, False
        try:
            return self._stream.decompress(data, max(1, self._budget))
        except zlib.error as error:
            if not fresh:
                raise _broken("its compressed data is damaged") from error
        # Some servers send deflate without the header that its standard asks for.
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            return self._stream.decompress(data, max(1, self._budget))
        except zlib.error as error:
            raise _broken("its compressed data is damaged") from error

    def finish(self) -> None:
        """Check that the data was complete; an answer to HEAD has none."""
        if not self._empty and not self._stream.eof and self._budget > 0:
            raise _broken("its compressed data ends early")


def _too_large(max_bytes: int) -> NodeError:
    return NodeError(
        f"The response is larger than {max_bytes} bytes.",
        error_code="HTTP_TOO_LARGE",
        hint="Ask the server for less, or page through the results.",
        details={"max_bytes": max_bytes},
    )


def _broken(reason: str) -> NodeError:
    return NodeError(f"The response cannot be read: {reason}.", error_code="HTTP_PROTOCOL")
