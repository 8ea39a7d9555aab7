"""The database handle: quick single reads that see what is committed, and only that."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, func, insert, select
from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.util import await_only

from agentflow.infra.db.engine import Database, UnsupportedDatabase, database_url
from tests.databases import having

NUMBERS = Table("engine_numbers", MetaData(), Column("n", Integer, primary_key=True))


@pytest.fixture
async def numbers(database: Database) -> AsyncIterator[Database]:
    """Give a database with an empty table of numbers."""
    async with having(database, NUMBERS.metadata) as made:
        yield made


async def test_a_single_read_gives_the_row_or_none(numbers: Database) -> None:
    """One row, no row; two are a mistake of the caller."""
    async with numbers.connection() as connection:
        await connection.execute(insert(NUMBERS), [{"n": 1}, {"n": 2}])
    row = await numbers.read_one(select(NUMBERS.c.n).where(NUMBERS.c.n == 2))
    assert row is not None
    assert row.n == 2
    assert await numbers.read_one(select(NUMBERS.c.n).where(NUMBERS.c.n == 3)) is None
    with pytest.raises(MultipleResultsFound):
        await numbers.read_one(select(NUMBERS.c.n))


async def test_a_single_read_neither_waits_for_a_writer_nor_sees_its_work(numbers: Database) -> None:
    """While a transaction is open, others read the state before it; after its commit they read its rows."""
    query = select(NUMBERS.c.n).where(NUMBERS.c.n == 1)
    async with numbers.connection() as connection:
        await connection.execute(insert(NUMBERS), {"n": 1})
        assert await asyncio.wait_for(numbers.read_one(query), 5) is None
    assert await numbers.read_one(query) is not None


async def test_reads_that_belong_together_see_one_state(numbers: Database) -> None:
    """What others commit between two statements of a reader is not there for it, in a session and in one hop."""
    count = select(func.count()).select_from(NUMBERS)
    async with numbers.reading() as session:
        before = await session.scalar(count)
        async with numbers.connection() as connection:
            await connection.execute(insert(NUMBERS), {"n": 1})
        assert await session.scalar(count) == before == 0
    loop, seen = asyncio.get_running_loop(), list[int | None]()

    async def write() -> None:
        async with numbers.connection() as connection:
            await connection.execute(insert(NUMBERS), {"n": 2})

    def look_twice(connection: Connection) -> None:
        seen.append(connection.scalar(count))
        if numbers.is_sqlite:
            asyncio.run_coroutine_threadsafe(write(), loop).result(5)  # the reader is in a thread of its own
        else:
            await_only(write())
        seen.append(connection.scalar(count))

    await numbers.read(look_twice)
    assert seen == [1, 1]


async def test_many_single_reads_at_once_share_few_connections(numbers: Database) -> None:
    """Reads beyond the connections there are wait for their turn and all succeed, writes between them too."""
    query = select(NUMBERS.c.n).where(NUMBERS.c.n == 1)

    async def write() -> None:
        await numbers.bulk(lambda connection: connection.execute(insert(NUMBERS), {"n": 1}))

    await asyncio.gather(write(), *[numbers.read_one(query) for _ in range(200)])
    assert await numbers.read_one(query) is not None


@pytest.mark.parametrize("url", ["", "mysql://localhost/x", "not a url", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_cannot_hold_our_data_is_refused(url: str) -> None:
    """The error names what is possible."""
    with pytest.raises(UnsupportedDatabase, match=r"sqlite|cannot be read|in memory"):
        Database(url)


def test_the_asynchronous_driver_is_chosen() -> None:
    """Users write the plain scheme."""
    assert database_url("postgres://u@h/d").drivername == "postgresql+asyncpg"
    assert database_url("sqlite:///x.db").drivername == "sqlite+aiosqlite"


async def test_a_single_read_waits_where_another_process_has_the_database_to_itself(tmp_path: Path) -> None:
    """It is tried at once, and again in a thread; the event loop goes on meanwhile."""
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.executescript(
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; CREATE TABLE engine_numbers (n INTEGER); INSERT INTO engine_numbers VALUES (7);"
    )
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    reading = asyncio.create_task(database.read_one(select(NUMBERS.c.n)))
    _, waiting = await asyncio.wait([reading], timeout=0.2)
    assert waiting == {reading}
    other.close()
    row = await reading
    assert row is not None
    assert row.n == 7
    await database.close()
