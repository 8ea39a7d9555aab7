"""What ``Memo`` remembers, and how many looks it takes."""

import asyncio
from datetime import UTC, datetime

import pytest

from agentflow.kit.memo import Memo


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


class Source:
    """Something to look at that counts the looks; each waits until it is let through."""

    def __init__(self) -> None:
        self.looks = 0
        self.value = "old"
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()

    async def look(self) -> str:
        self.looks += 1
        value = self.value
        self.asked.set()
        await self.open.wait()
        if value == "bad":
            raise LookupError(value)
        return value


async def test_a_value_is_remembered_for_its_lifetime():
    clock, source = HandClock(), Source()
    memo = Memo[str, str](clock, 5.0, 10)
    await memo.get("a", source.look)
    clock.seconds = 4.9
    await memo.get("a", source.look)
    assert source.looks == 1
    clock.seconds = 5.0
    await memo.get("a", source.look)
    assert source.looks == 2


async def test_all_who_ask_at_once_share_one_look():
    source = Source()
    memo = Memo[str, str](HandClock(), 5.0, 10)
    assert await asyncio.gather(*(memo.get("a", source.look) for _ in range(100))) == ["old"] * 100
    assert source.looks == 1


async def test_whoever_asked_first_may_go_away():
    source = Source()
    source.open.clear()
    memo = Memo[str, str](HandClock(), 5.0, 10)
    first = asyncio.create_task(memo.get("a", source.look))
    await source.asked.wait()
    second = asyncio.create_task(memo.get("a", source.look))
    first.cancel()
    source.open.set()
    assert await second == "old"
    assert source.looks == 1


async def test_an_error_reaches_everybody_and_is_not_remembered():
    source = Source()
    source.value = "bad"
    memo = Memo[str, str](HandClock(), 5.0, 10)
    found = await asyncio.gather(*(memo.get("a", source.look) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [LookupError] * 3
    source.value = "good"
    assert await memo.get("a", source.look) == "good"


@pytest.mark.parametrize("forget", [lambda memo: memo.forget("a"), lambda memo: memo.clear()])
async def test_what_a_look_finds_that_began_before_forgetting_is_not_remembered(forget):
    source = Source()
    source.open.clear()
    memo = Memo[str, str](HandClock(), 5.0, 10)
    before = asyncio.create_task(memo.get("a", source.look))
    await source.asked.wait()
    source.value = "new"
    forget(memo)
    after = asyncio.create_task(memo.get("a", source.look))
    source.open.set()
    assert await asyncio.gather(before, after) == ["old", "new"]
    assert await memo.get("a", source.look) == "new"


async def test_the_longest_known_go_first():
    source = Source()
    memo = Memo[int, str](HandClock(), 5.0, 2)
    for key in (1, 2, 3, 3, 2):
        await memo.get(key, source.look)
    assert source.looks == 3
    await memo.get(1, source.look)
    assert source.looks == 4


async def test_what_was_learned_is_remembered_as_if_it_had_been_looked_up():
    clock, source = HandClock(), Source()
    memo = Memo[str, str](clock, 5.0, 10)
    clock.seconds = 1.0
    memo.learn("a", "learned", since=0.5)
    assert await memo.get("a", source.look) == "learned"
    clock.seconds = 5.5
    assert await memo.get("a", source.look) == "old"


async def test_what_may_be_older_than_the_moment_of_forgetting_is_not_learned():
    clock, source = HandClock(), Source()
    memo = Memo[str, str](clock, 5.0, 10)
    clock.seconds = 1.0
    memo.forget("a")
    memo.learn("a", "stale", since=1.0)
    assert await memo.get("a", source.look) == "old"
    memo.clear()
    memo.learn("b", "stale", since=0.9)
    assert await memo.get("b", source.look) == "old"
    clock.seconds = 2.0
    memo.learn("b", "fresh", since=1.5)
    assert await memo.get("b", source.look) == "fresh"


async def test_a_look_under_way_goes_before_what_is_learned_meanwhile():
    source = Source()
    memo = Memo[str, str](HandClock(), 5.0, 10)
    source.open.clear()
    asked = asyncio.create_task(memo.get("a", source.look))
    await source.asked.wait()
    memo.learn("a", "learned", since=0.0)
    source.open.set()
    assert await asked == "old"
    assert await memo.get("a", source.look) == "old"
