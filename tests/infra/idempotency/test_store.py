"""Creating once per key."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import IdempotencyKeyReused, Once
from agentflow.kit.ids import new_id


class Made(BaseModel):
    """What a test creates."""

    number: int


class Maker:
    """Counts what it makes, at a time that the test sets."""

    def __init__(self):
        self.count = 0
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self):
        return self.time

    def monotonic(self):
        return 0.0

    async def make(self, _session):
        self.count += 1
        return Made(number=self.count)


@pytest.fixture
async def database(settings):
    """Give the database of the settings."""
    opened = Database(settings.database)
    yield opened
    await opened.close()


async def test_a_key_is_remembered_for_its_time_and_over_restarts(database):
    """A new object over the same database knows the key; a day after its time has passed, the key is new."""
    maker, tenant, key = Maker(), new_id(), Idempotency.of("k", "POST", "/x", b"{}")
    first = await Once(database, maker, 86_400).create(tenant, key, Made, maker.make)
    again = await Once(database, maker, 86_400).create(tenant, key, Made, maker.make)
    assert (first, again) == (Made(number=1), Made(number=1))
    maker.time += timedelta(days=1, seconds=1)
    assert await Once(database, maker, 86_400).create(tenant, key, Made, maker.make) == Made(number=2)


async def test_a_key_belongs_to_a_tenant_and_a_request(database):
    """S40: another tenant may use the same key; another body, path or method may not."""
    maker, tenant = Maker(), new_id()
    once = Once(database, maker, 86_400)
    await once.create(tenant, Idempotency.of("k", "POST", "/x", b"1"), Made, maker.make)
    assert (await once.create(new_id(), Idempotency.of("k", "POST", "/x", b"1"), Made, maker.make)).number == 2
    for other in (("POST", "/x", b"2"), ("POST", "/y", b"1"), ("PUT", "/x", b"1")):
        with pytest.raises(IdempotencyKeyReused):
            await once.create(tenant, Idempotency.of("k", *other), Made, maker.make)


async def test_what_fails_is_not_remembered(database):
    """A request that made nothing can be sent again with its key."""
    maker, tenant, key = Maker(), new_id(), Idempotency.of("k", "POST", "/x", b"")
    once = Once(database, maker, 86_400)

    async def fail(_session):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await once.create(tenant, key, Made, fail)
    assert await once.create(tenant, key, Made, maker.make) == Made(number=1)
