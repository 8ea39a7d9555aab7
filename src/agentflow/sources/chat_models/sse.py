"""Server-sent events as a client reads them, from bytes that may be cut anywhere."""

import re
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

MAX_EVENT_BYTES = 4_000_000
"""Largest single event accepted; a model's chunk is a few hundred bytes."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


class InvalidEventStream(Exception):
    """The bytes are no event stream we can read; the message says why."""


async def event_data(chunks: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
    """Yield the data of each event that has any; comments and other fields are passed over.

    An event that the end of the stream cuts off is dropped, as the standard says.

    Raises:
        InvalidEventStream: an event is larger than ``MAX_EVENT_BYTES`` or not UTF-8.
    """
    data: list[bytes] = []
    async with aclosing(_lines(chunks)) as lines:
        async for line in lines:
            if not line and data:
                yield _text(b"\n".join(data))
                data.clear()
            elif line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
                if sum(map(len, data)) > MAX_EVENT_BYTES:
                    raise InvalidEventStream(f"an event is larger than {MAX_EVENT_BYTES} bytes")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidEventStream("an event is not valid UTF-8") from error


async def _lines(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Split at LF, CR LF and CR. A CR at the end of a chunk waits for the next byte, which may be its LF."""
    rest = bytearray()
    searched = 0  # no line end before here: a drip of single bytes must not be searched again and again
    async for chunk in chunks:
        rest += chunk
        start = 0
        while (found := _LINE_END.search(rest, max(searched, start))) is not None and not (found.end() == len(rest) and found[0] == b"\r"):
            yield bytes(rest[start : found.start()])
            start = searched = found.end()
        del rest[:start]
        searched = max(0, len(rest) - 1)
        if len(rest) > MAX_EVENT_BYTES:
            raise InvalidEventStream(f"a line is longer than {MAX_EVENT_BYTES} bytes")
    if rest.endswith(b"\r"):
        yield bytes(rest[:-1])
