"""What a lost checkpoint costs: nothing but the walk to where the run was. In every form of control flow, after every node."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from agentflow.infra.db.engine import Database
from agentflow.infra.redis import open_redis
from agentflow.runtime.checkpoints.statements import CHECKPOINTS
from agentflow.runtime.runs.service import RunService
from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, transform
from tests.support.redis_server import RedisProcess, redis_process

__all__ = ["redis_process"]

FORMS: dict[str, Any] = {
    "chain with effects": spec_of([probe(f"n{n}", policy={"effect": "keyed"}, wait_for=f"{n}", value=n) for n in range(4)], ["n0>n1", "n1>n2", "n2>n3"]),
    "branches and a join": spec_of(
        [
            probe("a", wait_for="a", value=1),
            probe("l", wait_for="l", value=2),
            probe("r", wait_for="r", value=3),
            probe("m", wait_for="m", value="{{ nodes.r }}"),
            transform("j", "{{ nodes.l + nodes.m }}"),
        ],
        [{"from": "a", "to": ["l", "r"]}, "r>m", "l>j", "m>j"],
    ),
    "a loop": spec_of(
        [probe("n", wait_for="n", value="{{ (nodes.n or 0) + 1 }}"), probe("w", wait_for="w"), transform("o", "{{ nodes.n }}")],
        ["n>w", {"from": "w", "to": "n", "condition": "nodes.n < 3", "loop": {"max_iterations": 9}}, "w>o"],
    ),
    "a map": spec_of(
        [
            probe("a", wait_for="a", value=[1, 2, 3]),
            {
                "id": "each",
                "type": "map",
                "config": {"items": "{{ nodes.a }}", "max_concurrency": 1, "node": {"type": "probe", "config": {"value": "{{ item }}", "wait_for": "i"}}},
            },
            probe("z", wait_for="z", value="{{ nodes.each.results }}"),
        ],
        ["a>each", "each>z"],
    ),
    "a dead branch": spec_of(
        [
            probe("a", wait_for="a", value=1),
            {"id": "way", "type": "router", "config": {"routes": [{"when": "nodes.a == 1", "to": "x"}], "default": "y"}},
            probe("x", wait_for="x", value="x"),
            probe("y", wait_for="y", value="y"),
            probe("j", wait_for="j", value="{{ [nodes.x, nodes.y] }}"),
        ],
        ["a>way", "x>j", "y>j"],
    ),
    "a failure that is handled": spec_of(
        [probe("a", policy={"on_error": "b"}, fail_times=9, wait_for="a"), probe("b", wait_for="b", value="{{ nodes.a.error.code }}"), probe("c", wait_for="c", value=1)],
        ["a>c"],
    ),
}  # fmt: skip


class Turnstile(dict[str, asyncio.Event]):
    """Lets a number of executions pass and holds up the rest."""

    def __init__(self, passes: int) -> None:
        super().__init__()
        self.left, self.passed, self.held, self.full = passes, 0, 0, asyncio.Event()

    def setdefault(self, name: str, event: asyncio.Event) -> asyncio.Event:  # type: ignore[override]
        if self.left > 0:
            self.left -= 1
            self.passed += 1
            event.set()
        else:
            self.held += 1
            self.full.set()
        return event


async def lose_everything(world: World, redis: RedisProcess) -> None:
    """Delete every checkpoint in both tiers."""
    database = Database(world.settings.database)
    async with database.connection() as connection:
        await connection.execute(delete(CHECKPOINTS))
    await database.close()
    client = open_redis(redis.url)
    await client.flushall()
    await client.aclose()


async def held_up(runs: RunService, world: World, spec: Any, steps: int) -> tuple[str, Turnstile]:
    """Start a run and return once so many of its executions are through and the next is under way."""
    world.probe.gates = gate = Turnstile(steps)
    run = await runs.start_inline(SUBJECT, spec, {})
    await gate.full.wait()
    return run.id, gate


async def finished(runs: RunService, run_id: str) -> tuple[str, Any]:
    run = await runs.wait(SUBJECT, run_id, 20)
    assert run.error is None, run.error
    return run.status, run.outputs


@pytest.mark.parametrize("tier", ["database", "redis"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_run_without_its_checkpoints_comes_to_the_same_end(world: World, redis_process: RedisProcess, form: str, tier: str) -> None:
    """Stopped after each of its nodes, with every checkpoint gone: same result, and what had finished does not run again."""
    settings = {"checkpoint_tier": tier, "redis_url": redis_process.url}
    world.probe.gates = free = Turnstile(10**6)
    async with world.runtime(shutdown_grace_s=0, **settings) as runs:
        expected = await run_to_end(runs, FORMS[form])
        once = world.probe.runs.total()
        stopped = [await held_up(runs, world, FORMS[form], steps) for steps in range(free.passed)]
    await lose_everything(world, redis_process)
    world.probe.gates = Turnstile(10**6)
    async with world.runtime(**settings) as runs:
        for steps, (run_id, _) in enumerate(stopped):
            assert await finished(runs, run_id) == (expected.status, expected.outputs), f"{form}, stopped after {steps}"
    held = sum(gate.held for _, gate in stopped)
    assert world.probe.runs.total() == once + len(stopped) * once + held


@pytest.mark.parametrize("form", FORMS)
async def test_a_checkpoint_from_the_future_is_not_believed(world: World, form: str) -> None:
    """A checkpoint that is ahead of its run's journal (a restored backup, a Redis of before) changes nothing."""
    world.probe.gates = Turnstile(10**6)
    async with world.runtime(shutdown_grace_s=0) as runs:
        expected = await run_to_end(runs, FORMS[form])
        once = world.probe.runs.total()
        run_id, gate = await held_up(runs, world, FORMS[form], 0)
    await _give(world, expected.id, run_id)
    world.probe.gates = Turnstile(10**6)
    async with world.runtime() as runs:
        assert await finished(runs, run_id) == (expected.status, expected.outputs)
    assert world.probe.runs.total() == 2 * once + gate.held


async def _give(world: World, source: str, target: str) -> None:
    """Put the checkpoints of one run in the place of another's."""
    database = Database(world.settings.database)
    async with database.connection() as connection:
        await connection.execute(delete(CHECKPOINTS).where(CHECKPOINTS.c.thread_id == target))
        rows = (await connection.execute(select(CHECKPOINTS).where(CHECKPOINTS.c.thread_id == source))).mappings().all()
        if rows:  # a chain of pure nodes has none
            await connection.execute(insert(CHECKPOINTS), [{**row, "thread_id": target} for row in rows])
    await database.close()
