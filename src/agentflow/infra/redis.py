"""The client of Redis (or Valkey): one place that opens it, with the same bounds for everybody."""

from typing import TYPE_CHECKING

from agentflow.errors import AgentFlowError, Kind

if TYPE_CHECKING:
    from redis.asyncio import Redis

TIMEOUT_S = 2.0
"""Longest wait for a connection, and for each answer: what needs Redis has a way to go on without it."""

MAX_CONNECTIONS = 16
"""Connections of one client; more commands at a time wait for one of them."""


class RedisNotUsable(AgentFlowError):
    """The Redis client is not installed, or its URL cannot be read."""

    kind, code, title = Kind.INVALID, "REDIS_NOT_USABLE", "Redis cannot be used"


def open_redis(url: str, *, timeout_s: float = TIMEOUT_S, max_connections: int = MAX_CONNECTIONS, repeats: int = 1) -> "Redis":
    """Return a client for ``redis://``, ``rediss://`` or ``unix://``; it connects at its first command, and the caller closes it.

    A command that finds its connection broken is sent once more, so that a restart of the server costs nothing but time; scripts and
    pipelines must then bear being run twice. What fails raises ``redis.exceptions.RedisError`` (also for a timeout).

    Args:
        url: the server; a database number is its path.
        timeout_s: longest wait for a connection and for each answer.
        max_connections: most connections at a time.
        repeats: times that a command is sent again when its connection breaks.

    Raises:
        RedisNotUsable: the extra ``cluster`` is not installed, or the URL cannot be read.
    """
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as Broken
    except ImportError as error:
        raise RedisNotUsable("redis_url is set, but the Redis client is not installed.", hint="pip install 'agentflow[cluster]'") from error
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), repeats, supported_errors=(Broken,)),
            health_check_interval=0,
        )
    except (ValueError, TypeError) as error:
        # The URL may hold a password: it is not repeated.
        raise RedisNotUsable(
            f"redis_url cannot be read: {error}", hint="Write it like redis://:password@host:6379/0; rediss:// is TLS."
        ) from error
    return Redis.from_pool(pool)
