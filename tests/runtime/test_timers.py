"""F15, F16, F17: moments that runs wait for. Whatever clocks and servers do, each comes once, at its time or as soon as anybody is there."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from pydantic import ValidationError

from agentflow.nodes.control.delay import DelayConfig, DelayNode
from tests.nodes.context import FakeContext
from tests.runtime.support import SUBJECT, ShiftedClock, World, probe, spec_of, types, until

HOUR = timedelta(hours=1)
WAIT = spec_of(
    [probe("a", value=1), {"id": "wait", "type": "delay", "config": {"seconds": 7_200}}, probe("b", value=2)], ["a>wait", "wait>b"]
)
ONCE = ("run.started", "run.waiting", "run.resumed", "run.succeeded")


class Sleeper(FakeContext):
    """Notes how long a node wants to sleep, and does not."""

    moment: datetime

    async def sleep_until(self, moment: datetime) -> None:
        self.moment = moment


@pytest.fixture
def clock(world: World) -> ShiftedClock:
    """Give the clock of the world."""
    world.clock = clock = ShiftedClock()
    return clock


def _changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """Return the moments of a year at which a zone changes its offset, in UTC, to the hour."""
    begin = datetime(year, 1, 1, tzinfo=UTC)
    days = [begin + timedelta(days=day) for day in range(366)]
    changed = [day for day in days if _offset(zone, day) != _offset(zone, day + timedelta(days=1))]
    return [hour for day in changed for hour in (day + n * HOUR for n in range(24)) if _offset(zone, hour) != _offset(zone, hour + HOUR)]


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


async def test_a_local_time_is_one_moment_on_every_day_that_clocks_change():
    """In every zone, around each change of two years: the moment that is waited for is the one that was written, to the second."""
    tried = 0
    zones = sorted(available_timezones())
    for name in random.Random(15).sample(zones, 60):
        zone = ZoneInfo(name)
        for change in [*_changes(zone, 2027), *_changes(zone, 2028)]:
            for away in (-HOUR, -timedelta(seconds=1), timedelta(0), timedelta(minutes=90), 2 * HOUR):
                due = change + away
                context = Sleeper(started_at=due - HOUR)
                await DelayNode().run(context, DelayConfig.model_validate({"until": due.astimezone(zone).isoformat()}))
                assert context.moment == due, (name, due)
                tried += 1
    assert tried > 200


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2028-02-29T23:59:59+14:00", datetime(2028, 2, 29, 9, 59, 59, tzinfo=UTC)),
        ("2028-02-29T00:00:00-12:00", datetime(2028, 2, 29, 12, tzinfo=UTC)),
        ("2028-12-31T23:59:59Z", datetime(2028, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2028-02-30T00:00:00Z", None),
        ("2027-02-29T00:00:00Z", None),
        ("2028-12-31T23:59:60Z", None),
        ("2028-03-26T02:30:00", None),
    ],
)
def test_days_that_exist_are_read_and_others_refused(text: str, moment: datetime | None):
    """Leap days exist in leap years; leap seconds, and times without a zone, name no moment."""
    if moment is not None:
        assert DelayConfig.model_validate({"until": text}).until == moment
        return
    with pytest.raises(ValidationError):
        DelayConfig.model_validate({"until": text})


async def test_several_sweepers_wake_a_run_once(world: World, clock: ShiftedClock):
    """Three processes see that the time of twenty runs has come: each run goes on once, and each node runs once."""
    sweeping = {"sweep_interval_s": 0.02}
    async with world.runtime(**sweeping) as runs, world.runtime(**sweeping), world.runtime(**sweeping):
        started = [await runs.start_inline(SUBJECT, WAIT, {}) for _ in range(20)]
        await asyncio.gather(*(until(runs, run.id, "run.waiting") for run in started))
        clock.ahead += 2 * HOUR
        ended = await asyncio.gather(*(runs.wait(SUBJECT, run.id, 20) for run in started))
        seen = [await types(runs, run.id) for run in started]
    assert {run.status for run in ended} == {"succeeded"}
    assert all([log.count(kind) for kind in ONCE] == [1, 1, 1, 1] for log in seen)
    assert world.probe.runs == {"a": 20, "b": 20}


async def test_what_came_due_while_nobody_was_there_goes_on_at_once_and_once(world: World, clock: ShiftedClock):
    """The server was down for three hours, and the delay ended after two: it goes on with the start, not two hours later and not twice."""
    async with world.runtime() as runs:
        started = [await runs.start_inline(SUBJECT, WAIT, {}) for _ in range(5)]
        await asyncio.gather(*(until(runs, run.id, "run.waiting") for run in started))
    clock.ahead += 3 * HOUR
    async with world.runtime() as runs:
        ended = await asyncio.gather(*(runs.wait(SUBJECT, run.id, 20) for run in started))
        seen = [await types(runs, run.id) for run in started]
    assert {run.status for run in ended} == {"succeeded"}
    assert all([log.count(kind) for kind in ONCE] == [1, 1, 1, 1] for log in seen)
    assert world.probe.runs == {"a": 5, "b": 5}
    assert all(run.ended_at is not None and run.ended_at - run.created_at >= 3 * HOUR for run in ended)
