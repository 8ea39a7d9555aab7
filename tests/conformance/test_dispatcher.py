"""What every dispatcher does, whatever brings the hints: runs get to a worker, doubled and senseless hints do nothing."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from agentflow.bootstrap.runtime import Role
from agentflow.runtime.runs.service import RunService
from tests.acceptance.cluster import BROKERS, NOBODY
from tests.runtime.conftest import world
from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, transform, until

__all__ = ["world"]

KINDS = {"inline": None, **{f"celery on {name}": url for name, url in BROKERS.items()}, "celery without a broker": NOBODY}


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest) -> str | None:
    """Give a broker's URL, or None for workers in the same process."""
    return KINDS[request.param]


@asynccontextmanager
async def serving(world: World, broker: str | None, **more: float) -> AsyncIterator[RunService]:
    """Give the service that accepts runs; with a broker, a worker runs beside it."""
    changed = {"sweep_interval_s": 0.5, "shutdown_grace_s": 0.5, **more}
    if world.settings.database.startswith("sqlite") and broker is not None:
        pytest.skip("a cluster needs PostgreSQL")
    async with AsyncExitStack() as stack:
        if broker is None:
            yield await stack.enter_async_context(world.runtime(**changed))
        else:
            await stack.enter_async_context(world.runtime(Role.WORKER, broker_url=broker, **changed))
            yield await stack.enter_async_context(world.runtime(Role.API, broker_url=broker, **changed))


async def test_an_accepted_run_is_driven_once(world: World, broker: str | None):
    """It comes to a worker, and each node runs once."""
    async with serving(world, broker) as runs:
        ended = [await run_to_end(runs, spec_of([probe("a", value=n), transform("b", "{{ nodes.a + 1 }}")], ["a>b"])) for n in range(3)]
    assert [run.outputs for run in ended] == [1, 2, 3]
    assert world.probe.runs == {"a": 3}


async def test_hints_again_and_hints_of_nothing_start_nothing(world: World, broker: str | None):
    """S80: a hint of a run that is driven, has ended or never was changes nothing."""
    async with serving(world, broker) as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a", wait_for="gate")]), {})
        await world.probe.arrival("gate").wait()
        runs._dispatcher.hint([run.id] * 20)
        runs._dispatcher.hint(["00000000-0000-7000-8000-000000000000", "no id"])
        runs._dispatcher.hint([])
        world.probe.gate("gate").set()
        first = await runs.wait(SUBJECT, run.id, 30)
        runs._dispatcher.hint([run.id])
        second = await run_to_end(runs, spec_of([probe("b")]))
    assert [first.status, second.status] == ["succeeded", "succeeded"]
    assert world.probe.runs == {"a": 1, "b": 1}


async def test_a_run_is_cancelled_wherever_it_is_driven(world: World, broker: str | None):
    """The wish reaches the worker without waiting for it to renew its leases."""
    async with serving(world, broker) as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a", wait_for="gate")]), {})
        await world.probe.arrival("gate").wait()
        cancelled = await runs.cancel(SUBJECT, run.id)
    assert cancelled.status == "cancelled"


async def test_what_a_busy_run_waits_for_reaches_it_wherever_it_is_driven(world: World, broker: str | None):
    """An answer reaches the worker while another branch of the run is busy."""
    nodes = [probe("a"), {"id": "ask", "type": "ask", "config": {}}, probe("slow", wait_for="gate"), probe("after")]
    spec = spec_of(nodes, [{"from": "a", "to": ["ask", "slow"]}, "slow>after"])
    async with serving(world, broker, lease_renew_s=9) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
        await until(runs, run.id, "interrupt.requested")
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "yes"})
        await until(runs, run.id, "interrupt.answered")
        world.probe.gate("gate").set()
        ended = await runs.wait(SUBJECT, run.id, 30)
    assert ended.status == "succeeded", ended.error


async def test_a_child_is_driven_beside_its_parent(world: World, broker: str | None):
    """A worker starts children itself; their parent's place is enough, however few places there are."""
    world.workflows.specs["child"] = spec_of([probe("c", value="from child")])
    node = {"id": "call", "type": "subworkflow", "config": {"workflow": "child", "version": "latest", "inputs": {}}}
    world.settings = world.settings.model_copy(update={"max_concurrent_runs": 1})
    async with serving(world, broker) as runs:
        run = await run_to_end(runs, spec_of([node]))
    assert run.status == "succeeded", run.error
    assert run.outputs["outputs"] == "from child"


async def test_runs_beyond_the_places_wait_without_an_owner(world: World, broker: str | None):
    """One place, many runs: all are driven, one after the other, in the order in which they came."""
    world.settings = world.settings.model_copy(update={"max_concurrent_runs": 1})
    async with serving(world, broker) as runs:
        started = [await runs.start_inline(SUBJECT, spec_of([probe("a", value=n)]), {}) for n in range(8)]
        ended = [await runs.wait(SUBJECT, run.id, 30) for run in started]
    assert [run.outputs for run in ended] == list(range(8))
    begun = [run.started_at for run in ended]
    assert begun == sorted(begun, key=lambda moment: moment.timestamp() if moment else 0)
