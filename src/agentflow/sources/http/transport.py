"""The way to the network: connections only to addresses that the guard has checked."""

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2
import httpx

from agentflow.sources.http.guard import Guard
from agentflow.sources.http.observed import observed

_MAX_CONNECTIONS = 200
_MAX_IDLE = 50
_IDLE_SECONDS = 30.0


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens sockets; TLS and the ``Host`` header still speak to the name, for they come from the URL."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first checked address that answers; they share the time."""
        found = await self._guard.addresses(host, port)
        share = None if timeout is None else timeout / len(found)
        failure: Exception | None = None
        for address in found:
            try:
                return await self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        assert failure is not None  # noqa: S101 - the guard returns at least one address
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: nothing behind a socket file is for workflows."""
        raise httpcore2.ConnectError("Unix sockets are not called.")

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts to connect."""
        await self._network.sleep(seconds)


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport with pooled connections behind the guard; reads no proxy, certificate or other setting of the environment.

    Usable in any ``httpx.AsyncClient``; every request, redirected ones too, is checked.
    """

    def __init__(self, guard: Guard, *, tls: ssl.SSLContext | None = None, verify_tls: bool = True) -> None:
        self._guard = guard
        context = tls if tls is not None and verify_tls else httpx.create_ssl_context(verify=verify_tls, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=GuardedBackend(guard),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; see ``Guard`` for what is refused."""
        self._guard.url(request.url)
        return await observed(self._send, request, self._guard)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, AsyncIterable)  # noqa: S101 - an AsyncClient builds no other requests
        raw = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx(request):
            response = await self._pool.handle_async_request(raw)
        assert isinstance(response.stream, AsyncIterable)  # noqa: S101 - as above
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Stream(response.stream, request),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, stream: AsyncIterable[bytes], request: httpx.Request) -> None:
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            async for part in self._stream:
                yield part

    async def aclose(self) -> None:
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """Raise httpcore's errors as httpx's, which have the same names."""
    try:
        yield
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(str(error), request=request) from error
