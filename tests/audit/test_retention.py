"""Old records of the audit log are deleted, and what is left can still be verified."""

import json

import pytest
from sqlalchemy import delete, select, update

from agentflow.entrypoints.cli.exported import verify_export
from agentflow.infra.audit.models import AuditFloorRow, AuditRow
from agentflow.infra.audit.pruning import Pruner
from tests.audit.people import ok


@pytest.fixture
def prune(container):
    """Give a function that deletes what is older than a day."""
    audit = container.audit
    return Pruner(container.database, audit._ring, container.clock, container.trail, audit._sealer, days=1).prune_all


@pytest.fixture
async def log(client, later):
    """Fill the log, two days ago and now; gives the end of the chain of two days ago."""
    for number in range(5):
        await ok(client.post("/variables", json={"name": f"old{number}", "value": 1}))
    head = (await ok(client.post("/audit/verify", json={})))["head"]
    later(days=2)
    for number in range(3):
        await ok(client.post("/variables", json={"name": f"new{number}", "value": 1}))
    await ok(client.post("/audit/verify", json={}))
    return head


async def verified(client, *anchors):
    return await ok(client.post("/audit/verify", json={"anchors": list(anchors)}))


async def test_s113_old_records_go_and_the_rest_is_verified_from_a_signed_floor(client, log, prune):
    """S113: the chain begins behind the last record deleted; anchors of before still hold, and the deletion is a record itself."""
    deleted = await prune()
    assert deleted == log["seq"]
    assert await prune() == 0
    found = await verified(client, log)
    assert (found["intact"], found["floor"]["seq"], found["records"]) == (True, log["seq"], 4)
    assert found["floor"]["hash"] == log["hash"]
    items = (await ok(client.get("/audit?limit=200")))["items"]
    assert [item["action"] for item in items] == ["audit.pruned", *["variable.created"] * 3]
    assert items[0]["details"] == {"records": deleted, "until": log["seq"]}
    assert (items[0]["actor"], items[0]["actor_id"]) == ("agentflow", None)


async def test_an_exported_log_that_was_pruned_is_verified_by_its_floor(client, log, prune):
    """The floor is an anchor like any other; without it the file begins in the middle."""
    await prune()
    found = await verified(client)
    lines = [json.loads(line) for line in (await client.get("/audit/export")).text.splitlines()]
    assert lines[0]["seq"] == log["seq"] + 1
    assert verify_export(lines, [found["floor"], found["head"]], found["public_key"])["intact"] is True
    assert verify_export(lines, [found["head"]], found["public_key"])["fault"]["seq"] == 1


@pytest.mark.parametrize("what", ["next record", "floor", "forged floor"])
async def test_s109_a_pruned_log_shows_what_is_done_to_it(client, container, log, prune, what):
    """S109: nobody cuts more off than the program did."""
    await prune()
    floor = log["seq"]
    async with container.database.transaction() as session:
        if what == "next record":
            await session.execute(delete(AuditRow).where(AuditRow.seq == floor + 1))
        elif what == "floor":
            await session.execute(delete(AuditFloorRow))
        else:
            row = (await session.scalars(select(AuditRow).where(AuditRow.seq == floor + 1))).one()
            await session.execute(update(AuditFloorRow).values(seq=row.seq, hash=row.hash))
            await session.execute(delete(AuditRow).where(AuditRow.seq == floor + 1))
    found = await verified(client)
    assert found["intact"] is False
    assert found["fault"]["seq"] == {"next record": floor + 1, "floor": 1, "forged floor": floor + 1}[what]


async def test_what_was_altered_is_not_pruned(client, container, log, prune):
    """Or its deletion would hide it."""
    async with container.database.transaction() as session:
        await session.execute(update(AuditRow).where(AuditRow.seq == 3).values(actor="somebody else"))
    assert await prune() == 0
    found = await verified(client)
    assert (found["intact"], found["fault"]["seq"]) == (False, 3)
