"""The client of Redis."""

import asyncio
import sys
from contextlib import suppress

import pytest
from redis.exceptions import RedisError

from agentflow.infra.redis import RedisNotUsable, open_redis
from tests.support.redis_cluster import ClusterProcesses
from tests.support.redis_server import REDIS, RedisProcess

UNREADABLE_CLUSTERS = [
    "redis+cluster://127.0.0.1:notaport",
    "redis+cluster://127.0.0.1:6379,127.0.0.1:x",
    "redis+cluster://127.0.0.1:6379/3",
]


async def test_a_client_reads_what_it_wrote() -> None:
    """The shared server answers."""
    async with open_redis(REDIS) as redis:
        assert await redis.ping()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:6379", "redis://127.0.0.1:notaport", "redis://127.0.0.1:6379?socket_timeout=x", *UNREADABLE_CLUSTERS]
)
def test_an_unreadable_url_is_refused_without_repeating_it(url: str) -> None:
    """A URL may hold a password, so the message says what is wrong and not the URL."""
    with pytest.raises(RedisNotUsable) as raised:
        open_redis(url.replace("//", "//:secret@"))
    assert "secret" not in raised.value.message


def test_a_missing_extra_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the client library one line says what to install."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(RedisNotUsable) as raised:
        open_redis(REDIS)
    assert raised.value.hint == "pip install 'agentflow[cluster]'"


async def test_a_client_survives_the_restart_of_its_server(redis_process: RedisProcess) -> None:
    """While the server is away a command fails with a Redis error; when it is back the same client works, at the first command."""
    async with open_redis(redis_process.url) as redis:
        assert await redis.ping()
        redis_process.kill()
        with pytest.raises(RedisError):
            await redis.ping()
        redis_process.start()
        assert await redis.ping()
        redis_process.kill()
        redis_process.start()
        assert await redis.ping()


async def test_a_client_of_a_cluster_waits_for_a_connection_and_then_gives_up() -> None:
    """Nobody answers: commands fail with a Redis error, and so do those that found no connection free."""
    async with open_redis("redis+cluster://127.0.0.1:1,127.0.0.1:2", timeout_s=0.5, max_connections=2) as redis:
        ends = await asyncio.gather(*(redis.get("key") for _ in range(8)), return_exceptions=True)
    assert all(isinstance(end, RedisError) for end in ends)


async def test_a_key_that_no_node_has_is_an_error_like_any_other(mortal_cluster: ClusterProcesses) -> None:
    """Commands and pipelines fail with a Redis error, those with other keys go on, and a slot that has a node again is found."""
    mortal_cluster.forget_slot("lost")
    async with open_redis(mortal_cluster.url) as redis:
        with pytest.raises(RedisError):
            await redis.set("lost", 1)
        with pytest.raises(RedisError):
            await redis.pipeline(transaction=False).set("lost", 1).execute()
        await redis.pipeline(transaction=False).set("other", 1).execute()
        assert await redis.get("other") == b"1"
        mortal_cluster.give_slot("lost")
        async with asyncio.timeout(10):
            while True:
                with suppress(RedisError):
                    await redis.set("lost", 2)
                    break
                await asyncio.sleep(0.1)
        assert await redis.get("other") == b"1"


async def test_nodes_that_never_answer_cost_a_bounded_time() -> None:
    """However many commands come at once: the first find out, and the others fail at once."""
    async with (
        asyncio.timeout(10),
        await asyncio.start_server(_hear, "127.0.0.1", 0) as one,
        await asyncio.start_server(_hear, "127.0.0.1", 0) as other,
    ):
        ports = [listener.sockets[0].getsockname()[1] for listener in (one, other)]
        begin = asyncio.get_running_loop().time()
        async with open_redis(f"redis+cluster://127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}", timeout_s=0.2) as redis:
            ends = await asyncio.gather(*(redis.get("key") for _ in range(32)), return_exceptions=True)
        assert all(isinstance(end, RedisError) for end in ends)
        assert asyncio.get_running_loop().time() - begin < 2


async def _hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def test_many_commands_at_once_share_the_connections_of_a_cluster(redis_cluster: str) -> None:
    """More commands than connections wait for each other; each key is asked for where it is."""
    async with open_redis(redis_cluster, max_connections=2) as redis:
        await asyncio.gather(*(redis.set(f"test:{number}", number, px=10_000) for number in range(200)))
        assert await asyncio.gather(*(redis.get(f"test:{number}") for number in range(200))) == [b"%d" % number for number in range(200)]
