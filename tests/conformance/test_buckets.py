"""What every implementation of token buckets has to do: one suite, in memory and in Redis."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentflow.infra.limits.base import Ask, Bucket, Line, Turn
from agentflow.infra.limits.memory import MemoryBuckets
from agentflow.infra.limits.redis import RedisBuckets
from agentflow.infra.redis import open_redis
from agentflow.kit.ids import new_id
from tests.support.redis_server import REDIS


@dataclass
class Place:
    """A line, the clock that its buckets read, and who waits there."""

    buckets: Any
    line: Line
    now: list[float]
    asked: dict[str, tuple[str, Ask, float]] = field(default_factory=dict)
    waiting: dict[str, dict[str, Ask]] = field(default_factory=dict)
    passed: list[tuple[float, str]] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.now[0] += seconds

    async def look(self, owner: str = "a", new: Sequence[Ask] = (), leaving: Sequence[str] = ()) -> Turn:
        mine = self.waiting.setdefault(owner, {})
        for ask in new:
            self.asked[ask.ticket] = owner, ask, self.now[0]
            mine[ask.ticket] = ask
        for ticket in leaving:
            mine.pop(ticket, None)
        turn: Turn = await self.buckets.turn(self.line, owner, new, leaving, mine.values())
        for ticket in turn.granted:
            mine.pop(ticket, None)
            self.passed.append((self.now[0], ticket))
        return turn

    async def ask(self, *costs: float, lane: str = "", weight: float = 1.0, owner: str = "a") -> str:
        ticket = new_id()
        await self.look(owner, [Ask(ticket, lane, weight, costs)])
        return ticket

    def has_passed(self, ticket: str) -> bool:
        return ticket in {passed for _, passed in self.passed}


def _line(*buckets: Bucket) -> Line:
    return Line(f"test:{new_id()}", buckets)


@asynccontextmanager
async def _open(kind: str, line: Line) -> AsyncIterator[Place]:
    now = [1_000.0]
    if kind == "memory":
        yield Place(MemoryBuckets(lambda: now[0]), line, now)
        return
    async with open_redis(kind, repeats=0) as redis:
        yield Place(RedisBuckets(redis, lambda: now[0]), line, now)
        literal = re.sub(r"([*?\[\]\\])", r"\\\1", line.key)
        await redis.delete(*[key async for key in redis.scan_iter(f"agentflow:limits:{{{literal}}}:*")])


@pytest.fixture(params=["memory", "redis", "a cluster of redis"])
def kind(request: pytest.FixtureRequest) -> str:
    """Give ``memory``, or the address of a Redis."""
    kind: str = {"memory": "memory", "redis": REDIS}.get(request.param) or request.getfixturevalue("redis_cluster")
    return kind


def place(kind: str, *buckets: Bucket) -> AbstractAsyncContextManager[Place]:
    return _open(kind, _line(*buckets))


async def test_a_burst_passes_at_once_and_then_the_rate_holds(kind: str) -> None:
    """Three fit into the bucket; the fourth waits for exactly one token."""
    async with place(kind, Bucket("messages", 2.0, 3.0)) as at:
        tickets = [await at.ask(1.0) for _ in range(5)]
        assert [at.has_passed(ticket) for ticket in tickets] == [True, True, True, False, False]
        turn = await at.look()
        assert (turn.next_s, turn.reason, turn.backlog_s) == (pytest.approx(0.5), "messages", pytest.approx(1.0))
        at.wait(0.49)
        assert not (await at.look()).granted
        at.wait(0.02)
        assert list((await at.look()).granted) == [tickets[3]]
        at.wait(0.5)
        assert list((await at.look()).granted) == [tickets[4]]
        assert await at.look() == Turn([])


async def test_all_buckets_must_have_enough(kind: str) -> None:
    """What waits for one bucket takes nothing from the other meanwhile, and says what it waits for."""
    async with place(kind, Bucket("messages", 10.0, 10.0), Bucket("tokens", 100.0, 100.0)) as at:
        first, second = await at.ask(1.0, 100.0), await at.ask(1.0, 50.0)
        turn = await at.look()
        assert at.has_passed(first)
        assert not at.has_passed(second)
        assert (turn.reason, turn.next_s) == ("tokens", pytest.approx(0.5))


async def test_a_large_ask_is_not_overtaken_by_small_ones(kind: str) -> None:
    """Who comes later passes later, however little it wants."""
    async with place(kind, Bucket("tokens", 10.0, 10.0)) as at:
        await at.ask(10.0)
        large, small = await at.ask(9.0), await at.ask(1.0)
        at.wait(0.5)
        assert not (await at.look()).granted
        at.wait(0.5)
        assert list((await at.look()).granted) == [large, small]


async def test_an_ask_larger_than_the_bucket_passes_and_is_paid_off(kind: str) -> None:
    """It waits for a full bucket and leaves a debt, so that the rate holds in the long run."""
    async with place(kind, Bucket("tokens", 10.0, 10.0)) as at:
        large, after = await at.ask(30.0), await at.ask(1.0)
        assert at.has_passed(large)
        assert (await at.look()).next_s == pytest.approx(2.1)
        at.wait(2.2)
        assert list((await at.look()).granted) == [after]


async def test_lanes_share_a_saturated_line_by_weight(kind: str) -> None:
    """Of any ten that pass, eight are of the lane with weight 0.8."""
    async with place(kind, Bucket("messages", 1.0, 1.0)) as at:
        lanes = {}
        for _ in range(40):
            lanes[await at.ask(1.0, lane="batch", weight=0.2)] = "batch"
        for _ in range(40):
            lanes[await at.ask(1.0, lane="interactive", weight=0.8)] = "interactive"
        at.passed.clear()
        for _ in range(40):
            at.wait(1.0)
            await at.look()
        passed = [lanes[ticket] for _, ticket in at.passed]
        assert len(passed) == 40
        assert passed.count("interactive") == pytest.approx(32, abs=1)
        assert all(3 <= passed[i : i + 5].count("interactive") <= 5 for i in range(36))


async def test_what_a_lane_leaves_unused_flows_to_the_others(kind: str) -> None:
    """Alone, the lane with the smallest weight has the whole line; and it has saved up nothing when another comes."""
    async with place(kind, Bucket("messages", 1.0, 1.0)) as at:
        for _ in range(10):
            await at.ask(1.0, lane="batch", weight=0.1)
        for _ in range(5):
            at.wait(1.0)
            await at.look()
        assert len(at.passed) == 6
        late = await at.ask(1.0, lane="interactive", weight=0.9)
        at.wait(1.0)
        assert list((await at.look()).granted) == [late]


async def test_whoever_leaves_takes_nothing(kind: str) -> None:
    """The next in line moves up."""
    async with place(kind, Bucket("messages", 1.0, 1.0)) as at:
        await at.ask(1.0)
        gone, stays = await at.ask(1.0), await at.ask(1.0)
        await at.look(leaving=[gone])
        at.wait(1.0)
        assert list((await at.look()).granted) == [stays]
        assert await at.look() == Turn([])


async def test_what_was_estimated_too_high_is_put_back(kind: str) -> None:
    """Tokens come back at once, never above the capacity; tokens taken in addition are owed."""
    async with place(kind, Bucket("tokens", 1.0, 100.0)) as at:
        await at.ask(100.0)
        await at.buckets.adjust(at.line, (60.0,))
        assert at.has_passed(await at.ask(60.0))
        await at.buckets.adjust(at.line, (-40.0,))
        await at.ask(10.0)
        assert (await at.look()).next_s == pytest.approx(50.0)
        await at.buckets.adjust(at.line, (10_000.0,))
        await at.look()
        await at.ask(91.0)
        assert (await at.look()).next_s == pytest.approx(1.0)


async def test_lines_do_not_know_one_another(kind: str) -> None:
    """S40: the same limits under another key are other limits."""
    async with place(kind, Bucket("messages", 1.0, 1.0)) as at:
        await at.ask(1.0)
        other = Line(at.line.key + ":other", at.line.buckets)
        assert (await at.buckets.turn(other, "a", [ask := Ask(new_id(), "", 1.0, (1.0,))], [], [ask])).granted


async def test_owners_are_told_of_their_own_only(kind: str) -> None:
    """Whoever looks lets everybody pass; each learns of its own at its next look."""
    async with place(kind, Bucket("messages", 1.0, 1.0)) as at:
        await at.ask(1.0, owner="a")
        ours, theirs = await at.ask(1.0, owner="a"), await at.ask(1.0, owner="b")
        at.wait(1.0)
        assert not (await at.look("b")).granted
        at.wait(1.0)
        assert list((await at.look("a")).granted) == [ours]
        assert list((await at.look("b")).granted) == [theirs]


STEPS = st.lists(
    st.tuples(
        st.floats(0, 1.0),  # seconds that pass
        st.sampled_from("ab"),  # whose turn
        st.lists(st.tuples(st.sampled_from(["x", "y"]), st.integers(0, 6)), max_size=4),  # lanes and costs of new asks
        st.booleans(),  # whether the oldest ask of the owner leaves
    ),
    max_size=30,
)


@pytest.mark.parametrize("kind", ["memory", REDIS])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=st.floats(0.5, 20), capacity=st.floats(1, 10), steps=STEPS)
def test_no_window_admits_more_than_its_burst_and_its_rate(kind: str, rate: float, capacity: float, steps: list[Any]) -> None:
    """Over any window of t seconds at most burst + rate * t tokens pass, lanes keep their order, and in the end everybody has passed."""
    asyncio.run(_campaign(kind, rate, capacity, steps))


async def _campaign(kind: str, rate: float, capacity: float, steps: list[Any]) -> None:
    async with place(kind, Bucket("tokens", rate, capacity)) as at:
        left: set[str] = set()
        for seconds, owner, asks, leaves in steps:
            at.wait(seconds)
            new = [Ask(new_id(), lane, 0.7 if lane == "x" else 0.3, (float(cost),)) for lane, cost in asks]
            leaving = list(at.waiting.get(owner, {}))[:1] if leaves else []
            left.update(leaving)
            await at.look(owner, new, leaving)
            await at.look("b" if owner == "a" else "a")
        left -= {ticket for _, ticket in at.passed}
        seconds_owed = sum(ask.costs[0] for _, ask, _ in at.asked.values()) / rate
        for _ in range(5 * len(at.asked) + 5 + 2 * int(seconds_owed)):
            turn = await at.look("a")
            await at.look("b")
            at.wait(min(turn.next_s, 1.0))
        _check_windows(at, rate, capacity)
        assert {ticket for _, ticket in at.passed} | left >= set(at.asked)
        order = list(at.asked)
        for lane in "xy":
            places = [order.index(ticket) for _, ticket in at.passed if at.asked[ticket][1].lane == lane and at.asked[ticket][0] == "a"]
            assert places == sorted(places)


def _check_windows(at: Place, rate: float, capacity: float) -> None:
    times = [(when, at.asked[ticket][1].costs[0]) for when, ticket in at.passed]
    over = max([cost - capacity for _, cost in times] + [0.0])
    for i, (begin, _) in enumerate(times):
        total = 0.0
        for when, cost in times[i:]:
            total += cost
            assert total <= capacity + rate * (when - begin) + over + 1e-6


@pytest.mark.parametrize(
    "name", ["*", "a?", "[a-z]", "}:levels{", "\r\nFLUSHALL\r\n", "a b\x00c", "'] redis.call('FLUSHALL') --", "ü\u2028"]
)
async def test_s59_commands_and_patterns_in_a_name_are_a_name(kind: str, name: str) -> None:
    """A line of such a name has its own tokens, and others keep theirs."""
    mark, bucket = new_id(), Bucket("messages", 0.001, 1.0)
    async with _open(kind, Line(f"test:{mark}:{name}", (bucket,))) as odd, _open(kind, Line(f"test:{mark}:a", (bucket,))) as plain:
        first = await plain.ask(1.0)
        second = await odd.ask(1.0)
        assert plain.has_passed(first)
        assert odd.has_passed(second)
        again = await plain.ask(1.0)
        assert not plain.has_passed(again)
