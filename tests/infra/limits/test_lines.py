"""Waiting in lines."""

import asyncio
from collections.abc import Collection, Sequence

import pytest

from agentflow.infra.limits.base import Ask, Bucket, Line, Turn
from agentflow.infra.limits.lines import Lines
from agentflow.infra.limits.memory import MemoryBuckets

SLOW = Line("slow", (Bucket("messages", 0.001, 1.0),))
STEADY = Line("steady", (Bucket("messages", 10.0, 1.0),))
FAST = Line("fast", (Bucket("messages", 200.0, 1.0),))


def _nobody(wait_s: float, reason: str | None) -> None:
    raise AssertionError("nobody should have to wait")


class Waits:
    """Remembers who was told to wait."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str | None]] = []
        self.came = asyncio.Event()

    def __call__(self, wait_s: float, reason: str | None) -> None:
        self.told.append((wait_s, reason))
        self.came.set()


async def _enter(lines: Lines, line: Line, on_wait=_nobody) -> float:
    return await lines.enter(line, "", 1.0, (1.0,), on_wait)


async def test_where_there_is_room_nobody_waits() -> None:
    """The first passes at once, without being told of a wait."""
    lines = Lines(MemoryBuckets())
    assert await _enter(lines, SLOW) < 1


async def test_whoever_waits_is_told_once_how_long_and_why() -> None:
    """The estimate counts everybody ahead."""
    lines, waits = Lines(MemoryBuckets()), Waits()
    await _enter(lines, STEADY)
    await asyncio.gather(*(_enter(lines, STEADY, waits) for _ in range(10)))
    assert len(waits.told) == 10
    assert all(0 < wait_s <= 1.001 and reason == "messages" for wait_s, reason in waits.told)


async def test_all_pass_at_the_rate_of_the_line() -> None:
    """Forty at two hundred a second behind a bucket of one take a fifth of a second, in the order they came."""
    lines, order, loop = Lines(MemoryBuckets()), [], asyncio.get_running_loop()

    async def enter(number: int) -> None:
        await _enter(lines, FAST, Waits())
        order.append(number)

    begin = loop.time()
    await asyncio.gather(*(enter(number) for number in range(41)))
    assert loop.time() - begin >= 0.199
    assert order == list(range(41))


async def test_whoever_is_cancelled_leaves_the_line() -> None:
    """What waited behind moves up, and nothing stays behind in the process."""
    lines, waits = Lines(MemoryBuckets()), Waits()
    await _enter(lines, SLOW)
    waiting = asyncio.create_task(_enter(lines, SLOW, waits))
    await waits.came.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await lines.close()
    assert lines.waiting == 0


class _Held(MemoryBuckets):
    """Buckets whose answers come when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.put_back: list[tuple[float, ...]] = []

    async def turn(self, line: Line, owner: str, new: Sequence[Ask], leaving: Sequence[str], everyone: Collection[Ask]) -> Turn:
        turn = await super().turn(line, owner, new, leaving, everyone)
        self.asked.set()
        await self.answer.wait()
        return turn

    async def adjust(self, line: Line, amounts: Sequence[float]) -> None:
        self.put_back.append(tuple(amounts))


async def test_what_is_granted_to_somebody_who_has_gone_is_put_back() -> None:
    """A cancellation that crosses the grant loses no tokens."""
    buckets = _Held()
    lines = Lines(buckets)
    waiting = asyncio.create_task(_enter(lines, SLOW))
    await buckets.asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    buckets.answer.set()
    await lines.close()
    assert buckets.put_back == [(1.0,)]


class _Broken(MemoryBuckets):
    async def turn(self, *args: object, **kwargs: object) -> Turn:
        raise ZeroDivisionError


async def test_a_fault_of_the_buckets_reaches_whoever_waits() -> None:
    """Nobody hangs for ever because of a fault of ours."""
    with pytest.raises(ZeroDivisionError):
        await _enter(Lines(_Broken()), SLOW)
