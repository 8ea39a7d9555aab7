"""Asking servers whether they answer, each on a connection of its own that is closed again."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from agentflow.infra.redis import open_redis
from agentflow.infra.tls import client_context

_PORTS = {"amqp": 5672, "amqps": 5671}
_AMQP_HELLO = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


class NotAmqp(Exception):
    """Something else listens where the broker should."""


def redis_probe(url: str) -> Callable[[], Awaitable[object]]:
    """Return how to ask a Redis server."""

    async def probe() -> None:
        client = open_redis(url)
        try:
            await client.ping()
        finally:
            await client.aclose()

    return probe


def broker_probe(url: str) -> Callable[[], Awaitable[object]]:
    """Return how to ask a broker: Redis by its protocol, any other by that of AMQP 0-9-1."""
    if urlsplit(url).scheme not in _PORTS:
        return redis_probe(url)

    async def probe() -> None:
        parts = urlsplit(url)
        tls = client_context(url) if parts.scheme == "amqps" else None
        reader, writer = await asyncio.open_connection(parts.hostname or "127.0.0.1", parts.port or _PORTS[parts.scheme], ssl=tls)
        try:
            writer.write(_AMQP_HELLO)
            # A broker begins with the method Connection.Start; one that speaks another version sends its own greeting and hangs up.
            if await reader.readexactly(1) != _METHOD_FRAME:
                raise NotAmqp
        finally:
            writer.close()

    return probe
