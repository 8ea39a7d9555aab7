"""F30: a question that waits for ninety days, over restarts, on a clock that the test sets forward."""

import asyncio
from datetime import timedelta

import pytest

from agentflow.runtime.runs.answers import AlreadyAnswered, InterruptExpired
from tests.runtime.support import SUBJECT, ShiftedClock, World, probe, spec_of, types, until

DAYS = 90
HUMAN = {"id": "ask", "type": "human", "config": {"title": "Pay?", "expires_in_s": DAYS * 86_400}}
SPEC = spec_of([probe("a", value=1), HUMAN, probe("b", value=2)], ["a>ask", "ask>b"])


@pytest.fixture
def clock(world: World) -> ShiftedClock:
    """Give the clock of the world."""
    world.clock = clock = ShiftedClock()
    return clock


async def begun(world: World) -> str:
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, SPEC, {})
        await until(runs, run.id, "run.waiting")
        return run.id


async def test_two_approvers_race_after_three_months_and_restarts(world: World, clock: ShiftedClock):
    """On two processes: one decision counts, the other is told so, and no node runs twice."""
    run_id = await begun(world)
    for _ in range(3):
        clock.ahead += timedelta(days=DAYS / 3, seconds=-10)
        async with world.runtime(sweep_interval_s=0.05) as runs:
            assert (await runs.wait(SUBJECT, run_id, 0.2)).status == "waiting"
    async with world.runtime() as one, world.runtime() as other:
        answers = (runs.answer(SUBJECT, run_id, "ask", {"decision": how}) for runs, how in ((one, "approve"), (other, "reject")))
        results = await asyncio.gather(*answers, return_exceptions=True)
        ended = await one.wait(SUBJECT, run_id, 10)
        seen = await types(one, run_id)
    assert sorted(isinstance(result, AlreadyAnswered) for result in results) == [False, True]
    assert ended.status == "succeeded", ended.error
    assert seen.count("interrupt.answered") == 1
    assert world.probe.runs == {"a": 1, "b": 1}


async def test_expiry_is_exact_after_three_months(world: World, clock: ShiftedClock):
    """From the moment on nobody may answer, also before the run has noticed."""
    run_id = await begun(world)
    clock.ahead += timedelta(days=DAYS)
    async with world.runtime(sweep_interval_s=3_600) as runs:
        with pytest.raises((InterruptExpired, AlreadyAnswered)):
            await runs.answer(SUBJECT, run_id, "ask", {"decision": "approve"})
        ended = await runs.wait(SUBJECT, run_id, 10)
    assert (ended.status, ended.error and ended.error.code) == ("failed", "HUMAN_EXPIRED")
    assert world.probe.runs == {"a": 1}
