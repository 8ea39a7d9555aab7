"""Event streams: many frames in one write, signs of life, and readers that are slow or gone."""

import asyncio

import pytest

from agentflow.endpoints import sse
from agentflow.endpoints.sse import EventStream, frame


class Wire:
    """The two ends of an ASGI response, held by a test."""

    def __init__(self):
        self.sent = []
        self.left = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.written = asyncio.Event()

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        await self.open.wait()
        self.sent.append(message)
        self.written.set()

    async def until(self, count):
        """Wait until so many chunks were written."""
        while len(self.chunks) < count:
            self.written.clear()
            await self.written.wait()

    def serve(self, frames, stopping=None):
        stream = EventStream(frames, stopping or asyncio.Event())
        return asyncio.create_task(stream({"type": "http"}, self.receive, self.send))

    @property
    def chunks(self):
        return [message["body"] for message in self.sent[1:] if message["body"]]


async def numbers(count):
    for number in range(count):
        yield frame("n", b"%d" % number, number)


def test_a_frame_has_an_id_only_where_a_stream_can_resume():
    """Live text has no id, so that the browser keeps the last stored one."""
    assert frame("run.queued", b"{}", 1) == b"id: 1\nevent: run.queued\ndata: {}\n\n"
    assert frame("node.token", b"{}") == b"event: node.token\ndata: {}\n\n"


async def test_what_is_there_goes_out_in_few_writes():
    """A thousand frames that wait for nothing are not a thousand writes, and none is lost."""
    wire = Wire()
    await wire.serve(numbers(1_000))
    assert b"".join(wire.chunks) == b"".join([item async for item in numbers(1_000)])
    assert len(wire.chunks) < 10
    assert wire.sent[-1]["more_body"] is False


async def test_a_slow_reader_stops_the_source(monkeypatch):
    """No more than the buffer is taken from the source while nobody reads."""
    monkeypatch.setattr(sse, "MAX_BUFFERED_BYTES", 100)
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 10

    wire = Wire()
    wire.open.clear()
    task = wire.serve(endless())
    for _ in range(100):
        await asyncio.sleep(0)
    assert taken <= 12
    wire.left.set()
    wire.open.set()
    await asyncio.wait_for(task, 5)


async def test_silence_is_filled_with_signs_of_life(monkeypatch):
    """A stream without events sends comments, which readers ignore."""
    monkeypatch.setattr(sse, "KEEP_ALIVE_S", 0.005)
    wire, event = Wire(), asyncio.Event()

    async def silent():
        await event.wait()
        yield b"data: 1\n\n"

    task = wire.serve(silent())
    await wire.until(3)
    event.set()
    await task
    assert set(wire.chunks[:3]) == {b": keep-alive\n\n"}
    assert wire.chunks[-1] == b"data: 1\n\n"


@pytest.mark.parametrize("end", ["reader", "server"])
async def test_a_stream_ends_with_its_reader_or_its_server(end):
    """The source is closed, so that nothing goes on for nobody."""
    wire, stopping, closed = Wire(), asyncio.Event(), asyncio.Event()

    async def endless():
        try:
            yield b"data: 1\n\n"
            await asyncio.Event().wait()
        finally:
            closed.set()

    task = wire.serve(endless(), stopping)
    await wire.until(1)
    (wire.left if end == "reader" else stopping).set()
    await asyncio.wait_for(task, 5)
    assert closed.is_set()


async def test_a_source_that_breaks_ends_the_stream():
    """What came before is delivered; the reader resumes from there."""

    async def broken():
        yield b"data: 1\n\n"
        raise RuntimeError("gone")

    wire = Wire()
    await wire.serve(broken())
    assert wire.chunks == [b"data: 1\n\n"]
