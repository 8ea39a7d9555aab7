"""HTTP on the wire: what is no HTTP, what is too large, and who is too slow."""

import asyncio
import resource
import time

import pytest

from agentflow.entrypoints import protocol
from tests.entrypoints.connections import connected, serving_with

GOOD = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"


async def said(port, *parts):
    """Send some bytes and return everything that is answered until the server closes, or stays silent for a while."""
    async with connected(port) as (reader, writer):
        for part in parts:
            writer.write(part)
        return await all_of(reader)


async def all_of(reader):
    answer = b""
    try:
        async with asyncio.timeout(5):
            while chunk := await reader.read(65_536):
                answer += chunk
    except (TimeoutError, ConnectionError):
        answer += b"<open>" if not reader.at_eof() else b""
    return answer


BODY = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
SMUGGLED = b"GET /api/v1/auth/me HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(BODY + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunks"),
        pytest.param(BODY + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", id="chunks and length"),
        pytest.param(BODY + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", id="two lengths"),
        pytest.param(BODY + b"Content-Length: +5\r\n\r\nabcde", id="length with a sign"),
        pytest.param(BODY + b"Content-Length: 0x5\r\n\r\nabcde", id="length in hex"),
        pytest.param(BODY + b"Content-Length : 5\r\n\r\nabcde", id="space before the colon"),
        pytest.param(BODY + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="chunks that are not last"),
        pytest.param(BODY + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="no encoding"),
        pytest.param(BODY + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", id="chunk without a size"),
        pytest.param(BODY + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", id="chunks by bare LF"),
        pytest.param(BODY + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc\r\n0\r\n\r\n", id="chunk that is too short"),
        pytest.param(b"GET /health/live HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", id="bare CR in a header"),
        pytest.param(b"GET /health/live HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", id="NUL in a header"),
        pytest.param(b"GET /health/live HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n", id="header that is folded"),
        pytest.param(b"GET /health/live HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n", id="header without a colon"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
    ],
)
async def test_s86_what_two_servers_could_read_in_two_ways_is_refused(container, request_bytes):
    """The answer is 400 and the end of the connection: what comes behind is never taken for a request."""
    async with serving_with(container, request_timeout_s=1) as port:
        answer = await said(port, request_bytes + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"UNAUTHENTICATED" not in answer


async def test_s09_a_head_without_end_is_cut_off(container):
    """A token of a megabyte, and headers without end, are 431 as soon as the bound is passed."""
    async with serving_with(container) as port:
        begun = time.perf_counter()
        answer = await said(port, b"GET /api/v1/auth/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ", b"x" * 1_000_000)
        many = await said(port, b"GET / HTTP/1.1\r\nHost: a\r\n", b"".join(b"X-%d: y\r\n" % number for number in range(40_000)))
        assert time.perf_counter() - begun < 2
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert many.startswith(b"HTTP/1.1 431 ")


async def test_s88_whoever_is_slow_is_cut_off_and_nobody_else(container):
    """Connections without a request, with half a head and with a drip of a body end in time; whoever sends enough, and who only waits, goes on."""
    async with serving_with(container, request_timeout_s=2) as port:
        halves = (b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-", BODY + b"Content-Length: 100\r\n\r\n{")
        async with asyncio.TaskGroup() as group:
            slow = [group.create_task(said(port, half)) for half in halves * 40]
            drip = group.create_task(_drip(port))
            waiting = group.create_task(_two_requests(port, pause_s=3))
            quick = await said(port, GOOD.replace(b"Host", b"Connection: close\r\nHost"))
            assert not any(task.done() for task in slow)
    assert quick.startswith(b"HTTP/1.1 200")
    answers = [task.result() for task in slow]
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert b"408" in drip.result()
    assert waiting.result().count(b"HTTP/1.1 200") == 2


async def _drip(port):
    async with connected(port) as (reader, writer):
        writer.write(BODY + b"Content-Length: 1000000\r\n\r\n")
        reading = asyncio.create_task(all_of(reader))
        while not reading.done():
            writer.write(b" ")
            await asyncio.wait({reading}, timeout=0.05)
        return await reading


async def _two_requests(port, pause_s):
    async with connected(port) as (reader, writer):
        writer.write(GOOD)
        first = await reader.readuntil(b"}")
        await asyncio.sleep(pause_s)  # the clock of the connection is a real one
        writer.write(GOOD.replace(b"Host", b"Connection: close\r\nHost"))
        return first + await all_of(reader)


async def test_a_large_body_that_keeps_coming_is_taken_in(container):
    """What counts is that enough comes, not that it comes at once."""
    async with serving_with(container, request_timeout_s=0.8) as port, connected(port) as (reader, writer):
        writer.write(BODY + b"Content-Length: 1000000\r\nConnection: close\r\n\r\n")
        for _ in range(10):
            writer.write(b" " * 100_000)
            await writer.drain()
            await asyncio.sleep(0.1)
        answer = await all_of(reader)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"not acceptable JSON" in answer


@pytest.mark.parametrize(("proxies", "passed"), [(frozenset(), 5), (frozenset({"127.0.0.1"}), 8)])
async def test_one_address_holds_only_so_many_connections(container, proxies, passed):
    """More are told so and closed; when one goes another may come. A trusted proxy speaks for many, and has no bound."""
    async with serving_with(container, max_connections_per_address=5, trusted_proxies=proxies) as port:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        for _, writer in opened:
            writer.write(GOOD)
        first = [await reader.read(15) for reader, _ in opened]
        assert first.count(b"HTTP/1.1 200 OK") == passed
        assert sum(answer.startswith(b"HTTP/1.1 429") for answer in first) == 8 - passed
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()
        assert (await said(port, GOOD.replace(b"Host", b"Connection: close\r\nHost"))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("begin", "most", "status"),
    [(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", 0, 431), (b"no HTTP\r\n\r\n", 0, 400), (BODY + b"Content-Length: 4194304\r\n\r\n", 1, 429)],
)
async def test_whoever_still_sends_hears_why_it_is_refused(container, monkeypatch, begin, most, status):
    """What comes behind the refusal is passed over, and resets nothing."""
    monkeypatch.setattr(protocol, "LINGER_S", 60)
    async with serving_with(container, max_connections_per_address=most) as port, connected(port), connected(port) as (reader, writer):
        writer.write(begin)
        for _ in range(64):
            writer.write(b"x" * 65_536)
            await writer.drain()
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.endswith(b"}")


async def test_refused_connections_linger_a_moment_and_none_of_a_flood(container, monkeypatch):
    """Who never ends is cut off, and an address that opens connection after connection gets no such patience."""
    monkeypatch.setattr(protocol, "LINGER_S", 0.1)
    async with serving_with(container, max_connections_per_address=1) as port, connected(port):
        async with connected(port) as lingering:
            await _until_cut_off(*lingering)
        monkeypatch.setattr(protocol, "LINGER_S", 60)
        async with connected(port) as (reader, _), connected(port) as flood:
            assert (await reader.read()).startswith(b"HTTP/1.1 429 ")
            await _until_cut_off(*flood)


async def _until_cut_off(reader, writer):
    """Go on sending after the refusal until the connection is reset."""
    assert (await reader.read()).startswith(b"HTTP/1.1 429 ")
    async with asyncio.timeout(10):
        while not writer.transport.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.01)  # a reset is told only to those who send


async def test_what_is_pipelined_is_answered_in_order(container):
    """Requests in one piece, and cut anywhere, are answered one after the other."""
    async with serving_with(container, request_timeout_s=1) as port:
        whole = await said(port, GOOD * 3 + GOOD.replace(b"Host", b"Connection: close\r\nHost"))
        async with connected(port) as (reader, writer):
            for byte in GOOD.replace(b"Host", b"Connection: close\r\nHost"):
                writer.write(bytes([byte]))
                await writer.drain()
            in_bytes = await all_of(reader)
    assert whole.count(b"HTTP/1.1 200") == 4
    assert in_bytes.startswith(b"HTTP/1.1 200")


def test_a_server_may_hold_as_many_connections_as_the_system_allows(monkeypatch):
    """The shell's thousand is raised, never lowered."""
    from agentflow.entrypoints import process

    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1_024, 1_048_576))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, limits: asked.append(limits))
    process.raise_file_limit()
    assert asked == [(65_536, 1_048_576)]
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (100_000, 1_048_576))
    process.raise_file_limit()
    assert len(asked) == 1
