"""Who is alive: every kind of lock tells the same, and one that was lost with the database is taken again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import SystemClock
from agentflow.kit.ids import new_id
from agentflow.runtime.queue import presence
from agentflow.runtime.queue.presence import AdvisoryPresence, FilePresence, Presence
from tests.databases import new_postgres
from tests.support.postgres_server import PostgresProcess, own_postgres

__all__ = ["own_postgres"]


@pytest.fixture(autouse=True)
def believed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rely on the server's word from its start on."""
    monkeypatch.setattr(presence, "_SETTLED_S", 0)


@asynccontextmanager
async def advisory(url: str) -> AsyncIterator[Presence]:
    database = Database(url)
    try:
        yield AdvisoryPresence(database, SystemClock())
    finally:
        await database.close()


@pytest.fixture(params=["files", "postgresql"])
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Presence, Presence]]:
    """Give what two processes have."""
    if request.param == "files":
        yield FilePresence(tmp_path), FilePresence(tmp_path)
        return
    with new_postgres() as url:
        async with advisory(url) as one, advisory(url) as other:
            yield one, other


async def test_a_worker_is_alive_until_it_withdraws(two: tuple[Presence, Presence]) -> None:
    """Others see it live while it holds its lock, however often it makes sure of that, and dead from then on."""
    mine, theirs = two
    owner = new_id()
    await mine.announce(owner)
    await mine.keep()
    assert not await theirs.is_dead(owner)
    await mine.withdraw()
    assert await theirs.is_dead(owner)
    await mine.keep()
    assert await theirs.is_dead(owner)


async def test_a_worker_is_alive_again_after_a_crash_of_the_database(own_postgres: PostgresProcess) -> None:
    """Also when it looked after its lock while the database was down: else others would take its runs again and again."""
    owner = new_id()
    async with advisory(own_postgres.url) as mine, advisory(own_postgres.url) as theirs:
        await mine.announce(owner)
        own_postgres.crash()
        for _ in range(2):
            with pytest.raises((DBAPIError, OSError)):
                await mine.keep()
        own_postgres.start()
        assert await theirs.is_dead(owner)
        await mine.keep()
        assert not await theirs.is_dead(owner)
        await mine.withdraw()
