"""A task that is cancelled within a transaction leaves nothing behind: no row, and no lock."""

import asyncio
from pathlib import Path

from sqlalchemy import event, text
from sqlalchemy.util import await_only

from agentflow.infra.db.engine import Database

NUMBERS = text(
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000) SELECT n FROM numbers ORDER BY -n"
)
"""Takes SQLite some ten milliseconds to its first row."""


async def test_whoever_is_cancelled_within_a_transaction_keeps_nobody_from_writing(tmp_path: Path) -> None:
    """However long the traceback lives: SQLite's only lock for writing would be kept by a cursor in it."""
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    loop, tasks = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    def watch(connection: object, _record: object) -> None:
        def cancel(statement: str) -> None:
            if statement.startswith("WITH"):
                loop.call_soon_threadsafe(tasks[-1].cancel)

        await_only(connection.driver_connection.set_trace_callback(cancel))  # type: ignore[attr-defined]

    event.listen(database.engine.sync_engine, "connect", watch)

    async def write() -> None:
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO written VALUES (1)"))
            await session.execute(NUMBERS)

    await database.bulk(lambda connection: connection.execute(text("CREATE TABLE written (n INTEGER)")))
    tasks.append(asyncio.create_task(write()))
    (outcome,) = await asyncio.gather(tasks[0], return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    async with asyncio.timeout(5):
        await database.bulk(lambda connection: connection.execute(text("INSERT INTO written VALUES (2)")))
    assert await database.read_rows(text("SELECT n FROM written")) == [(2,)]
    await database.close()
