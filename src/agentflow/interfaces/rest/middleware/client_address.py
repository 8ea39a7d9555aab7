"""Who is at the other end: the client's address and scheme, by the word of proxies that are trusted."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from agentflow.endpoints.edges import ADDRESS

_SCHEMES = {b"http": "http", b"https": "https"}


class ClientAddress:
    """Leaves the client's address in the scope, where nothing further inside has to ask who may be believed.

    The address is that of the connection. Only when that belongs to a proxy in ``trusted_proxies`` is ``X-Forwarded-For`` read, from its
    end, up to the first address that is not one of them: what a client writes there itself stands before that and counts for nothing.
    Likewise ``X-Forwarded-Proto``: its last word is the nearest proxy's.
    """

    def __init__(self, app: ASGIApp, proxies: Iterable[str]) -> None:
        self._app = app
        self._proxies = [ip_network(text, strict=False) for text in sorted(proxies)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            client = scope["client"][0] if scope.get("client") else ""
            if self._proxies and _is_in(client, self._proxies):
                client = self._behind(client, scope)
            if _is_address(client):
                scope[ADDRESS] = client
        await self._app(scope, receive, send)

    def _behind(self, client: str, scope: Scope) -> str:
        """Return whose request a trusted proxy hands on, and note how it came to the proxy."""
        chain: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                chain.extend(part.strip() for part in value.decode("latin-1").split(","))
            elif name == b"x-forwarded-proto":
                scope["scheme"] = _SCHEMES.get(value.rpartition(b",")[2].strip().lower(), scope["scheme"])
        while chain and _is_in(client, self._proxies):
            client = chain.pop()
        return client


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(text: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return _is_address(text) and any(ip_address(text) in network for network in networks)
