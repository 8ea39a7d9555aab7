"""Sealing: many writers and several processes, one chain for each tenant."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.audit.models import AuditAnchorRow, AuditHeadRow, AuditRow
from agentflow.infra.audit.sealer import Sealer
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import SystemClock
from agentflow.kit.ids import new_id
from tests.support.keys import new_ring, new_trail

ACTORS = [Subject(new_id(), new_id(), ALL_PERMISSIONS, f"user{number}") for number in range(3)]


async def sealer_of(database: Database, folder: Path) -> Sealer:
    return Sealer(database, await new_ring(database, folder), SystemClock(), folder, 3_600, 3_600)


async def write(database: Database, trail: Trail, actor: Subject, count: int) -> None:
    for number in range(count):
        async with database.transaction() as session:
            await trail.add(session, actor, Deed("thing.changed", str(number)))


async def chain(database: Database, actor: Subject) -> list[AuditRow]:
    async with database.reading() as session:
        query = select(AuditRow).where(AuditRow.tenant_id == actor.tenant_id).order_by(AuditRow.seq)
        return list((await session.scalars(query)).all())


async def test_s109_concurrent_writers_and_sealers_keep_one_chain(database: Database, tmp_path: Path):
    """S109: each record of each tenant gets one number, without a gap, whoever writes and seals at the same time."""
    trail = await new_trail(database, tmp_path)
    sealers = [await sealer_of(database, tmp_path) for _ in range(3)]
    writers = [asyncio.create_task(write(database, trail, actor, 15)) for actor in ACTORS for _ in range(2)]
    while not all(writer.done() for writer in writers):
        await asyncio.gather(*(sealer.seal_all() for sealer in sealers))
    await asyncio.gather(*writers)
    await asyncio.gather(*(sealer.seal_all() for sealer in sealers))
    for actor in ACTORS:
        rows = await chain(database, actor)
        assert [row.seq for row in rows] == list(range(1, 31))


async def test_a_change_that_is_undone_leaves_no_record(database: Database, tmp_path: Path):
    """The record is in the transaction of the change: both, or neither; so is a key that was made for it."""
    trail, actor = await new_trail(database, tmp_path), Subject(new_id(), new_id(), ALL_PERMISSIONS)

    async def fail() -> None:
        async with database.transaction() as session:
            await trail.add(session, actor, Deed("thing.changed"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await chain(database, actor) == []
    await write(database, trail, actor, 1)
    await (await sealer_of(database, tmp_path)).seal(actor.tenant_id)
    assert [row.seq for row in await chain(database, actor)] == [1]


async def test_records_of_others_are_not_sealed(database: Database, tmp_path: Path):
    """What somebody else writes into the table has no proof; the chain goes on without it."""
    trail, actor = await new_trail(database, tmp_path), Subject(new_id(), new_id(), ALL_PERMISSIONS)
    await write(database, trail, actor, 2)
    forged = {**await trail.row(actor, Deed("thing.forged")), "actor": "somebody else"}
    async with database.transaction() as session:
        await session.execute(insert(AuditRow).values(forged))
    await (await sealer_of(database, tmp_path)).seal(actor.tenant_id)
    assert {row.action: row.seq for row in await chain(database, actor)} == {"thing.changed": 2, "thing.forged": None}


async def test_chains_of_any_age_are_lengthened_together(database: Database, tmp_path: Path):
    """A tenant's first record and another's next are sealed in one go, each behind its own chain; an end is anchored once."""
    trail = await new_trail(database, tmp_path)
    old, new = (Subject(new_id(), new_id(), ALL_PERMISSIONS, name) for name in ("old", "new"))
    await write(database, trail, old, 1)
    await (await sealer_of(database, tmp_path)).seal_all()
    await write(database, trail, old, 2)
    await write(database, trail, new, 1)
    for _ in range(2):
        other = await sealer_of(database, tmp_path)
        await other.seal_all()
        for actor in (old, new):
            await other.seal(actor.tenant_id, anchor_now=True)
    for actor, anchored in ((old, [1, 3]), (new, [1])):
        async with database.reading() as session:
            head = (await session.scalars(select(AuditHeadRow).where(AuditHeadRow.tenant_id == actor.tenant_id))).one()
            ends = select(AuditAnchorRow.seq).where(AuditAnchorRow.tenant_id == actor.tenant_id).order_by(AuditAnchorRow.seq)
            assert (await session.scalars(ends)).all() == anchored
        rows = await chain(database, actor)
        assert [row.seq for row in rows] == list(range(1, anchored[-1] + 1))
        assert (head.seq, head.hash) == (rows[-1].seq, rows[-1].hash)
