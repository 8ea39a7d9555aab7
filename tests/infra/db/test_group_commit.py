"""The group committer: durable when acknowledged, in order, and no batch suffers for another."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert, select, text, update
from sqlalchemy import bindparam as bind
from sqlalchemy.exc import DBAPIError, IntegrityError

from agentflow.errors import Unavailable
from agentflow.infra.db import group_commit
from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import TOLD_AT_ONCE, Batch, Fenced, GroupCommitter, Guard, Statement
from agentflow.infra.db.types import JsonText
from agentflow.kit.json import InvalidJson

ITEMS = Table(
    "group_commit_items",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("value", JsonText),
)
ADD = Statement("add_item", 1, insert(ITEMS))
CHANGE = Statement("change_item", 2, update(ITEMS).where(ITEMS.c.id == bind("item")).values(value=bind("new_value")))
STALE = Guard("run", 1)


def check(connection: Connection, guards: Sequence[Guard], locks: Sequence[str]) -> set[Guard]:
    """Refuse what carries the token 1."""
    return {guard for guard in guards if guard.token == 1}


@pytest.fixture
async def items(database: Database) -> Database:
    """Give a database with an empty table of items."""
    async with database.connection() as connection:
        await connection.run_sync(ITEMS.metadata.drop_all)
        await connection.run_sync(ITEMS.metadata.create_all)
    return database


@pytest.fixture
async def committer(items: Database) -> AsyncIterator[GroupCommitter]:
    """Give a running committer."""
    committer = GroupCommitter(items, check)
    committer.start()
    yield committer
    await committer.stop()


def adding(*ids: int, owner: str | None = "o", value: Any = None, guard: Guard | None = None) -> Batch:
    """Return a batch that adds items."""
    batch = Batch(guard)
    for id_ in ids:
        batch.add(ADD, {"id": id_, "owner": owner, "value": value})
    return batch


async def stored(database: Database) -> list[int]:
    """Return the ids that another connection sees."""
    async with database.reading() as session:
        return list((await session.scalars(select(ITEMS.c.id).order_by(ITEMS.c.id))).all())


async def test_what_is_acknowledged_is_stored(committer: GroupCommitter, items: Database) -> None:
    """When the future resolves, another connection sees the rows."""
    await committer.submit(adding(1, 2))
    assert await stored(items) == [1, 2]


async def test_many_batches_share_a_commit(committer: GroupCommitter, items: Database) -> None:
    """A hundred batches submitted together cost one transaction."""
    before = group_commit.COMMITS._value.get()
    await asyncio.gather(*[committer.submit(adding(n)) for n in range(100)])
    assert group_commit.COMMITS._value.get() - before == 1
    assert len(await stored(items)) == 100


async def test_a_large_load_is_cut_into_transactions(committer: GroupCommitter, items: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction grows beyond its bound, and nothing is lost at the cuts."""
    monkeypatch.setattr(group_commit, "MAX_ROWS_PER_COMMIT", 10)
    before = group_commit.COMMITS._value.get()
    await asyncio.gather(*[committer.submit(adding(3 * n, 3 * n + 1, 3 * n + 2)) for n in range(20)])
    assert group_commit.COMMITS._value.get() - before == 5
    assert await stored(items) == list(range(60))


async def test_the_callers_of_a_large_commit_leave_room_for_others(committer: GroupCommitter) -> None:
    """They hear of it in the order in which they asked, a few in a turn of the event loop; those of the next commit come behind them."""
    told: list[tuple[int, int]] = []
    turn = 0

    async def caller(number: int) -> None:
        await committer.submit(adding(number))
        told.append((number, turn))

    async def turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    counting = asyncio.create_task(turns())
    await asyncio.gather(*(caller(number) for number in range(200)))
    counting.cancel()
    assert [number for number, _ in told] == list(range(200))
    together = Counter(turn for _, turn in told)
    assert max(together.values()) <= 2 * TOLD_AT_ONCE
    assert len(together) >= 200 / (2 * TOLD_AT_ONCE)


async def test_stopping_waits_until_everyone_is_told(items: Database) -> None:
    """However many callers a last commit has, none is left waiting."""
    committer = GroupCommitter(items, check)
    committer.start()
    futures = [committer.submit(adding(number)) for number in range(200)]
    await committer.stop()
    assert all(future.done() for future in futures)


async def test_statements_run_by_rank_and_rows_in_the_order_given(committer: GroupCommitter, items: Database) -> None:
    """An update that was added before the insert it needs runs after it; of several updates the last one counts."""
    batch = Batch()
    batch.add(CHANGE, {"item": 1, "new_value": "first"})
    batch.add(ADD, {"id": 1, "owner": "o", "value": None})
    batch.add(CHANGE, {"item": 1, "new_value": "second"})
    later = Batch()
    later.add(CHANGE, {"item": 1, "new_value": "third"})
    await asyncio.gather(committer.submit(batch), committer.submit(later))
    async with items.reading() as session:
        assert await session.scalar(select(ITEMS.c.value)) == "third"


async def test_a_batch_is_stored_whole_or_not_at_all(committer: GroupCommitter, items: Database) -> None:
    """When one row of a batch is refused, its other rows are not there either."""
    with pytest.raises(IntegrityError):
        await committer.submit(adding(1, 2, 1))
    assert await stored(items) == []


@pytest.mark.parametrize("bad", [3, 0, 6])
async def test_a_refused_batch_does_not_harm_its_neighbours(committer: GroupCommitter, items: Database, bad: int) -> None:
    """Of seven batches in one transaction, the one that the database refuses fails alone."""
    batches = [adding(n, owner=None if n == bad else "o") for n in range(7)]
    results = await asyncio.gather(*[committer.submit(batch) for batch in batches], return_exceptions=True)
    assert [isinstance(result, IntegrityError) for result in results] == [n == bad for n in range(7)]
    assert await stored(items) == [n for n in range(7) if n != bad]


async def test_a_value_that_cannot_be_encoded_fails_alone(committer: GroupCommitter, items: Database) -> None:
    """An error of ours before the database is asked does not stop the committer, nor its neighbours."""
    good, bad = committer.submit(adding(1)), committer.submit(adding(2, value=object()))
    with pytest.raises(InvalidJson):
        await bad
    await good
    await committer.submit(adding(3))
    assert await stored(items) == [1, 3]


async def test_a_fenced_batch_is_refused_and_the_others_are_stored(committer: GroupCommitter, items: Database) -> None:
    """The write of a former owner leaves nothing behind."""
    stale = committer.submit(adding(1, guard=STALE))
    fresh, free = committer.submit(adding(2, guard=Guard("run", 2))), committer.submit(adding(3))
    with pytest.raises(Fenced):
        await stale
    await asyncio.gather(fresh, free)
    assert await stored(items) == [2, 3]


async def test_a_caller_that_gave_up_does_not_stop_the_others(committer: GroupCommitter, items: Database) -> None:
    """A cancelled future is passed over."""
    gone, other = committer.submit(adding(1)), committer.submit(adding(2))
    gone.cancel()
    await other
    assert await stored(items) == [1, 2]


async def test_an_outage_fails_everyone_at_once_and_passes(committer: GroupCommitter, items: Database) -> None:
    """While the table is away every caller hears of it; afterwards the same committer writes again."""
    async with items.connection() as connection:
        await connection.execute(text("ALTER TABLE group_commit_items RENAME TO away"))
    results = await asyncio.gather(*[committer.submit(adding(n)) for n in range(5)], return_exceptions=True)
    assert all(isinstance(result, DBAPIError) for result in results)
    async with items.connection() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO group_commit_items"))
    await committer.submit(adding(9))
    assert await stored(items) == [9]


async def test_stopping_writes_what_waits_and_takes_no_more(items: Database) -> None:
    """A batch submitted before the stop is durable; one after it is refused with a time to come back."""
    committer = GroupCommitter(items, check)
    committer.start()
    waiting = committer.submit(adding(1))
    await committer.stop()
    assert waiting.done()
    assert await stored(items) == [1]
    with pytest.raises(Unavailable):
        await committer.submit(adding(2))


WRITER = """
import asyncio, sys
from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import GroupCommitter
from tests.infra.db.test_group_commit import adding, check

async def lane(committer, lane):
    for n in range(lane, 1_000_000, 8):
        await committer.submit(adding(n))
        print(n, flush=True)

async def main():
    committer = GroupCommitter(Database(sys.argv[1]), check)
    committer.start()
    await asyncio.gather(*[lane(committer, n) for n in range(8)])

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_acknowledged(items: Database, database_url: str) -> None:
    """A process that is killed amid eight writers has stored every row it acknowledged, and no lane has a gap."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, database_url, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = [int(await process.stdout.readline()) for _ in range(300)]
    process.kill()
    # A line cut off by the kill says nothing.
    acknowledged += [int(line) for line in (await process.stdout.read()).splitlines(keepends=True) if line.endswith(b"\n")]
    assert await process.wait() == -signal.SIGKILL
    found = await stored(items)
    assert set(acknowledged) <= set(found)
    for lane in range(8):
        mine = [n for n in found if n % 8 == lane]
        assert mine == list(range(lane, lane + 8 * len(mine), 8))
