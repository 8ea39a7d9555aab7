"""The transport into an application of this process."""

import asyncio

import httpx
import pytest

from agentflow.entrypoints.cli.asgi import AsgiTransport


def client(app):
    return httpx.AsyncClient(transport=AsgiTransport(app), base_url="http://app")


async def test_the_first_part_of_an_answer_arrives_before_the_last_is_made():
    """An event stream is read while it runs."""
    go_on = asyncio.Event()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"second\n"})

    async with client(app) as http, http.stream("GET", "/") as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "first"
        go_on.set()
        assert await anext(lines) == "second"


async def test_the_application_sees_the_request():
    """Method, path, query, headers and body cross."""
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope, body=(await receive())["body"])
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with client(app) as http:
        answer = await http.post("/a b?x=1", content=b"hello", headers={"X-API-Key": "k"})
    assert answer.status_code == 201
    assert (seen["method"], seen["path"], seen["query_string"], seen["body"]) == ("POST", "/a b", b"x=1", b"hello")
    assert (b"x-api-key", b"k") in seen["headers"]


async def test_a_reader_that_leaves_is_told_to_the_application():
    """The stream ends as it would when a connection is cut."""
    left = asyncio.Event()

    async def app(scope, receive, send):
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x\n", "more_body": True})
        finally:
            left.set()

    async with client(app) as http, http.stream("GET", "/") as answer:
        assert await anext(answer.aiter_lines()) == "x"
    async with asyncio.timeout(2):
        await left.wait()


@pytest.mark.parametrize("early", [True, False])
async def test_a_fault_of_the_application_reaches_the_caller(early):
    """A crash is never a hang: not before the answer, not inside it."""

    async def app(scope, receive, send):
        if not early:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("broken")

    async with client(app) as http:
        with pytest.raises(LookupError, match="broken"):
            await http.get("/")


async def test_an_application_that_says_nothing_is_an_error():
    """Returning without an answer does not hang either."""

    async def app(scope, receive, send):
        return

    async with client(app) as http:
        with pytest.raises(RuntimeError, match="did not answer"):
            await http.get("/")
