"""Every place where sessions are kept behaves the same; Redis besides forgets nothing that the database knows."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from agentflow.identity.models import TenantRow, UserRow
from agentflow.identity.sessions.base import Session, SessionKind
from agentflow.identity.sessions.database import DatabaseSessions
from agentflow.identity.sessions.redis import RedisSessions
from agentflow.infra.redis import open_redis
from agentflow.kit.ids import new_id
from tests.support.redis_server import REDIS

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
IDLE = timedelta(days=7)


@pytest.fixture(params=["database", "redis", "a cluster of redis"])
async def store(request, database):
    """Give each implementation of the port."""
    if request.param == "database":
        yield DatabaseSessions(database)
        return
    url = REDIS if request.param == "redis" else request.getfixturevalue("redis_cluster")
    async with open_redis(url) as redis:
        yield RedisSessions(redis, DatabaseSessions(database))


@pytest.fixture
async def session(database):
    """Give a session of a new user, not stored."""
    tenant, user = new_id(), new_id()
    async with database.transaction() as transaction:
        await transaction.execute(insert(TenantRow).values(id=tenant, name=tenant, created_at=NOW))
        await transaction.execute(insert(UserRow).values(id=user, tenant_id=tenant, username=user, created_at=NOW))
    return Session(
        id=new_id(),
        tenant_id=tenant,
        user_id=user,
        kind=SessionKind.TOKEN,
        secret_hash="one",
        chain_key=bytes(range(32)),
        previous_hash=None,
        previous_salt=None,
        rotated_at=None,
        second_factor=False,
        device="laptop",
        address="192.0.2.7",
        workflows=(),
        version=1,
        created_at=NOW,
        last_seen_at=NOW,
        expires_at=NOW + timedelta(days=30),
        revoked_at=None,
    )


async def test_a_session_comes_back_as_it_was(store, session):
    """Every field, and None for what is not there."""
    await store.add(session)
    assert await store.get(session.id) == session
    assert await store.get(session.id, fresh=True) == session
    assert await store.get(new_id()) is None
    assert await store.get("nonsense") is None


async def test_a_change_is_seen_at_once(store, session):
    """Also by those who read the copy; the version rises."""
    await store.add(session)
    values = {"workflows": ["w"], "previous_salt": b"salt", "rotated_at": NOW, "previous_hash": "zero"}
    changed = await store.change(session.id, values)
    assert changed == replace(session, **{**values, "workflows": ("w",)}, version=2)
    assert await store.get(session.id) == changed
    assert await store.change(new_id(), {"workflows": []}) is None


async def test_of_two_changes_of_one_secret_one_wins(store, session):
    """The other learns that it was late."""
    await store.add(session)
    results = await asyncio.gather(*(store.change(session.id, {"secret_hash": name}, secret_hash="one") for name in ("a", "b")))
    assert sorted(result is None for result in results) == [False, True]


async def test_a_revoked_session_stays_revoked(store, session):
    """Nobody changes it any more, whichever copy they read."""
    await store.add(session)
    await store.get(session.id)
    assert await store.revoke(session.user_id, NOW, only=session.id) == [session.id]
    assert (await store.get(session.id)).revoked_at == NOW
    assert await store.change(session.id, {"last_seen_at": NOW}) is None
    assert await store.revoke(session.user_id, NOW) == []
    assert await store.of_user(session.user_id, NOW) == []


async def test_all_are_revoked_but_one_and_none_of_others(store, session):
    """Sessions of other users go on."""
    sessions = [session, *(replace(session, id=new_id()) for _ in range(2))]
    for each in sessions:
        await store.add(each)
    assert await store.revoke(new_id(), NOW) == []
    assert set(await store.revoke(session.user_id, NOW, but=session.id)) == {each.id for each in sessions[1:]}
    assert [each.id for each in await store.of_user(session.user_id, NOW)] == [session.id]


async def test_what_is_over_is_deleted_a_day_later(store, session):
    """Expired, revoked, and unused ones; live ones stay."""
    await store.add(session)
    assert await store.clean(NOW + timedelta(days=7), IDLE) == 0
    assert await store.clean(NOW + timedelta(days=8, seconds=1), IDLE) == 1
    assert await store.get(session.id, fresh=True) is None


@pytest.mark.parametrize("store", ["redis"], indirect=True)
async def test_a_session_is_in_redis_and_survives_its_loss(store, session):
    """Its key is there after signing in, without a secret; with Redis emptied the database answers, and an old copy replaces no newer one."""
    await store.add(session)
    key = f"agentflow:session:{session.id}"
    assert await store._redis.exists(key)
    stale = await store.get(session.id)
    await store._redis.delete(key)
    assert await store.get(session.id) == session
    await store.revoke(session.user_id, NOW)
    await store._put(stale)  # somebody who read before the change writes after it
    assert (await store.get(session.id)).revoked_at == NOW
    assert 0 < await store._redis.pttl(key) <= 30_000


@pytest.mark.parametrize("store", ["redis"], indirect=True)
async def test_without_redis_the_database_is_asked(store, session, database):
    """Nothing fails while Redis is away."""
    async with open_redis("redis://127.0.0.1:1/0", timeout_s=0.2, repeats=0) as away:
        alone = RedisSessions(away, DatabaseSessions(database))
        await alone.add(session)
        assert await alone.get(session.id) == session
        assert await alone.revoke(session.user_id, NOW) == [session.id]
