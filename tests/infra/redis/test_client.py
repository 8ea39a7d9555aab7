"""The client of Redis."""

import sys

import pytest
from redis.exceptions import RedisError

from agentflow.infra.redis import RedisNotUsable, open_redis
from tests.support.redis_server import REDIS, RedisProcess


async def test_a_client_reads_what_it_wrote() -> None:
    """The shared server answers."""
    async with open_redis(REDIS) as redis:
        assert await redis.ping()


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "redis://127.0.0.1:notaport", "redis://127.0.0.1:6379?socket_timeout=x"])
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
