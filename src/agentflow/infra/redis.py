"""The client of Redis (or Valkey): one place that opens it, with the same bounds for everybody."""

from typing import TYPE_CHECKING, Any, Union

from agentflow.errors import AgentFlowError, Kind

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.cluster import RedisCluster

RedisClient = Union["Redis", "RedisCluster"]
"""What both have: commands on one key, scripts, pipelines without transaction, and ``aclose``. Keys of one script share a hash tag."""

TIMEOUT_S = 2.0
"""Longest wait for a connection, and for each answer: what needs Redis has a way to go on without it."""

MAX_CONNECTIONS = 16
"""Connections of one client; more commands at a time wait for one of them."""


class RedisNotUsable(AgentFlowError):
    """The Redis client is not installed, or its URL cannot be read."""

    kind, code, title = Kind.INVALID, "REDIS_NOT_USABLE", "Redis cannot be used"


def open_redis(url: str, *, timeout_s: float = TIMEOUT_S, max_connections: int = MAX_CONNECTIONS, repeats: int = 1) -> RedisClient:
    """Return a client for ``redis://``, ``rediss://``, ``unix://``, or of a Redis Cluster for ``redis+cluster://`` and ``rediss+cluster://``.

    It connects at its first command, and the caller closes it. A command that finds its connection broken is sent once more, so that
    a restart of the server costs nothing but time; scripts and pipelines must then bear being run twice. What fails raises
    ``redis.exceptions.RedisError`` (also for a timeout).

    Args:
        url: the server, whose path is a database number; or one or more nodes of a cluster, with commas between, which name the others.
        timeout_s: longest wait for a connection and for each answer.
        max_connections: most connections at a time, to each node.
        repeats: times that a command is sent again when its connection breaks.

    Raises:
        RedisNotUsable: the extra ``cluster`` is not installed, or the URL cannot be read.
    """
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as Broken

        from agentflow.infra.redis_cluster import open_cluster
    except ImportError as error:
        raise RedisNotUsable("redis_url is set, but the Redis client is not installed.", hint="pip install 'agentflow[cluster]'") from error
    bounds: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), repeats, supported_errors=(Broken,)),
        "health_check_interval": 0,
    }
    try:
        if is_cluster(url):
            return open_cluster(url, places=max_connections, wait_s=timeout_s, **bounds)
        return Redis.from_pool(BlockingConnectionPool.from_url(url, max_connections=max_connections, timeout=timeout_s, **bounds))
    except (ValueError, TypeError) as error:
        # The URL may hold a password: it is not repeated.
        raise RedisNotUsable(
            f"redis_url cannot be read: {error}",
            hint="Write it like redis://:password@host:6379/0 or redis+cluster://host:6379,host:6380; rediss:// is TLS.",
        ) from error


def is_cluster(url: str) -> bool:
    """Tell whether an address names nodes of a Redis Cluster."""
    return url.partition("://")[0].lower().endswith("+cluster")
