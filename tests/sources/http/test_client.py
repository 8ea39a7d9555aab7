"""The HTTP client against real servers that behave badly."""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Sequence

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from agentflow.errors import NodeError
from agentflow.sources.http.client import GuardedHttpClient
from tests.support.http_server import Call, http_server, reply


async def refused(code: str, request) -> NodeError:
    with pytest.raises(NodeError) as raised:
        await request
    assert raised.value.error_code == code
    return raised.value


async def test_an_answer_comes_with_status_headers_body_and_time(server, client) -> None:
    """The response holds what the server sent."""
    server.answers["/x"] = reply(201, b"hello", "x-id: 7")
    response = await client.request("POST", server.url("/x?a=1"), params={"b": [1, 2]}, headers={"X-Key": "k"}, content=b"data")
    assert (response.status, response.headers["x-id"], response.body) == (201, "7", b"hello")
    assert response.elapsed_ms > 0
    assert (server.calls[0].target, server.calls[0].body, server.calls[0].headers["x-key"]) == ("/x?a=1&b=1&b=2", b"data", "k")


async def test_connections_are_kept(server, client) -> None:
    """A second call to the same server needs no new connection."""
    server.answers["/"] = reply(200)
    for _ in range(3):
        await client.request("GET", server.url())
    assert server.connections == 1


async def test_this_machine_is_not_called_unless_allowed(server) -> None:
    """S65, S76: without the setting nothing on this machine sees a connection."""
    client = GuardedHttpClient()
    for host in ("localhost", "127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"):
        await refused("SSRF_BLOCKED", client.request("GET", server.url(host=host)))
    assert server.connections == 0
    await client.aclose()


async def test_a_name_that_changes_its_mind_is_asked_only_once(server) -> None:
    """S68: the address that was checked is the address that is connected to, so rebinding gains nothing."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    server.answers["/"] = reply(200, b"first")
    client = GuardedHttpClient({"turncoat.example"}, resolver=rebinding)
    assert (await client.request("GET", server.url(host="turncoat.example"))).body == b"first"
    assert server.calls[0].headers["host"] == f"turncoat.example:{server.port}"
    assert len(answers) == 1
    await client.aclose()


async def test_the_next_address_is_tried_when_the_first_does_not_answer(server) -> None:
    """A name with a dead address still works."""

    async def two(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    server.answers["/"] = reply(200)
    client = GuardedHttpClient({"two.example"}, resolver=two)
    assert (await client.request("GET", server.url(host="two.example"))).status == 200
    await client.aclose()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_inside_is_refused(server, client, status: int) -> None:
    """S69: every hop passes the guard: an allowed server cannot send us to another."""
    server.answers["/"] = reply(status, b"", f"location: http://127.0.0.1:{server.port}/inner")
    await refused("SSRF_BLOCKED", client.request("GET", server.url()))
    assert [call.target for call in server.calls] == ["/"]


async def test_a_redirect_to_another_scheme_is_refused(server, client) -> None:
    """S69: redirects lead to http and https only."""
    server.answers["/"] = reply(302, b"", "location: file:///etc/passwd")
    error = await refused("SSRF_BLOCKED", client.request("GET", server.url()))
    assert "file" in error.message


async def test_endless_redirects_end(server, client) -> None:
    """S69: five redirects are followed, no more."""
    server.answers["/"] = reply(302, b"", "location: /")
    await refused("HTTP_REDIRECTS", client.request("GET", server.url()))
    assert len(server.calls) == 6


async def test_a_redirect_may_be_taken_as_the_answer(server, client) -> None:
    """Without follow_redirects the redirect itself comes back."""
    server.answers["/"] = reply(302, b"", "location: /next")
    response = await client.request("GET", server.url(), follow_redirects=False)
    assert (response.status, response.headers["location"]) == (302, "/next")


async def test_credentials_stay_with_their_origin() -> None:
    """S69: on the way to another origin every header that may be a credential is left behind; within one it goes along."""
    async with http_server() as first, http_server() as second:
        client = GuardedHttpClient({"localhost"})
        first.answers["/"] = reply(307, b"", "location: /same")
        first.answers["/same"] = reply(307, b"", f"location: {second.url('/other')}")
        second.answers["/other"] = reply(200)
        secrets = {"Authorization": "Bearer s", "Cookie": "a=b", "X-Api-Key": "k", "Accept": "text/plain"}
        await client.request("POST", first.url(), headers=secrets, content=b"body")
        assert first.calls[1].headers["x-api-key"] == "k"
        assert not {"authorization", "cookie", "x-api-key"} & set(second.calls[0].headers)
        assert (second.calls[0].headers["accept"], second.calls[0].body) == ("text/plain", b"body")
        await client.aclose()


async def test_cookies_are_not_remembered(server, client) -> None:
    """S171: calls of different users share the client, so no cookie of one may reach another."""
    server.answers["/"] = reply(200, b"", "set-cookie: session=secret; Path=/")
    await client.request("GET", server.url())
    await client.request("GET", server.url())
    assert "cookie" not in server.calls[1].headers


async def test_the_environment_is_not_read(server, client, monkeypatch) -> None:
    """S72: proxies of the server's environment are not for workflows."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    server.answers["/"] = reply(200)
    assert (await client.request("GET", server.url())).status == 200


@pytest.mark.parametrize(
    "packed", [gzip.compress(b"hello"), zlib.compress(b"hello"), zlib.compress(b"hello")[2:-4]], ids=["gzip", "zlib", "deflate"]
)
async def test_compressed_bodies_are_unpacked(server, client, packed: bytes) -> None:
    """Gzip, deflate, and deflate as some servers wrongly send it."""
    encoding = "gzip" if packed[:2] == b"\x1f\x8b" else "deflate"
    server.answers["/"] = reply(200, packed, f"content-encoding: {encoding}")
    assert (await client.request("GET", server.url())).body == b"hello"


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 500))
async def test_any_body_in_any_pieces_arrives_whole(data: bytes, size: int) -> None:
    """However a compressed body is cut, it unpacks to itself."""
    packed = gzip.compress(data)

    async def in_pieces(call: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n")
        for start in range(0, len(packed), size):
            part = packed[start : start + size]
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async with http_server() as server:
        client = GuardedHttpClient({"localhost"})
        server.answers["/"] = in_pieces
        assert (await client.request("GET", server.url())).body == data
        await client.aclose()


async def test_a_decompression_bomb_is_cut(server, client) -> None:
    """S73, S92: what counts is the size after decompression: 100 MB in 100 kB do not pass a bound of 1 MB."""
    server.answers["/"] = reply(200, gzip.compress(bytes(100_000_000)), "content-encoding: gzip")
    await refused("HTTP_TOO_LARGE", client.request("GET", server.url(), max_bytes=1_000_000))


async def test_a_body_of_exactly_the_bound_passes(server, client) -> None:
    """The bound itself is allowed, one byte more is not."""
    server.answers["/"] = reply(200, b"12345")
    assert (await client.request("GET", server.url(), max_bytes=5)).body == b"12345"
    await refused("HTTP_TOO_LARGE", client.request("GET", server.url(), max_bytes=4))


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000,
        reply(200, b"not gzip", "content-encoding: gzip"),
        reply(200, gzip.compress(b"hello")[:-6], "content-encoding: gzip"),
        reply(200, b"x", "content-encoding: br"),
        b"",
    ],
    ids=["no http", "cut off", "endless headers", "not gzip", "half a gzip", "unasked encoding", "nothing"],
)
async def test_a_broken_answer_is_a_protocol_error(server, client, answer: bytes) -> None:
    """Whatever a server sends, the node fails with a typed cause."""

    async def send(call: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    server.answers["/"] = send
    await refused("HTTP_PROTOCOL", client.request("GET", server.url()))


async def test_a_server_that_drips_is_left_in_time(server, client) -> None:
    """S73: the time is for the whole call: a byte now and then does not stretch it."""

    async def drip(call: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    server.answers["/"] = drip
    error = await refused("HTTP_TIMEOUT", client.request("GET", server.url(), timeout_s=0.2))
    assert error.retryable


async def test_no_listener_is_a_connection_error(server, client) -> None:
    """A refused connection may be tried again."""
    error = await refused("HTTP_CONNECT", client.request("GET", "http://localhost:1/secret?key=k"))
    assert error.retryable
    assert "key=k" not in error.message


@pytest.mark.parametrize(
    ("name", "value"), [("Host", "other"), ("Content-Length", "5"), ("Transfer-Encoding", "chunked"), ("X-A", "b\r\nX-C: d"), ("X-Ü", "a")]
)
async def test_headers_that_frame_the_message_are_refused(server, client, name: str, value: str) -> None:
    """S58: a workflow cannot smuggle a second request into the first."""
    await refused("HTTP_HEADER", client.request("GET", server.url(), headers={name: value}))
    assert server.calls == []


async def test_an_answer_to_head_has_no_body(server, client) -> None:
    """The headers of a body that is not sent do not confuse the client."""
    server.answers["/"] = reply(200, b"", "content-encoding: gzip", length=99_999_999)
    assert (await client.request("HEAD", server.url())).body == b""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_tls_speaks_to_the_name_though_the_address_is_connected(authority) -> None:
    """The certificate is checked against the host of the URL, not against the address."""

    async def here(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with http_server(server_tls(authority, "api.example")) as server:
        server.answers["/"] = reply(200, b"secure")
        client = GuardedHttpClient({"api.example", "wrong.example"}, resolver=here, tls=trusting(authority))
        assert (await client.request("GET", server.url(host="api.example", scheme="https"))).body == b"secure"
        await refused("HTTP_TLS", client.request("GET", server.url(host="wrong.example", scheme="https")))
        await client.aclose()


async def test_an_unknown_certificate_is_refused_unless_the_node_says_so(authority) -> None:
    """``verify_tls: false`` is for test systems."""
    async with http_server(server_tls(authority, "localhost")) as server:
        server.answers["/"] = reply(200, b"secure")
        client = GuardedHttpClient({"localhost"})
        error = await refused("HTTP_TLS", client.request("GET", server.url(scheme="https")))
        assert "verify_tls" in (error.hint or "")
        assert (await client.request("GET", server.url(scheme="https"), verify_tls=False)).body == b"secure"
        await client.aclose()


async def test_a_redirect_from_https_to_http_is_refused(authority) -> None:
    """S69: what was encrypted stays encrypted."""
    async with http_server() as plain, http_server(server_tls(authority, "localhost")) as secure:
        secure.answers["/"] = reply(302, b"", f"location: {plain.url()}")
        client = GuardedHttpClient({"localhost"}, tls=trusting(authority))
        await refused("SSRF_BLOCKED", client.request("GET", secure.url(scheme="https")))
        assert plain.calls == []
        await client.aclose()
