"""The http node against a real server."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.nodes.context import ResolvedSource
from agentflow.nodes.data import http_response
from agentflow.nodes.data.http import HttpConfig, HttpNode
from agentflow.sources.http.client import GuardedHttpClient, Response
from agentflow.spec.effects import EffectClass
from tests.nodes.context import FakeContext
from tests.support.http_server import HttpServer, http_server, reply


class World:
    """A server and a client that may call it."""

    def __init__(self, server: HttpServer, client: GuardedHttpClient) -> None:
        self.server, self.client = server, client

    async def call(self, answer: bytes = b"", source: dict[str, Any] | None = None, url: str | None = None, **config: Any) -> Any:
        self.server.answers.setdefault("/x", answer or reply(200))
        context = FakeContext(
            http=self.client, key="run-1:fetch:0", source=None if source is None else ResolvedSource("api", "http", source)
        )
        return await HttpNode().run(context, HttpConfig(url=url or self.server.url("/x"), **config))

    async def fails(self, code: str, *arguments: Any, **options: Any) -> NodeError:
        with pytest.raises(NodeError) as raised:
            await self.call(*arguments, **options)
        assert raised.value.error_code == code
        return raised.value


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_server() as server:
        client = GuardedHttpClient({"localhost"})
        yield World(server, client)
        await client.aclose()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_every_method_arrives(world, method: str) -> None:
    """Methods that change something carry the node's key, those that read do not."""
    await world.call(method=method)
    call = world.server.calls[0]
    assert call.method == method
    assert call.headers.get("idempotency-key") == (None if method in {"GET", "HEAD", "OPTIONS"} else "run-1:fetch:0")
    assert HttpNode().effect({"method": method}) is (EffectClass.PURE if method in {"GET", "HEAD", "OPTIONS"} else EffectClass.KEYED)


def test_other_methods_are_refused() -> None:
    """TRACE and CONNECT are not for workflows."""
    for method in ("TRACE", "CONNECT", "get", ""):
        assert HttpNode().check_config({"method": method, "url": "https://a.example"})


def test_a_method_from_a_template_counts_as_changing() -> None:
    """What it will be is not known, so recovery takes care."""
    assert HttpNode().effect({"method": "{{ inputs.m }}"}) is EffectClass.KEYED


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ({"a": [1]}, "application/json", b'{"a":[1]}'),
        ([], "application/json", b"[]"),
        (0, "application/json", b"0"),
        (False, "application/json", b"false"),
        ("text ü", "text/plain; charset=utf-8", "text ü".encode()),
        ("", "text/plain; charset=utf-8", b""),
        (None, None, b""),
    ],
)
async def test_bodies_say_what_they_are(world, body, content_type, sent: bytes) -> None:
    """Text goes as text, everything else as JSON, null not at all."""
    await world.call(method="POST", body=body)
    assert (world.server.calls[0].headers.get("content-type"), world.server.calls[0].body) == (content_type, sent)


async def test_headers_and_params_are_sent(world) -> None:
    """A header of the node wins over what the body would say; values become text."""
    await world.call(
        method="POST", body={}, headers={"Content-Type": "application/x", "X-N": 5}, params={"a": True, "b": [1, "x y"], "c": 2.5}
    )
    call = world.server.calls[0]
    assert (call.headers["content-type"], call.headers["x-n"]) == ("application/x", "5")
    assert call.target == "/x?a=true&b=1&b=x+y&c=2.5"


BINARY = {"content_type": "image/png", "size": 3, "data": base64.b64encode(b"\x00\xff\x01").decode()}


@pytest.mark.parametrize(
    ("header", "body", "form", "expected"),
    [
        ("application/json", b'{"a": 1}', "auto", {"a": 1}),
        ("application/problem+json; charset=utf-8", b"[1]", "auto", [1]),
        ("application/json", b"{broken", "auto", "{broken"),
        ("application/json", b'{"a": NaN}', "auto", '{"a": NaN}'),
        ("application/json", b"[" * 500 + b"]" * 500, "auto", "[" * 500 + "]" * 500),
        ("text/html; charset=latin-1", b"\xfc", "auto", "ü"),
        ("text/html; charset=nonsense", "ü".encode(), "auto", "ü"),
        ("text/html; charset=hex", b"zz", "auto", "zz"),
        ("text/plain", b"a\x00b\xff", "auto", "a\ufffdb\ufffd"),
        ("application/xml", b"<a/>", "auto", "<a/>"),
        ("image/png", b"\x00\xff\x01", "auto", BINARY),
        ("image/png", b"\x00\xff\x01", "binary", BINARY),
        ("image/png", b"[1]", "json", [1]),
        ("image/png", b"hi", "text", "hi"),
        ("application/json", b"", "auto", None),
        ("text/plain", b"", "text", ""),
        ("", b"plain", "auto", "plain"),
        ("", b"\xff", "auto", {"content_type": "application/octet-stream", "size": 1, "data": "/w=="}),
    ],
)
async def test_bodies_are_read_by_their_type(world, header: str, body: bytes, form, expected) -> None:
    """JSON, text in its charset, or base64; broken JSON is still readable as text."""
    headers = [f"content-type: {header}"] if header else []
    output = await world.call(reply(200, body, *headers), response=form)
    assert output.body == expected
    assert output.elapsed_ms > 0


async def test_json_that_must_be_json_fails_when_it_is_not(world) -> None:
    """A workflow that counts on JSON learns of its absence here."""
    await world.fails("HTTP_BODY", reply(200, b"{broken", "content-type: application/json"), response="json")


@given(st.binary(max_size=200), st.text(max_size=30), st.sampled_from(["auto", "text", "binary"]))
def test_any_answer_is_readable(body: bytes, header: str, form) -> None:
    """No bytes under no content type break the node, and what comes out can be stored."""
    response = Response(200, {"content-type": header}, body, "http://x", 1.0)
    json.check(http_response.read(response, form))


@pytest.mark.parametrize(
    ("status", "retryable"), [(400, False), (401, False), (404, False), (408, True), (425, True), (429, True), (500, True), (503, True)]
)
async def test_an_error_status_fails_the_node(world, status: int, retryable: bool) -> None:
    """The cause tells status and the begin of the body; only what may mend itself is retried."""
    error = await world.fails("HTTP_STATUS", reply(status, b"x" * 10_000), params={"key": "secret"})
    assert (error.retryable, error.details["status"], len(error.details["body"])) == (retryable, status, 500)
    assert "secret" not in error.message


async def test_an_error_status_may_be_an_answer(world) -> None:
    """With fail_on_status off the workflow decides."""
    assert (await world.call(reply(404, b"gone"), fail_on_status=False)).status == 404


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), (" 0 ", 0.0), ("9" * 400, 86_400.0), ("soon", None), ("-5", None), (None, None), ("٣", None)]
)
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    """Seconds within reason; nonsense counts as absent."""
    assert http_response.retry_after(header) == seconds


def test_retry_after_as_a_date_is_read() -> None:
    """A date counts from now; one in the past means at once."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60))
    assert 50 < (http_response.retry_after(soon) or 0) <= 60
    assert http_response.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


async def test_retry_after_goes_with_the_error(world) -> None:
    """The node's retry waits as long as the server asks."""
    assert (await world.fails("HTTP_STATUS", reply(503, b"", "retry-after: 3"))).retry_after_s == 3


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"type": "bearer", "token": "t"}, "authorization", "Bearer t"),
        ({"type": "basic", "username": "u", "password": "ü"}, "authorization", "Basic " + base64.b64encode("u:ü".encode()).decode()),
        ({"type": "api_key", "value": "k"}, "x-api-key", "k"),
        ({"type": "api_key", "value": "k", "name": "X-Other"}, "x-other", "k"),
    ],
)
async def test_a_source_brings_its_credentials(world, auth, name: str, value: str) -> None:
    """Each kind of credential arrives, and a node cannot replace it."""
    await world.call(source={"base_url": world.server.url("/"), "auth": auth}, url="x", headers={name: "forged"})
    assert world.server.calls[0].headers[name] == value


async def test_a_source_may_keep_its_key_in_the_query(world) -> None:
    """The parameter is added to those of the node."""
    auth = {"type": "api_key", "in": "query", "name": "key", "value": "k"}
    await world.call(source={"base_url": world.server.url(), "auth": auth}, url="/x", params={"a": 1, "key": "forged"})
    assert world.server.calls[0].target == "/x?a=1&key=k"


async def test_headers_of_a_source_go_before_those_of_the_node(world) -> None:
    """The node may say something else, whatever the case of the name."""
    await world.call(source={"base_url": world.server.url(), "headers": {"X-A": "1", "X-B": "1"}}, url="x", headers={"x-b": "2"})
    assert (world.server.calls[0].headers["x-a"], world.server.calls[0].headers["x-b"]) == ("1", "2")


@pytest.mark.parametrize("url", ["users/7", "/users/7", "{base}/users/7", "users/7?full=1"])
async def test_a_path_lies_below_the_base(world, url: str) -> None:
    """A path, with or without slash, or the full URL."""
    world.server.answers["/v1/users/7"] = reply(200, b"ok")
    base = world.server.url("/v1")
    assert (await world.call(source={"base_url": base}, url=url.replace("{base}", base))).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "http://localhost:1/v1/x",
        "../admin",
        "a/../../admin",
        "%2e%2e/admin",
        "a\\..\\..\\admin",
        "{root}/v2/x",
        "{root}/v1x",
    ],
)
async def test_credentials_do_not_leave_their_source(world, url: str) -> None:
    """Neither another host nor a way out of the base path gets them."""
    source = {"base_url": world.server.url("/v1"), "auth": {"type": "bearer", "token": "t"}}
    await world.fails("HTTP_URL", source=source, url=url.replace("{root}", world.server.url("").rstrip("/")))
    assert world.server.calls == []


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"base_url": 5},
        {"base_url": "x", "auth": {"type": "magic"}},
        {"base_url": "x", "auth": {"type": "bearer", "tokn": "secret-word"}},
    ],
)
async def test_settings_of_a_source_that_are_wrong_are_named_without_secrets(world, source) -> None:
    """The error names the setting, never its value."""
    error = await world.fails("HTTP_SOURCE", source=source, url="x")
    assert "secret-word" not in str(error) + str(error.details)


async def test_inner_hosts_are_refused(world) -> None:
    """S65: the node goes through the guard."""
    await world.fails("SSRF_BLOCKED", url=world.server.url("/x", host="127.0.0.1"))
    assert world.server.calls == []
