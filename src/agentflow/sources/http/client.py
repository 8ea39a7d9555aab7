"""The HTTP client of nodes: pooled, guarded, bounded in time and size, and without any memory between calls."""

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from agentflow.errors import NodeError
from agentflow.sources.http import body
from agentflow.sources.http.errors import as_node_error, header_refused
from agentflow.sources.http.guard import Guard, Resolver, port_of, system_resolver, url_unreadable
from agentflow.sources.http.transport import GuardedTransport

MAX_REDIRECTS = 5
# Where a message ends and whose connection it is are ours to say.
_OWN_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
# On the way to another origin only these go along: any other header may be a credential.
_HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "content-language", "content-type", "user-agent"})


@dataclass(slots=True)
class Response:
    """What came back; fulfils ``nodes.context.HttpResponse``.

    Attributes:
        status: the status code.
        headers: by lower-case name; a repeated header is joined by commas.
        body: the decoded body.
        url: the URL that answered, after redirects.
        elapsed_ms: milliseconds from the first request to the last byte.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    elapsed_ms: float


class GuardedHttpClient:
    """Sends requests behind the guard; fulfils ``nodes.context.HttpClient``. One serves a whole process."""

    def __init__(
        self,
        allowed_hosts: Iterable[str] = frozenset(),
        *,
        resolver: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            allowed_hosts: hosts on private networks that may be called, see ``Guard``.
            resolver: how names become addresses.
            tls: certificates to trust instead of the public ones.
        """
        self.guard = Guard(allowed_hosts, resolver)
        self._tls = tls
        self._clients: dict[bool, httpx.AsyncClient] = {}

    def transport(self, *, verify_tls: bool = True) -> GuardedTransport:
        """Return a new guarded transport, for a client that streams; its owner closes it."""
        return GuardedTransport(self.guard, tls=self._tls, verify_tls=verify_tls)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        timeout_s: float = 30.0,
        follow_redirects: bool = True,
        verify_tls: bool = True,
        max_bytes: int = 10_000_000,
    ) -> Response:
        """Send one request and read the whole answer.

        Args:
            method: the HTTP method.
            url: an ``http`` or ``https`` URL.
            headers: sent as they are; those that frame the message are refused.
            params: added to the query of the URL; a list repeats its name.
            content: the body.
            timeout_s: seconds for everything together: redirects and the last byte of the body too.
            follow_redirects: whether to follow up to five redirects, each checked like the first URL.
            verify_tls: whether the server's certificate must be valid.
            max_bytes: most bytes of the body after decompression.

        Raises:
            NodeError: ``HTTP_URL``, ``HTTP_HEADER``, ``SSRF_BLOCKED``, ``HTTP_TIMEOUT``, ``HTTP_CONNECT``, ``HTTP_TLS``,
                ``HTTP_REDIRECTS``, ``HTTP_TOO_LARGE`` or ``HTTP_PROTOCOL``.
        """
        begin = time.perf_counter()
        client = self._client(verify_tls)
        request = self._first(client, method, url, headers or {}, params, content, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                response, data = await self._exchange(client, request, follow_redirects, max_bytes)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise as_node_error(error, request, timeout_s) from error
        elapsed_ms = (time.perf_counter() - begin) * 1000
        return Response(response.status_code, dict(response.headers), data, str(response.url), round(elapsed_ms, 3))

    async def aclose(self) -> None:
        """Close every connection."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    def _client(self, verify_tls: bool) -> httpx.AsyncClient:
        client = self._clients.get(verify_tls)
        if client is None:
            # Calls of different tenants share the client, so it must not keep a cookie of any.
            cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
            client = httpx.AsyncClient(
                transport=self.transport(verify_tls=verify_tls), trust_env=False, cookies=cookies, headers={"user-agent": "AgentFlow"}
            )
            self._clients[verify_tls] = client
        return client

    def _first(
        self,
        client: httpx.AsyncClient,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None,
        content: bytes | None,
        timeout_s: float,
    ) -> httpx.Request:
        checked = self.guard.url(url)
        own = sorted(_OWN_HEADERS.intersection(map(str.lower, headers)))
        if own:
            raise header_refused(own[0], "the client sets it")
        for name, value in headers.items():
            if not name.isascii() or not value.isascii() or any(c in name + value for c in "\r\n\0"):
                raise header_refused(name, "it must be ASCII without line breaks")
        try:
            target = checked.copy_merge_params(params) if params else checked
        except (httpx.InvalidURL, UnicodeError) as error:
            raise url_unreadable(str(error)) from error
        request = client.build_request(method, target, headers=headers, content=content, timeout=timeout_s)
        request.headers["accept-encoding"] = body.ACCEPTED_ENCODINGS
        return request

    async def _exchange(
        self, client: httpx.AsyncClient, request: httpx.Request, follow_redirects: bool, max_bytes: int
    ) -> tuple[httpx.Response, bytes]:
        for _ in range(MAX_REDIRECTS + 1):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                if not follow_redirects or response.next_request is None:
                    return response, await body.read(response, max_bytes)
            finally:
                await response.aclose()
            request = self._onward(request, response.next_request)
        raise NodeError(
            f"The server redirected more than {MAX_REDIRECTS} times.",
            error_code="HTTP_REDIRECTS",
            hint="Call the final URL, or set follow_redirects to false.",
        )

    def _onward(self, before: httpx.Request, after: httpx.Request) -> httpx.Request:
        """Check where a redirect leads, and leave credentials behind when that is another origin."""
        url = self.guard.url(after.url)
        if before.url.scheme == "https" and url.scheme == "http":
            raise NodeError(
                "The server redirects from https to http.", error_code="SSRF_BLOCKED", hint="Call the http URL itself if that is meant."
            )
        if _origin(before.url) != _origin(url):
            keep = _HARMLESS_HEADERS | {"host", "content-length"}
            for name in set(after.headers) - keep:
                del after.headers[name]
        return after


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, port_of(url)
