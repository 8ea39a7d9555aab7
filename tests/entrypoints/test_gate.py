"""Starts that are turned away on the wire: quickly, in order, with the answer that the application would have given, and nothing left behind."""

import asyncio
import json

import pytest

from agentflow.entrypoints import http
from agentflow.runtime.runs.overload import TICKS
from tests.entrypoints.connections import connected, serving_with
from tests.runtime.support import spec_of, transform

APP = "https://app.example.com"
BODY = json.dumps({"spec": spec_of([transform("a", 1)])}).encode()
HEALTH = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def settings(settings, request):
    return settings.model_copy(update=getattr(request, "param", {}))


@pytest.fixture
async def port(container):
    """Give the port of a server that is far behind its work."""
    await _overload(container)
    async with serving_with(container) as port:
        yield port


async def _overload(container):
    await container.runs.overload.stop()  # what it measures would end the overload
    _lag(container, 5.0)


def _lag(container, seconds):
    container.runs.overload._late.extend([seconds] * TICKS)


def start(*headers, key=None, body=BODY):
    """Return a request that starts a run."""
    given = [*headers, f"Content-Length: {len(body)}", *([] if key is None else [f"X-API-Key: {key}"])]
    return (
        "\r\n".join(["POST /api/v1/execute HTTP/1.1", "Host: a", "Content-Type: application/json", *given]) + "\r\n\r\n"
    ).encode() + body


async def answer_of(reader):
    """Return status, headers and body of the next answer."""
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def ask(port, request):
    async with connected(port) as (reader, writer):
        writer.write(request)
        return await answer_of(reader)


async def test_the_answer_is_the_one_of_the_application(port, client):
    """Same status, same headers, same problem, and the request's own id."""
    status, headers, body = await ask(port, start("X-Request-ID: mine", key=client.headers["x-api-key"]))
    inside = await client.post("/execute", content=BODY, headers={"X-Request-ID": "mine"})
    assert status == inside.status_code == 503
    assert {name: value for name, value in headers.items() if name != "date"} == dict(inside.headers)
    assert json.loads(body) == inside.json()
    assert (json.loads(body)["instance"], headers["x-request-id"]) == ("mine", "mine")


async def test_each_refusal_has_its_own_id(port):
    """Also those that came in one piece."""
    async with connected(port) as (reader, writer):
        writer.write(start() * 3)
        ids = {(await answer_of(reader))[1]["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("settings", [{"cors_origins": frozenset({APP})}], indirect=True)
async def test_a_page_of_another_origin_can_read_why(port):
    """Its answer carries the headers of CORS."""
    status, headers, _ = await ask(port, start(f"Origin: {APP}"))
    assert (status, headers["access-control-allow-origin"]) == (503, APP)


@pytest.mark.parametrize("first", [HEALTH, b""])
async def test_answers_keep_their_order(port, client, first):
    """A great many in one piece, turned away at once or behind an answer that is still to come, and other requests between them."""
    starts = start(key=client.headers["x-api-key"]) * 1_000
    async with connected(port) as (reader, writer):
        writer.write(first + starts + HEALTH + starts + HEALTH)
        seen = [(await answer_of(reader))[0] for _ in range(2_002 + bool(first))]
    assert seen == [*[200] * bool(first), *[503] * 1_000, 200, *[503] * 1_000, 200]


async def test_a_repeated_start_goes_on(port, client, container):
    """What was accepted before is found, whatever the load; what is new is refused."""
    key = client.headers["x-api-key"]
    _lag(container, 0.0)
    first, _, accepted = await ask(port, start("Idempotency-Key: once", key=key))
    _lag(container, 5.0)
    again, _, repeated = await ask(port, start("Idempotency-Key: once", key=key))
    assert (first, again, json.loads(repeated)["id"]) == (202, 202, json.loads(accepted)["id"])
    assert (await ask(port, start("Idempotency-Key: another", key=key)))[0] == 503


async def test_a_start_that_never_reaches_the_runtime_makes_room(port, container):
    """Refused for its caller or its target, or cut off: it counts no longer."""
    _lag(container, 0.0)
    assert (await ask(port, start()))[0] == 401
    assert (await ask(port, start("Host: b")))[0] == 400
    async with connected(port) as (_, writer):
        writer.write(start()[:-5])
        await _counted(container, under_way=1, at_work=0)
    await _counted(container, under_way=0, at_work=0)


@pytest.mark.parametrize("headers", [(), ("Connection: close",)])
async def test_a_start_is_work_once_its_body_has_come(port, client, container, monkeypatch, headers):
    """Until then it waits for its sender, whether the gate or the application let it in; when its run is accepted it is over."""
    _lag(container, 0.0)
    overload, arrived = container.runs.overload, container.runs.overload.arrived
    at_work = []
    monkeypatch.setattr(overload, "arrived", lambda: at_work.append(arrived() or overload._at_work))
    request = start(*headers, key=client.headers["x-api-key"])
    async with connected(port) as (reader, writer):
        writer.write(request[:-5])
        await _counted(container, under_way=1, at_work=0)
        writer.write(request[-5:])
        assert (await answer_of(reader))[0] == 202
    assert at_work == [1]
    await _counted(container, under_way=0, at_work=0)


async def _counted(container, *, under_way, at_work):
    overload = container.runs.overload
    async with asyncio.timeout(10):
        while (overload._under_way, overload._at_work) != (under_way, at_work):  # noqa: ASYNC110 - the server runs on this loop and tells nobody
            await asyncio.sleep(0)


async def test_a_body_that_comes_late_is_passed_over(port):
    """The connection serves the next request, however much was still to come."""
    request = start(body=b"x" * 1_000_000)
    async with connected(port) as (reader, writer):
        writer.write(request[:200])
        assert (await answer_of(reader))[0] == 503
        writer.write(request[200:] + HEALTH)
        assert (await answer_of(reader))[0] == 200


@pytest.mark.parametrize("cut", [None, -5])
async def test_a_connection_that_was_refused_does_not_stay_for_ever(monkeypatch, container, cut):
    """Its time to send the next request runs, whether its body came with its head or behind the answer."""
    monkeypatch.setattr(http, "KEEP_ALIVE_S", 0.2)
    await _overload(container)
    async with serving_with(container) as port, connected(port) as (reader, writer):
        request = start()
        writer.write(request[:cut])
        assert (await answer_of(reader))[0] == 503
        if cut is not None:
            writer.write(request[cut:])
        async with asyncio.timeout(10):
            assert await reader.read() == b""
