"""A client of a Redis Cluster that fails as the client of one server does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio.cluster import ClusterNode, ClusterPipeline, RedisCluster
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import RedisClusterException, RedisError, SlotNotCoveredError
from redis.exceptions import TimeoutError as TooLate

PAUSE_S = 0.5
"""Seconds after a failed look for the nodes before the next: whoever comes meanwhile fails at once."""
_WAITS = 3
"""Longest time of a command, in waits for one answer: for a place, a connection and the answer itself."""


@asynccontextmanager
async def _as_one_server() -> AsyncIterator[None]:
    """Have whatever the library raises be a ``RedisError``: for what it does not find it has errors of several kinds."""
    try:
        yield
    except RedisError:
        raise
    except TimeoutError as error:
        raise TooLate("The cluster did not answer in time.") from error
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error


class _Pipeline(ClusterPipeline):
    async def execute(self, *args: Any, **settings: Any) -> list[Any]:
        """Send the commands, each where its key is.

        Raises:
            RedisError: one of them failed, or nobody has its key for now.
        """
        async with _as_one_server():
            return await super().execute(*args, **settings)


class Cluster(RedisCluster):
    """Sends each command to the node that has its key, over so many connections to each; whoever comes next waits for one.

    Left to itself the library fails a command that finds no free connection, tells of what it does not find by errors that are no
    ``RedisError``, asks one dead node after the other for each command, and does not look again for a slot that nobody had.

    Args:
        places: most commands at a time.
        wait_s: longest wait for a place, and for each answer.
        settings: see ``RedisCluster``.
    """

    def __init__(self, *, places: int, wait_s: float, **settings: Any) -> None:
        super().__init__(max_connections=2 * places, **settings)  # a pipeline takes one beside the commands
        self._places = asyncio.Semaphore(places)
        self._wait_s = wait_s
        self._looking = asyncio.Lock()
        self._not_before = 0.0
        """Until when nobody looks for the nodes, because none of them answered."""
        self._sought = 0.0
        """When a slot that nobody had was looked for last."""

    async def __aenter__(self) -> "Cluster":
        return self  # whoever opens a client does not have to reach anybody yet

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; the library leaves them open while it is about to look for the nodes anew."""
        await super().aclose()
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")

    async def initialize(self, *args: Any, **settings: Any) -> RedisCluster:
        """Learn who has which keys, if that is not known; one look at a time.

        Raises:
            RedisError: no node can be asked.
        """
        async with self._looking:
            if self._initialize and time.monotonic() < self._not_before:
                raise Broken("No node of the cluster answered a moment ago.")
            try:
                async with _as_one_server():
                    return await super().initialize(*args, **settings)
            except BaseException:
                self._not_before = time.monotonic() + PAUSE_S
                raise

    def pipeline(self, transaction: Any | None = None, shard_hint: Any | None = None) -> ClusterPipeline:
        """Return a batch of commands; see ``RedisCluster.pipeline``."""
        return _Pipeline(self, transaction)  # type: ignore[abstract]  # the stub's abstract attribute is one of pub/sub

    async def get_nodes_from_slot(self, command: str, *args: Any) -> list[ClusterNode]:
        """Return the nodes that have the keys of a command.

        Raises:
            SlotNotCoveredError: there is none; they are looked for anew by the next command, now and then.
        """
        try:
            nodes: list[ClusterNode] = await super().get_nodes_from_slot(command, *args)
        except (LookupError, RedisClusterException) as error:
            if time.monotonic() >= self._sought + PAUSE_S:
                self._sought = time.monotonic()
                self._initialize = True
            raise SlotNotCoveredError(f"No node has the keys of {command}.") from error
        return nodes

    async def execute_command(self, *args: Any, **settings: Any) -> Any:
        """Run a command where its key is.

        Raises:
            RedisError: it failed, or nobody has the key for now.
        """
        async with _as_one_server(), asyncio.timeout(_WAITS * self._wait_s), self._places:
            return await super().execute_command(*args, **settings)


def open_cluster(url: str, *, places: int, wait_s: float, **settings: Any) -> RedisCluster:
    """Return a client of the cluster to which the nodes of ``url`` belong: ``redis+cluster://user:password@host:port,host:port``.

    Raises:
        ValueError: the address cannot be read.
    """
    parts = urlsplit(url)
    parts = parts._replace(scheme=parts.scheme.removesuffix("+cluster"))
    if parts.path.strip("/") not in ("", "0"):
        raise ValueError("a cluster has no databases by number")
    user, at, hosts = parts.netloc.rpartition("@")
    first, *others = hosts.split(",")
    nodes = [urlsplit(f"//{host}") for host in others]
    try:
        return Cluster.from_url(
            parts._replace(netloc=f"{user}{at}{first}", path="").geturl(),
            startup_nodes=[ClusterNode(node.hostname or "", node.port or 6379) for node in nodes],
            dynamic_startup_nodes=False,  # names of nodes go on being asked when all of them have other addresses
            require_full_coverage=False,  # the keys of a node that is away are missed; those of the others are not
            places=places,
            wait_s=wait_s,
            **settings,
        )
    except RedisClusterException as error:
        raise ValueError(str(error)) from error
