"""A tenant that floods the queue keeps nobody else waiting."""

import asyncio

from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import PageRequest
from agentflow.runtime.runs.queries import RunFilter
from tests.runtime.support import SUBJECT, World, probe, spec_of, transform

PLACES, FLOOD = 4, 150


async def test_a_flood_of_one_tenant_lets_another_start_at_once(world: World):
    """Behind hundreds of queued runs of one tenant the run of another is among the next that begin."""
    other = Subject(new_id(), new_id(), ALL_PERMISSIONS)
    held = spec_of([probe("p", wait_for="gate")])
    async with world.runtime(max_concurrent_runs=PLACES) as runs:
        flood = await asyncio.gather(*(runs.start_inline(SUBJECT, held, {}) for _ in range(FLOOD)))
        while world.probe.runs["p"] < PLACES:
            await world.probe.arrival("gate").wait()
            world.probe.reached.clear()
        mine = await runs.start_inline(other, spec_of([transform("t", 1)]), {})
        world.probe.gate("gate").set()
        mine = await runs.wait(other, mine.id, 30)
        await asyncio.gather(*(runs.wait(SUBJECT, run.id, 60) for run in flood))
        theirs = (await runs.list(SUBJECT, RunFilter(), PageRequest(limit=200))).items
    assert mine.status == "succeeded"
    assert {run.status for run in theirs} == {"succeeded"}
    earlier = [run for run in theirs if run.started_at < mine.started_at]
    assert len(earlier) <= 3 * PLACES
