"""What an outage of the database costs the runs under way: time, and nothing else."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from agentflow.infra.db import pool
from agentflow.runtime.interrupts.store import InterruptStore
from agentflow.runtime.queue.claims import Claims
from agentflow.runtime.queue.leases import Leases
from tests.runtime.support import SUBJECT, Probe, World, probe, run_to_end, spec_of

QUICK = {"sweep_interval_s": 0.05}


def outages() -> list[Exception]:
    """Return what the database says when it is away: the connection broke, there was no free one, nobody listens."""
    broken = DBAPIError("SELECT 1", None, Exception("connection was closed"), connection_invalidated=True)
    return [
        broken,
        pool.NoFreeConnection("QueuePool limit reached"),
        ConnectionRefusedError("nobody listens"),
        ExceptionGroup("both", [broken]),
    ]


def failing_first(monkeypatch: pytest.MonkeyPatch, of: type, name: str, errors: list[Exception]) -> asyncio.Event:
    """Have a method raise each of the errors once, before it works; returns what is set then."""
    works, worked, left = getattr(of, name), asyncio.Event(), iter(errors)

    async def method(self: Any, *arguments: Any, **options: Any) -> Any:
        error = next(left, None)
        if error is not None:
            raise error
        worked.set()
        return await works(self, *arguments, **options)

    monkeypatch.setattr(of, name, method)
    return worked


async def test_a_run_whose_past_cannot_be_read_is_taken_up_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not fail: somebody goes on with it once the database answers."""
    spec = spec_of([probe("a", value=1), probe("b", wait_for="gate", value=2)], ["a>b"])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    read = failing_first(monkeypatch, InterruptStore, "of_run", outages())
    async with world.runtime(**QUICK) as runs:
        ended = await runs.wait(SUBJECT, run.id, 20)
    assert (ended.status, ended.outputs) == ("succeeded", 2), ended.error
    assert read.is_set()
    assert world.probe.runs["a"] == 1


async def test_a_node_that_meets_the_outage_is_run_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails within a node because our own database is away is no failure of the node."""
    failing_first(monkeypatch, Probe, "run", outages()[:2])
    async with world.runtime(**QUICK) as runs:
        ended = await run_to_end(runs, spec_of([probe("a", value=1)], []))
    assert (ended.status, ended.outputs) == ("succeeded", 1), ended.error


async def test_a_timeout_of_the_node_itself_is_its_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node type that lets one through would else be run again for ever."""
    failing_first(monkeypatch, Probe, "run", [TimeoutError("the printer does not answer")] * 100)
    async with world.runtime(**QUICK) as runs:
        ended = await run_to_end(runs, spec_of([probe("a", value=1)], []))
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error.code == "INTERNAL"


async def test_a_claim_whose_answer_is_lost_is_given_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database keeps it, and the process does not know: nobody would drive the run, and its lease be prolonged for ever."""
    works, lost = Claims.claim_next, list[str]()

    async def claim_next(self: Claims, *arguments: Any, **options: Any) -> Any:
        taken = await works(self, *arguments, **options)
        if taken and not lost:
            lost.extend(run.id for run in taken)
            raise ConnectionResetError("the answer did not come")
        return taken

    monkeypatch.setattr(Claims, "claim_next", claim_next)
    async with world.runtime(**QUICK, lease_renew_s=0.05, max_concurrent_runs=1) as runs:
        started = [await runs.start_inline(SUBJECT, spec_of([probe("a", value=n)], []), {}) for n in range(3)]
        assert [(await runs.wait(SUBJECT, run.id, 20)).outputs for run in started] == [0, 1, 2]
    assert lost
    assert world.probe.runs["a"] == 3


@pytest.mark.parametrize(("of", "name"), [(Claims, "claim_next"), (Leases, "release_orphans"), (Leases, "renew")])
async def test_what_works_in_the_background_outlives_every_error(
    world: World, monkeypatch: pytest.MonkeyPatch, of: type, name: str
) -> None:
    """A process whose queue is never looked into again would look alive and take no run."""
    errors = [PoolTimeout("as SQLAlchemy says it"), *outages(), RuntimeError("anything else")]
    worked = failing_first(monkeypatch, of, name, errors)
    async with world.runtime(**QUICK, lease_renew_s=0.05, max_concurrent_runs=1) as runs:
        async with asyncio.timeout(20):
            await worked.wait()
        waiting = [await runs.start_inline(SUBJECT, spec_of([probe("a", value=n)], []), {}) for n in range(3)]
        assert [(await runs.wait(SUBJECT, run.id, 20)).outputs for run in waiting] == [0, 1, 2]
